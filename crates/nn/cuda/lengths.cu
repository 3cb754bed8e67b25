// Padding behind clips of unlike lengths becomes zero, whatever it holds. It reads and writes x once: its limit is memory
// traffic. Composed it is a mask that travels to the card, and three passes over memory.
#include "common.cuh"

template <class T, unsigned N>
__device__ __forceinline__ void silence(const T* x, const unsigned* lengths, T* y, unsigned width, unsigned packs) {
  const unsigned thread = blockIdx.x * blockDim.x + threadIdx.x;
  if (thread >= packs) return;
  const size_t at = (size_t(blockIdx.y) * packs + thread) * N;
  Pack<T, N> pack;
  const unsigned valid = lengths[blockIdx.y];
  if ((thread + 1) * N <= valid * width)
    pack = load<T, N>(x + at);
  else
#pragma unroll
    for (unsigned i = 0; i < N; ++i) pack.at[i] = thread * N + i < valid * width ? x[at + i] : from_float<T>(0.0f);
  store(y + at, pack);
}

// x, y: (b, n, width), each clip `packs` times `lanes` numbers; of clip i, `lengths[i]` rows are kept.
#define INSTANTIATE(T, suffix)                                                                                   \
  extern "C" __global__ void silence_##suffix(const T* x, const unsigned* lengths, T* y, unsigned width,         \
                                              unsigned packs, unsigned lanes) {                                  \
    if (lanes == 1)                                                                                              \
      silence<T, 1>(x, lengths, y, width, packs);                                                                \
    else                                                                                                         \
      silence<T, LANES<T>>(x, lengths, y, width, packs);                                                         \
  }                                                                                                              \
  REGISTER(silence_##suffix)
FOR_EACH_TYPE(INSTANTIATE)
