// What follows a product, in place: y = y + bias, then GELU or the sum with a residual. It reads y (and the residual) and
// writes y, once: its limit is memory traffic. Candle takes a launch and a pass over memory for each step.
#include "common.cuh"

// Rows of a thread: the bias is read once for them, and their loads wait for memory together.
constexpr unsigned ROWS = 4;

template <class T, unsigned N, bool GELU>
__device__ __forceinline__ void finish(T* y, const T* bias, const T* residual, unsigned rows, unsigned width) {
  const unsigned packs = width / N, thread = blockIdx.x * blockDim.x + threadIdx.x;
  const unsigned column = thread % packs * N, first = thread / packs * ROWS;
  Pack<T, N> biases;
  if (bias) biases = load<T, N>(bias + column);
  Pack<T, N> numbers[ROWS], added[ROWS];
#pragma unroll
  for (unsigned row = 0; row < ROWS; ++row) {
    const size_t at = size_t(first + row) * width + column;
    if (first + row < rows) numbers[row] = load<T, N>(y + at);
    if (residual && first + row < rows) added[row] = load<T, N>(residual + at);
  }
#pragma unroll
  for (unsigned row = 0; row < ROWS; ++row) {
    if (first + row >= rows) return;
    Pack<T, N> pack = numbers[row];
#pragma unroll
    for (unsigned i = 0; i < N; ++i) {
      float number = to_float(pack.at[i]);
      if (bias) number += to_float(biases.at[i]);
      if (GELU) number = gelu(number);
      if (residual) number += to_float(added[row].at[i]);
      pack.at[i] = from_float<T>(number);
    }
    store(y + size_t(first + row) * width + column, pack);
  }
}

// y, residual: (rows, width); bias: (width) or null. `lanes` is LANES<T> where rows allow it, else 1.
#define INSTANTIATE(T, suffix)                                                                                   \
  extern "C" __global__ void __launch_bounds__(256) finish_linear_##suffix(                                      \
      T* y, const T* bias, const T* residual, unsigned rows, unsigned width, unsigned then_gelu, unsigned lanes) { \
    if (lanes == 1) {                                                                                            \
      if (then_gelu)                                                                                             \
        finish<T, 1, true>(y, bias, residual, rows, width);                                                      \
      else                                                                                                       \
        finish<T, 1, false>(y, bias, residual, rows, width);                                                     \
    } else if (then_gelu) {                                                                                      \
      finish<T, LANES<T>, true>(y, bias, residual, rows, width);                                                 \
    } else {                                                                                                     \
      finish<T, LANES<T>, false>(y, bias, residual, rows, width);                                                \
    }                                                                                                            \
  }                                                                                                              \
  REGISTER(finish_linear_##suffix)
FOR_EACH_TYPE(INSTANTIATE)
