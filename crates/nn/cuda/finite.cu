// Sets `spoilt` where one of `count` numbers is NaN or infinite. Reads them once (limit: memory traffic). Candle's path,
// zero times everything, summed, writes and reads them twice more in four launches.
#include "common.cuh"

template <class T>
__device__ void look(const T* x, unsigned* spoilt, unsigned long long count, unsigned wide) {
  const size_t thread = size_t(blockIdx.x) * blockDim.x + threadIdx.x, threads = size_t(gridDim.x) * blockDim.x;
  bool bad = false;
  size_t done = 0;
  if (wide) {
    done = count / LANES<T> * LANES<T>;
    for (size_t at = thread * LANES<T>; at < done; at += threads * LANES<T>) {
      const Pack<T, LANES<T>> numbers = load<T, LANES<T>>(x + at);
#pragma unroll
      for (unsigned i = 0; i < LANES<T>; ++i) bad |= !isfinite(to_float(numbers.at[i]));
    }
  }
  for (size_t at = done + thread; at < count; at += threads) bad |= !isfinite(to_float(x[at]));
  if (bad) atomicOr(spoilt, 1u);
}

#define INSTANTIATE(T, suffix)                                                                              \
  extern "C" __global__ void finite_##suffix(const T* x, unsigned* spoilt, unsigned long long count,        \
                                             unsigned wide) {                                               \
    look(x, spoilt, count, wide);                                                                           \
  }                                                                                                         \
  REGISTER(finite_##suffix)
FOR_EACH_TYPE(INSTANTIATE)
