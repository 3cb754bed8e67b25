// The run-time library, which only the kernels of candle-kernels that are linked into a program use: products with
// quantised weights, of tensor-core instructions. They are registered when the program starts, and are not emulated.
#include "testbed.hpp"

#include <map>

using namespace testbed;

namespace {

constexpr int NOT_EMULATED = 801;

/// Kernels by the address that launches name.
std::map<const void*, std::string>& kernels() {
  static auto* kernels = new std::map<const void*, std::string>;
  return *kernels;
}

int refuse(const void* kernel) {
  const auto known = kernels().find(kernel);
  complain("the kernel %s, which is linked into the program, is not emulated: what it should have written is not there",
           known == kernels().end() ? "?" : known->second.c_str());
  return NOT_EMULATED;
}

}  // namespace

EXPORT void** __cudaRegisterFatBinary(void*) {
  static void* handle = nullptr;
  return &handle;
}
EXPORT void __cudaRegisterFatBinaryEnd(void**) {}
EXPORT void __cudaUnregisterFatBinary(void**) {}
EXPORT void __cudaRegisterFunction(void**, const char* address, char*, const char* name, int, void*, void*, void*, void*,
                                   int*) {
  kernels()[address] = name;
}
EXPORT void __cudaRegisterVar(void**, char*, char*, const char*, int, std::size_t, int, int) {}
// Taken, so that the launch itself is refused by name.
EXPORT unsigned __cudaPushCallConfiguration(...) { return SUCCESS; }
EXPORT int __cudaPopCallConfiguration(...) { return SUCCESS; }
EXPORT int __cudaGetKernel(const void** kernel, const void* address) {
  *kernel = address;
  return SUCCESS;
}
EXPORT int __cudaLaunchKernel(const void* kernel, ...) { return refuse(kernel); }
EXPORT int __cudaLaunchKernel_ptsz(const void* kernel, ...) { return refuse(kernel); }
EXPORT int cudaLaunchKernel(const void* kernel, ...) { return refuse(kernel); }
EXPORT int cudaGetLastError() { return NOT_EMULATED; }
EXPORT int cudaPeekAtLastError() { return NOT_EMULATED; }
EXPORT const char* cudaGetErrorString(int) { return "not emulated"; }
EXPORT int cudaFuncSetAttribute(...) { return NOT_EMULATED; }

// What the same code would ask for around its launches, in a program that is linked with all of it.
#define NOT_EMULATED_EITHER(name)             \
  EXPORT int name(...) {                      \
    complain("%s is not emulated", #name);    \
    return NOT_EMULATED;                      \
  }                                           \
  EXPORT int name##_ptsz(...) { return name(); }
NOT_EMULATED_EITHER(cudaMalloc)
NOT_EMULATED_EITHER(cudaFree)
NOT_EMULATED_EITHER(cudaMallocAsync)
NOT_EMULATED_EITHER(cudaFreeAsync)
NOT_EMULATED_EITHER(cudaMemsetAsync)
NOT_EMULATED_EITHER(cudaMemcpyAsync)
NOT_EMULATED_EITHER(cudaStreamSynchronize)
NOT_EMULATED_EITHER(cudaDeviceSynchronize)
NOT_EMULATED_EITHER(cudaDeviceGetAttribute)
NOT_EMULATED_EITHER(cudaFuncGetAttributes)
NOT_EMULATED_EITHER(cudaGetDeviceCount)
NOT_EMULATED_EITHER(cudaSetDevice)
NOT_EMULATED_EITHER(cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags)
EXPORT const char* cudaGetErrorName(int) { return "not emulated"; }
EXPORT int cudaGetDevice(int* ordinal) {
  *ordinal = current() ? current()->ordinal : 0;
  return SUCCESS;
}
