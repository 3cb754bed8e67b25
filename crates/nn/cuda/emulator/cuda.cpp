// Runs kernels block by block. A fiber runs the threads of a block one after the other; where one has to wait at a
// barrier the fiber stays with it, and another fiber goes on with the next thread.
#include "cuda.hpp"

#include <memory>
#include <vector>

#if !defined(__x86_64__)
#include <ucontext.h>
#endif

namespace emulator {

thread_local uint3 thread, block;
thread_local dim3 block_dim, grid_dim;
thread_local unsigned char* dynamic_shared;

namespace {

Kernel* first_kernel;

constexpr unsigned WARP = 32;
constexpr std::size_t STACK = 128 << 10;
/// Most bytes that a lane shows to its warp.
constexpr unsigned SHOWN = 32;

enum class State { Ready, AtBlock, AtWarp, Ended };

/// Memory of a fiber.
using Stack = std::unique_ptr<unsigned char[]>;

#if defined(__x86_64__)
// Saves what the calling convention asks to keep, and goes on on another stack.
extern "C" void affekt_switch_stack(void** from, void* to);
asm(R"(
.text
.globl affekt_switch_stack
.hidden affekt_switch_stack
.type affekt_switch_stack, @function
affekt_switch_stack:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size affekt_switch_stack, .-affekt_switch_stack
)");

/// A place to go on from.
struct Context {
  void* stack_pointer = nullptr;
  void prepare(unsigned char* stack, void (*body)()) {
    auto top = reinterpret_cast<std::uintptr_t>(stack + STACK) & ~std::uintptr_t(15);
    auto* place = reinterpret_cast<void**>(top);
    // `ret` enters the body with the stack aligned as a call leaves it.
    *--place = nullptr;
    *--place = reinterpret_cast<void*>(body);
    for (int saved = 0; saved < 6; ++saved) *--place = nullptr;
    stack_pointer = place;
  }
  static void change(Context& from, Context& to) { affekt_switch_stack(&from.stack_pointer, to.stack_pointer); }
};
#else
struct Context {
  ucontext_t context;
  void prepare(unsigned char* stack, void (*body)()) {
    getcontext(&context);
    context.uc_stack.ss_sp = stack;
    context.uc_stack.ss_size = STACK;
    context.uc_link = nullptr;
    makecontext(&context, body, 0);
  }
  static void change(Context& from, Context& to) { swapcontext(&from.context, &to.context); }
};
#endif

/// A thread of the block that runs.
struct Thread {
  State state;
  uint3 index;
  /// Number of the fiber that runs it.
  unsigned fiber;
  unsigned char shown[SHOWN];
};

/// The block that runs.
struct Block {
  std::vector<Thread> threads;
  /// As many as threads: so many may wait. What they stand on is made when it is needed.
  std::vector<Context> fibers;
  std::vector<Stack> stacks;
  std::vector<unsigned char> shared;
  Context scheduler;
  unsigned current = 0;
  /// The first thread that no fiber has begun, and the first fiber that has none.
  unsigned next_thread = 0, next_fiber = 0;
  /// Whether the last thread goes first.
  bool backwards = false;
  /// The thread whose turn that is.
  unsigned in_turn(unsigned turn) const { return backwards ? unsigned(threads.size()) - 1 - turn : turn; }
  const Kernel* kernel = nullptr;
  void** arguments = nullptr;
};

Block& running() {
  static thread_local Block block;
  return block;
}

/// What a fiber does: threads to their end, as long as there are some.
void body() {
  Block& block = running();
  const unsigned fiber = block.next_fiber++;
  while (block.next_thread < block.threads.size()) {
    block.current = block.in_turn(block.next_thread++);
    Thread& begun = block.threads[block.current];
    begun.fiber = fiber;
    thread = begun.index;
    block.kernel->call(block.arguments);
    begun.state = State::Ended;
  }
  Context::change(block.fibers[fiber], block.scheduler);
  std::abort();
}

void wait(State state) {
  Block& block = running();
  Thread& waiting = block.threads[block.current];
  waiting.state = state;
  Context::change(block.fibers[waiting.fiber], block.scheduler);
}

/// Lets the threads from `first` up to `last` go on if all of them have ended or wait at this barrier.
bool release(Block& block, unsigned first, unsigned last, State barrier) {
  bool waits = false;
  for (unsigned at = first; at < last; ++at) {
    const State state = block.threads[at].state;
    if (state != State::Ended && state != barrier) return false;
    waits |= state == barrier;
  }
  for (unsigned at = first; at < last; ++at)
    if (block.threads[at].state == barrier) block.threads[at].state = State::Ready;
  return waits;
}

/// One block from its start to its end.
void run_block(Block& block) {
  const unsigned threads = unsigned(block.threads.size());
  block.next_thread = block.next_fiber = 0;
  while (block.next_thread < threads) {
    const unsigned fiber = block.next_fiber;
    if (block.stacks.size() == fiber) block.stacks.emplace_back(new unsigned char[STACK]);
    block.fibers[fiber].prepare(block.stacks[fiber].get(), body);
    Context::change(block.scheduler, block.fibers[fiber]);
  }
  // A thread that waits is the last one, or another fiber went on behind it.
  const Thread& last = block.threads[block.in_turn(threads - 1)];
  for (bool going = block.next_fiber > 1 || last.state != State::Ended; going;) {
    going = false;
    for (unsigned warp = 0; warp < threads; warp += WARP)
      going |= release(block, warp, std::min(threads, warp + WARP), State::AtWarp);
    going |= release(block, 0, threads, State::AtBlock);
    for (unsigned turn = 0; turn < threads; ++turn) {
      const unsigned at = block.in_turn(turn);
      Thread& ready = block.threads[at];
      if (ready.state != State::Ready) continue;
      block.current = at;
      thread = ready.index;
      Context::change(block.scheduler, block.fibers[ready.fiber]);
    }
  }
  for (const Thread& thread : block.threads) {
    if (thread.state == State::Ended) continue;
    std::fprintf(stderr, "kernel %s: threads wait for each other at different barriers\n", block.kernel->name);
    std::abort();
  }
}

}  // namespace

Kernel::Kernel(const char* name, void (*call)(void**), uint64_t pointers, unsigned arguments)
    : name(name), call(call), pointers(pointers), arguments(arguments), next(first_kernel) {
  first_kernel = this;
}

void block_barrier() { wait(State::AtBlock); }

void warp_barrier() { wait(State::AtWarp); }

void* exchange(const void* value, unsigned bytes, unsigned lane) {
  Block& block = running();
  if (bytes > SHOWN) std::abort();
  std::memcpy(block.threads[block.current].shown, value, bytes);
  warp_barrier();
  const unsigned seen = block.current / WARP * WARP + lane;
  return block.threads[seen < block.threads.size() ? seen : block.current].shown;
}

void check_aligned(const void* place, std::size_t bytes) {
  if (reinterpret_cast<std::uintptr_t>(place) % bytes == 0) return;
  std::fprintf(stderr, "kernel %s: a vector of %zu bytes at %p is not aligned\n", running().kernel->name, bytes, place);
  std::abort();
}

void run(const Kernel& kernel, dim3 grid, dim3 threads, unsigned shared, void** arguments) {
  Block& here = running();
  const unsigned count = threads.x * threads.y * threads.z;
  here.threads.resize(count);
  if (here.fibers.size() < count) here.fibers.resize(count);
  // What a kernel reads before it has written it shall not be what it wants by chance.
  here.shared.assign(shared + 16, 0xff);
  dynamic_shared = here.shared.data() + (16 - reinterpret_cast<std::uintptr_t>(here.shared.data()) % 16) % 16;
  here.kernel = &kernel;
  here.arguments = arguments;
  block_dim = threads;
  grid_dim = grid;
  for (unsigned at = 0; at < count; ++at)
    here.threads[at].index = {at % threads.x, at / threads.x % threads.y, at / threads.x / threads.y};
  for (unsigned z = 0; z < grid.z; ++z)
    for (unsigned y = 0; y < grid.y; ++y)
      for (unsigned x = 0; x < grid.x; ++x) {
        block = {x, y, z};
        here.backwards = (x + y + z) % 2 == 1;
        run_block(here);
      }
}

const Kernel* kernels() { return first_kernel; }

const Kernel* find(const char* name) {
  for (const Kernel* kernel = first_kernel; kernel; kernel = kernel->next)
    if (std::strcmp(kernel->name, name) == 0) return kernel;
  return nullptr;
}

}  // namespace emulator

/// Runs the kernel of that name over a grid of blocks of `threads` threads; 1 where there is no such kernel.
extern "C" int affekt_emulate(const char* name, const unsigned* grid, unsigned threads, unsigned shared,
                              void** arguments) {
  const emulator::Kernel* kernel = emulator::find(name);
  if (!kernel) return 1;
  emulator::run(*kernel, {grid[0], grid[1], grid[2]}, {threads, 1, 1}, shared, arguments);
  return 0;
}
