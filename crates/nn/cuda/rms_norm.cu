// RMSNorm over rows: y = x / sqrt(mean(x^2) + eps) * weight, a block a row, sums in f32.
//
// With `other` it first adds: sum = x + other is written, too, and its norm taken as it was rounded. Between two layers
// that is all there is to do: two rows are read and two written once, where candle's path has two launches and reads the
// sum a second time. Limit: memory traffic, and for a few rows the launch.
#include "common.cuh"

template <class T, unsigned N, bool ADDS>
__device__ void rms_norm(const T* x, const T* other, const T* weight, T* sum, T* y, unsigned width, float eps) {
  const size_t row = size_t(blockIdx.x) * width;
  float squares = 0.0f;
  for (unsigned at = threadIdx.x * N; at < width; at += blockDim.x * N) {
    Pack<T, N> numbers = load<T, N>(x + row + at);
    if (ADDS) {
      const Pack<T, N> others = load<T, N>(other + row + at);
#pragma unroll
      for (unsigned i = 0; i < N; ++i)
        numbers.at[i] = from_float<T>(to_float(numbers.at[i]) + to_float(others.at[i]));
      store(sum + row + at, numbers);
    }
#pragma unroll
    for (unsigned i = 0; i < N; ++i) squares = fmaf(to_float(numbers.at[i]), to_float(numbers.at[i]), squares);
  }
  const float scale = rsqrtf(block_reduce<Sum>(squares) / width + eps);
  // Each thread reads again what it has read or written itself.
  const T* normed = ADDS ? sum : x;
  for (unsigned at = threadIdx.x * N; at < width; at += blockDim.x * N) {
    Pack<T, N> numbers = load<T, N>(normed + row + at);
    const Pack<T, N> weights = load<T, N>(weight + at);
#pragma unroll
    for (unsigned i = 0; i < N; ++i)
      numbers.at[i] = from_float<T>(to_float(numbers.at[i]) * scale * to_float(weights.at[i]));
    store(y + row + at, numbers);
  }
}

// `other` and `sum` may be null. `wide`: rows may be read by 16 bytes.
#define INSTANTIATE(T, suffix)                                                                                      \
  extern "C" __global__ void rms_norm_##suffix(const T* x, const T* other, const T* weight, T* sum, T* y,           \
                                               unsigned width, unsigned wide, float eps) {                          \
    if (other && wide) rms_norm<T, LANES<T>, true>(x, other, weight, sum, y, width, eps);                           \
    else if (other) rms_norm<T, 1, true>(x, other, weight, sum, y, width, eps);                                     \
    else if (wide) rms_norm<T, LANES<T>, false>(x, other, weight, sum, y, width, eps);                              \
    else rms_norm<T, 1, false>(x, other, weight, sum, y, width, eps);                                               \
  }                                                                                                                 \
  REGISTER(rms_norm_##suffix)
FOR_EACH_TYPE(INSTANTIATE)
