// Layer norm over rows of up to 1024 numbers, with GELU behind it where asked: a warp a row, which it holds in registers,
// so that mean and variance take two passes over registers and memory is read once and written once. That is its limit:
// memory traffic. Candle composes the same of ten launches, with as many passes over memory. x and y may be one.
//
// With the sum before it, x + shift + residual, which is written in place of x: five passes over memory become four.
#include "common.cuh"

constexpr unsigned HELD = 32;  // Numbers of a row that a lane holds.

template <class T, unsigned N, bool ADD>
__device__ __forceinline__ void layer_norm(T* x, const T* shift, const T* residual, const T* weight, const T* bias, T* y,
                                           unsigned rows, unsigned width, float eps, bool then_gelu) {
  const unsigned row = blockIdx.x * (blockDim.x / WARP) + threadIdx.x / WARP, lane = threadIdx.x % WARP;
  if (row >= rows) return;
  x += size_t(row) * width;
  y += size_t(row) * width;
  if (ADD) residual += size_t(row) * width;
  float held[HELD];
  float sum = 0.0f;
#pragma unroll
  for (unsigned part = 0; part < HELD / N; ++part) {
    const unsigned at = (part * WARP + lane) * N;
    if (at < width) {
      Pack<T, N> pack = load<T, N>(x + at);
      if (ADD) {
        const Pack<T, N> added = load<T, N>(residual + at);
        Pack<T, N> shifts;
        if (shift) shifts = load<T, N>(shift + at);
#pragma unroll
        for (unsigned i = 0; i < N; ++i) {
          const float number = to_float(pack.at[i]) + (shift ? to_float(shifts.at[i]) : 0.0f);
          pack.at[i] = from_float<T>(number + to_float(added.at[i]));
        }
        store(x + at, pack);
      }
#pragma unroll
      for (unsigned i = 0; i < N; ++i) sum += held[part * N + i] = to_float(pack.at[i]);
    }
  }
  const float mean = warp_reduce<Sum>(sum) / width;
  float squares = 0.0f;
#pragma unroll
  for (unsigned part = 0; part < HELD / N; ++part) {
    if ((part * WARP + lane) * N < width) {
#pragma unroll
      for (unsigned i = 0; i < N; ++i) {
        const float centred = held[part * N + i] -= mean;
        squares += centred * centred;
      }
    }
  }
  const float scale = 1.0f / sqrtf(warp_reduce<Sum>(squares) / width + eps);
#pragma unroll
  for (unsigned part = 0; part < HELD / N; ++part) {
    const unsigned at = (part * WARP + lane) * N;
    if (at < width) {
      const Pack<T, N> weights = load<T, N>(weight + at), biases = load<T, N>(bias + at);
      Pack<T, N> pack;
#pragma unroll
      for (unsigned i = 0; i < N; ++i) {
        const float number = held[part * N + i] * scale * to_float(weights.at[i]) + to_float(biases.at[i]);
        pack.at[i] = from_float<T>(then_gelu ? gelu(number) : number);
      }
      store(y + at, pack);
    }
  }
}

// `lanes` is LANES<T> where rows allow it, else 1.
#define INSTANTIATE(T, suffix)                                                                                      \
  extern "C" __global__ void __launch_bounds__(256) layer_norm_##suffix(T* x, const T* weight, const T* bias, T* y, \
                                                                        unsigned rows, unsigned width, float eps,   \
                                                                        unsigned then_gelu, unsigned lanes) {       \
    if (lanes == 1 && then_gelu)                                                                                    \
      layer_norm<T, 1, false>(x, nullptr, nullptr, weight, bias, y, rows, width, eps, true);                        \
    else if (lanes == 1)                                                                                            \
      layer_norm<T, 1, false>(x, nullptr, nullptr, weight, bias, y, rows, width, eps, false);                       \
    else if (then_gelu)                                                                                             \
      layer_norm<T, LANES<T>, false>(x, nullptr, nullptr, weight, bias, y, rows, width, eps, true);                 \
    else                                                                                                            \
      layer_norm<T, LANES<T>, false>(x, nullptr, nullptr, weight, bias, y, rows, width, eps, false);                \
  }                                                                                                                 \
  REGISTER(layer_norm_##suffix)                                                                                     \
  extern "C" __global__ void __launch_bounds__(256) add_layer_norm_##suffix(                                        \
      T* x, const T* shift, const T* residual, const T* weight, const T* bias, T* y, unsigned rows, unsigned width, \
      float eps, unsigned lanes) {                                                                                  \
    if (lanes == 1)                                                                                                 \
      layer_norm<T, 1, true>(x, shift, residual, weight, bias, y, rows, width, eps, false);                         \
    else                                                                                                            \
      layer_norm<T, LANES<T>, true>(x, shift, residual, weight, bias, y, rows, width, eps, false);                  \
  }                                                                                                                 \
  REGISTER(add_layer_norm_##suffix)
FOR_EACH_TYPE(INSTANTIATE)
