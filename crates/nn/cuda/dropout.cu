// Dropout: y = x * mask, forward and backward alike.
//
// Reads x once, writes y once: the limit is memory traffic. candle's path uploads a mask of the tensor's size, which the
// CPU has to draw, and multiplies by it.
#include "mask.cuh"

// Numbers of a thread, which lie a block apart.
constexpr unsigned EACH = 4;

template <class T>
__device__ void dropout(const T* x, T* y, unsigned long long count, Mask mask) {
  const unsigned long long start = blockIdx.x * (unsigned long long)(blockDim.x * EACH) + threadIdx.x;
  T numbers[EACH];
#pragma unroll
  for (unsigned each = 0; each < EACH; ++each) {
    const unsigned long long at = start + each * blockDim.x;
    if (at < count) numbers[each] = x[at];
  }
#pragma unroll
  for (unsigned each = 0; each < EACH; ++each) {
    const unsigned long long at = start + each * blockDim.x;
    if (at < count) y[at] = from_float<T>(to_float(numbers[each]) * mask.factor(unsigned(at)));
  }
}

#define INSTANTIATE(T, suffix)                                                                                    \
  extern "C" __global__ void dropout_##suffix(const T* x, T* y, unsigned long long count, unsigned low,           \
                                              unsigned high, unsigned lowest, float scale) {                      \
    dropout(x, y, count, Mask{low, high, lowest, scale});                                                         \
  }                                                                                                               \
  REGISTER(dropout_##suffix)
FOR_EACH_TYPE(INSTANTIATE)
