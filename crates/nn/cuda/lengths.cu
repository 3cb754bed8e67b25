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

// `x` of all threads of a block of 1024; every thread gets it. In f64: a sum over minutes of samples loses digits in f32.
__device__ __forceinline__ double block_sum(double x) {
  __shared__ double of_warps[WARP];
  for (int with = WARP / 2; with > 0; with /= 2) x += __shfl_xor_sync(ALL_LANES, x, with);
  if (threadIdx.x % WARP == 0) of_warps[threadIdx.x / WARP] = x;
  __syncthreads();
  x = of_warps[threadIdx.x % WARP];
  for (int with = WARP / 2; with > 0; with /= 2) x += __shfl_xor_sync(ALL_LANES, x, with);
  __syncthreads();
  return x;
}

// (x - mean) / sqrt(variance + eps) over the valid samples of each clip (b, width), zero behind them: a block a clip. It
// reads x three times, mostly from a cache: its limit is what one processor reads, and there are few samples. Composed of
// candle's operations it is ten launches a clip.
template <class T>
__device__ __forceinline__ void standardise(const T* x, const unsigned* lengths, T* y, unsigned width, float eps) {
  x += size_t(blockIdx.x) * width;
  y += size_t(blockIdx.x) * width;
  const unsigned valid = lengths[blockIdx.x];
  double sum = 0.0, squares = 0.0;
  for (unsigned at = threadIdx.x; at < valid; at += blockDim.x) sum += to_float(x[at]);
  const double mean = block_sum(sum) / valid;
  for (unsigned at = threadIdx.x; at < valid; at += blockDim.x) {
    const double centred = to_float(x[at]) - mean;
    squares += centred * centred;
  }
  const double deviation = sqrt(block_sum(squares) / valid + eps);
  for (unsigned at = threadIdx.x; at < width; at += blockDim.x)
    y[at] = from_float<T>(at < valid ? float((to_float(x[at]) - mean) / deviation) : 0.0f);
}

#define INSTANTIATE_STANDARDISE(T, suffix)                                                                       \
  extern "C" __global__ void __launch_bounds__(1024) standardise_##suffix(const T* x, const unsigned* lengths, T* y, \
                                                                          unsigned width, float eps) {           \
    standardise(x, lengths, y, width, eps);                                                                      \
  }                                                                                                              \
  REGISTER(standardise_##suffix)
FOR_EACH_TYPE(INSTANTIATE_STANDARDISE)
