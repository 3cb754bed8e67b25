// Runs kernels block by block, each thread of a block a fiber.
#include "cuda.hpp"

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

struct Fiber {
  Context context;
  State state;
  uint3 index;
  unsigned char shown[SHOWN];
};

/// The threads of the block that runs.
struct Block {
  std::vector<Fiber> fibers;
  std::vector<unsigned char> stacks;
  std::vector<unsigned char> shared;
  Context scheduler;
  unsigned current = 0;
  const Kernel* kernel = nullptr;
  void** arguments = nullptr;
};

Block& running() {
  static thread_local Block block;
  return block;
}

void body() {
  Block& block = running();
  block.kernel->call(block.arguments);
  block.fibers[block.current].state = State::Ended;
  Context::change(block.fibers[block.current].context, block.scheduler);
  std::abort();
}

void wait(State state) {
  Block& block = running();
  Fiber& fiber = block.fibers[block.current];
  fiber.state = state;
  Context::change(fiber.context, block.scheduler);
}

/// Lets the threads from `first` up to `last` go on if all of them have ended or wait at this barrier.
bool release(Block& block, unsigned first, unsigned last, State barrier) {
  bool waits = false;
  for (unsigned at = first; at < last; ++at) {
    const State state = block.fibers[at].state;
    if (state != State::Ended && state != barrier) return false;
    waits |= state == barrier;
  }
  for (unsigned at = first; at < last; ++at)
    if (block.fibers[at].state == barrier) block.fibers[at].state = State::Ready;
  return waits;
}

/// One block from its start to its end.
void run_block(Block& block) {
  const unsigned threads = unsigned(block.fibers.size());
  for (unsigned at = 0; at < threads; ++at) {
    Fiber& fiber = block.fibers[at];
    fiber.state = State::Ready;
    fiber.context.prepare(block.stacks.data() + at * STACK, body);
  }
  for (bool going = true; going;) {
    going = false;
    for (unsigned at = 0; at < threads; ++at) {
      Fiber& fiber = block.fibers[at];
      if (fiber.state != State::Ready) continue;
      going = true;
      block.current = at;
      thread = fiber.index;
      Context::change(block.scheduler, fiber.context);
    }
    for (unsigned warp = 0; warp < threads; warp += WARP)
      going |= release(block, warp, std::min(threads, warp + WARP), State::AtWarp);
    going |= release(block, 0, threads, State::AtBlock);
  }
  for (const Fiber& fiber : block.fibers) {
    if (fiber.state == State::Ended) continue;
    std::fprintf(stderr, "kernel %s: threads wait for each other at different barriers\n", block.kernel->name);
    std::abort();
  }
}

}  // namespace

Kernel::Kernel(const char* name, void (*call)(void**)) : name(name), call(call), next(first_kernel) {
  first_kernel = this;
}

void block_barrier() { wait(State::AtBlock); }

void warp_barrier() { wait(State::AtWarp); }

void* exchange(const void* value, unsigned bytes, unsigned lane) {
  Block& block = running();
  if (bytes > SHOWN) std::abort();
  std::memcpy(block.fibers[block.current].shown, value, bytes);
  warp_barrier();
  const unsigned seen = block.current / WARP * WARP + lane;
  return block.fibers[seen < block.fibers.size() ? seen : block.current].shown;
}

/// Runs all blocks of a kernel.
void run(const Kernel& kernel, dim3 grid, dim3 threads, unsigned shared, void** arguments) {
  Block& here = running();
  const unsigned count = threads.x * threads.y * threads.z;
  here.fibers.resize(count);
  if (here.stacks.size() < count * STACK) here.stacks.resize(count * STACK);
  // What a kernel reads before it has written it shall not be what it wants by chance.
  here.shared.assign(shared + 16, 0xff);
  dynamic_shared = here.shared.data() + (16 - reinterpret_cast<std::uintptr_t>(here.shared.data()) % 16) % 16;
  here.kernel = &kernel;
  here.arguments = arguments;
  block_dim = threads;
  grid_dim = grid;
  for (unsigned at = 0; at < count; ++at)
    here.fibers[at].index = {at % threads.x, at / threads.x % threads.y, at / threads.x / threads.y};
  for (unsigned z = 0; z < grid.z; ++z)
    for (unsigned y = 0; y < grid.y; ++y)
      for (unsigned x = 0; x < grid.x; ++x) {
        block = {x, y, z};
        run_block(here);
      }
}

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
