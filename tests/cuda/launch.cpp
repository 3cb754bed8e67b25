// Modules, functions and launches: PTX says which kernels a module has, and what is compiled for the host runs.
#include "testbed.hpp"

#include <cctype>
#include <cstdio>
#include <cstring>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "emulator/cuda.hpp"

using namespace testbed;

namespace {

struct Function {
  std::string name;
  Device* device;
  /// None where no kernel of that name is compiled.
  const emulator::Kernel* kernel;
  /// Most bytes of dynamic shared memory of a block.
  unsigned shared = 48 << 10;
};

struct Module {
  Device* device;
  std::set<std::string> entries;
  /// What the host's kernels of this module are called in front of their names; nothing for ours.
  std::string prefix;
  std::map<std::string, std::unique_ptr<Function>> functions;
};

/// The kernels of the crate candle-kernels by module, as `candle_unary::ugelu_f32`.
const std::map<std::string, std::set<std::string>>& of_candle() {
  static const auto modules = [] {
    std::map<std::string, std::set<std::string>> found;
    for (const emulator::Kernel* kernel = emulator::kernels(); kernel; kernel = kernel->next)
      if (const char* split = std::strstr(kernel->name, "::"))
        found[std::string(kernel->name, split + 2)].insert(split + 2);
    return found;
  }();
  return modules;
}

/// The names behind `.entry` in PTX.
std::set<std::string> entries(const char* ptx) {
  std::set<std::string> names;
  constexpr const char* MARK = ".entry ";
  for (const char* at = std::strstr(ptx, MARK); at; at = std::strstr(at, MARK)) {
    at += std::strlen(MARK);
    const char* end = at;
    while (std::isalnum(static_cast<unsigned char>(*end)) || *end == '_' || *end == '$') ++end;
    names.emplace(at, end);
  }
  return names;
}

/// Candle's module if most of its kernels, and most of these entries, are the same.
std::string prefix_of(const std::set<std::string>& entries) {
  for (const auto& [prefix, kernels] : of_candle()) {
    std::size_t both = 0;
    for (const std::string& entry : entries) both += kernels.count(entry);
    if (2 * both > entries.size() && 2 * both > kernels.size()) return prefix;
  }
  return "";
}

int load(Module** module, const char* ptx) {
  if (!current()) return INVALID_CONTEXT;
  auto loaded = std::make_unique<Module>();
  loaded->device = current();
  loaded->entries = entries(ptx);
  if (loaded->entries.empty()) {
    complain("a module without kernels, or no PTX");
    return INVALID_IMAGE;
  }
  loaded->prefix = prefix_of(loaded->entries);
  count("module", loaded->prefix.empty() ? *loaded->entries.begin() + ", ..." : loaded->prefix);
  *module = loaded.release();
  return SUCCESS;
}

/// What the driver checks before it takes a launch.
bool valid(const Function& function, const unsigned (&grid)[3], const unsigned (&block)[3], unsigned shared) {
  const unsigned blocks[3] = {0x7fffffff, 65535, 65535}, threads[3] = {1024, 1024, 64};
  bool fits = uint64_t(block[0]) * block[1] * block[2] <= 1024 && shared <= function.shared;
  for (int axis = 0; axis < 3; ++axis)
    fits &= grid[axis] > 0 && grid[axis] <= blocks[axis] && block[axis] > 0 && block[axis] <= threads[axis];
  if (!fits)
    complain("%s: no card takes %u x %u x %u blocks of %u x %u x %u threads with %u bytes of %u", function.name.c_str(),
             grid[0], grid[1], grid[2], block[0], block[1], block[2], shared, function.shared);
  return fits;
}

/// Addresses among the arguments lead into memory of the device, or nowhere.
bool reachable(const Function& function, void** arguments) {
  for (unsigned at = 0; at < function.kernel->arguments; ++at) {
    if (!(function.kernel->pointers >> at & 1)) continue;
    const void* address = *static_cast<void**>(arguments[at]);
    const std::string what = function.name + ", argument " + std::to_string(at) + ", reaches";
    if (address && !inside(*function.device, address, 1, what.c_str())) return false;
  }
  return true;
}

}  // namespace

