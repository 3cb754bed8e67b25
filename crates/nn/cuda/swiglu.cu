// silu(gate) * up over rows of `width` numbers, in f32, rounded once. A row of gates and one of ups begin every `stride`
// numbers, the ups `offset` behind the gates where both stand in one product.
//
// Two numbers are read and one is written: the limit is memory traffic. Candle's path has two launches and writes and
// reads silu(gate) in between; it also needs two products for gates and ups, since halves of a row are no tensor of its.
#include "common.cuh"

template <class T, unsigned N>
__device__ void swiglu(const T* gate, const T* up, T* y, unsigned width, unsigned stride, unsigned offset) {
  const unsigned at = (blockIdx.y * blockDim.x + threadIdx.x) * N;
  if (at >= width) return;
  const size_t row = blockIdx.x;
  Pack<T, N> gates = load<T, N>(gate + row * stride + at);
  const Pack<T, N> ups = load<T, N>(up + row * stride + offset + at);
#pragma unroll
  for (unsigned i = 0; i < N; ++i) {
    const float number = to_float(gates.at[i]);
    gates.at[i] = from_float<T>(number / (1.0f + expf(-number)) * to_float(ups.at[i]));
  }
  store(y + row * width + at, gates);
}

#define INSTANTIATE(T, suffix)                                                                              \
  extern "C" __global__ void swiglu_##suffix(const T* gate, const T* up, T* y, unsigned width, unsigned stride, \
                                             unsigned offset, unsigned wide) {                              \
    if (wide) swiglu<T, LANES<T>>(gate, up, y, width, stride, offset);                                      \
    else swiglu<T, 1>(gate, up, y, width, stride, offset);                                                  \
  }                                                                                                         \
  REGISTER(swiglu_##suffix)
FOR_EACH_TYPE(INSTANTIATE)
