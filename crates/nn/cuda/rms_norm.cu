// RMSNorm over rows: y = x / sqrt(mean(x^2) + eps) * weight, a block a row, sums in f32.
#include "common.cuh"

template <class T>
__device__ void rms_norm(const T* x, const T* weight, T* y, unsigned width, float eps) {
  x += size_t(blockIdx.x) * width;
  y += size_t(blockIdx.x) * width;
  float squares = 0.0f;
  for (unsigned at = threadIdx.x; at < width; at += blockDim.x) {
    const float number = to_float(x[at]);
    squares += number * number;
  }
  const float scale = rsqrtf(block_reduce<Sum>(squares) / width + eps);
  for (unsigned at = threadIdx.x; at < width; at += blockDim.x)
    y[at] = from_float<T>(to_float(x[at]) * scale * to_float(weight[at]));
}

#define INSTANTIATE(T, suffix)                                                                                       \
  extern "C" __global__ void rms_norm_##suffix(const T* x, const T* weight, T* y, unsigned width, float eps) { \
    rms_norm(x, weight, y, width, eps);                                                                              \
  }                                                                                                                  \
  REGISTER(rms_norm_##suffix)
FOR_EACH_TYPE(INSTANTIATE)