EXPORT int cuModuleLoadData(Module** module, const void* image) { return load(module, static_cast<const char*>(image)); }
EXPORT int cuModuleLoadDataEx(Module** module, const void* image, unsigned, int*, void**) {
  return cuModuleLoadData(module, image);
}
EXPORT int cuModuleLoad(Module** module, const char* path) {
  std::FILE* file = std::fopen(path, "r");
  if (!file) return NOT_FOUND;
  std::string text;
  char part[4096];
  while (const std::size_t got = std::fread(part, 1, sizeof(part), file)) text.append(part, got);
  std::fclose(file);
  return load(module, text.c_str());
}
// Its functions may still be known somewhere.
EXPORT int cuModuleUnload(Module*) { return SUCCESS; }

EXPORT int cuModuleGetFunction(Function** function, Module* module, const char* name) {
  static std::mutex busy;
  std::lock_guard<std::mutex> alone(busy);
  if (!module->entries.count(name)) {
    complain("no kernel %s in a module with %s and %zu others", name, module->entries.begin()->c_str(),
             module->entries.size() - 1);
    return NOT_FOUND;
  }
  auto& known = module->functions[name];
  if (!known) {
    const emulator::Kernel* kernel = emulator::find((module->prefix + name).c_str());
    known.reset(new Function{name, module->device, kernel});
  }
  *function = known.get();
  return SUCCESS;
}
EXPORT int cuFuncSetAttribute(Function* function, int attribute, int value) {
  if (attribute != 8) return SUCCESS;  // only dynamic shared memory has a limit here
  if (value < 0 || value > 227 << 10) return INVALID_VALUE;
  function->shared = unsigned(value);
  return SUCCESS;
}
EXPORT int cuFuncGetAttribute(int* value, int attribute, Function* function) {
  *value = attribute == 0 ? 1024 : attribute == 8 ? int(function->shared) : 0;
  return SUCCESS;
}
EXPORT int cuFuncSetCacheConfig(Function*, int) { return SUCCESS; }
EXPORT int cuOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, Function*, int threads, std::size_t) {
  *blocks = threads > 0 ? std::min(32, 2048 / threads) : 0;
  return SUCCESS;
}

EXPORT int cuLaunchKernel(Function* function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,
                          unsigned block_y, unsigned block_z, unsigned shared, void* stream, void** arguments,
                          void** extra) {
  Device* device = device_of(stream);
  if (!device) return INVALID_CONTEXT;
  const unsigned grid[3] = {grid_x, grid_y, grid_z}, block[3] = {block_x, block_y, block_z};
  if (function->device != device || extra) return INVALID_HANDLE;
  if (!valid(*function, grid, block, shared)) return INVALID_VALUE;
  if (!function->kernel) {
    complain("the kernel %s is not compiled for the host", function->name.c_str());
    return NOT_SUPPORTED;
  }
  if (!reachable(*function, arguments)) return ILLEGAL_ADDRESS;
  count("launch", function->kernel->name);
  const emulator::Kernel* kernel = function->kernel;
  // The driver takes the arguments when it is called, not when the kernel runs.
  std::vector<std::vector<char>> values;
  for (unsigned at = 0; at < kernel->arguments; ++at) {
    const char* value = static_cast<const char*>(arguments[at]);
    values.emplace_back(value, value + kernel->sizes[at]);
  }
  submit(*device, [=]() mutable {
    std::vector<void*> taken;
    for (std::vector<char>& value : values) taken.push_back(value.data());
    emulator::run(*kernel, {grid_x, grid_y, grid_z}, {block_x, block_y, block_z}, shared, taken.data());
  });
  return SUCCESS;
}
EXPORT int cuLaunchCooperativeKernel(Function* function, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned,
                                     unsigned, void*, void**) {
  complain("%s: blocks that wait for each other are not emulated", function->name.c_str());
  return NOT_SUPPORTED;
}

// Graphs are not emulated; programs that can use them start and are told so.
#define NOT_EMULATED(name)                    \
  EXPORT int name() {                         \
    complain("%s is not emulated", #name);    \
    return NOT_SUPPORTED;                     \
  }
NOT_EMULATED(cuStreamBeginCapture_v2)
NOT_EMULATED(cuStreamEndCapture)
NOT_EMULATED(cuGraphInstantiateWithFlags)
NOT_EMULATED(cuGraphLaunch)
NOT_EMULATED(cuGraphUpload)
NOT_EMULATED(cuGraphDestroy)
NOT_EMULATED(cuGraphExecDestroy)
NOT_EMULATED(cuModuleGetGlobal_v2)
NOT_EMULATED(cuMemAllocManaged)
NOT_EMULATED(cuStreamAttachMemAsync)
