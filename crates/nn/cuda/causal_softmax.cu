// Softmax of scores (b, heads, t, t), in place and in f32, where position i sees the keys up to i that are there.
//
// A warp a row. Scores are read from memory once, then from the cache, and written once: the limit is memory traffic.
// Candle's path converts them to f32, adds a mask (b, 1, t, t) that the host has made and sent, and converts back: four
// launches, and the host waits for the mask of padding.
#include "common.cuh"

template <class T>
__device__ void causal_softmax(T* scores, const unsigned* there, size_t rows, unsigned heads, unsigned t) {
  const size_t row = size_t(blockIdx.x) * (blockDim.x / WARP) + threadIdx.x / WARP;
  if (row >= rows) return;
  const unsigned lane = threadIdx.x % WARP, query = row % t;
  scores += row * t;
  if (there) there += row / t / heads * t;
  const auto sees = [&](unsigned key) { return !there || there[key] != 0; };
  float top = -INFINITY;
  unsigned seen = 0;
  for (unsigned key = lane; key <= query; key += WARP) {
    if (!sees(key)) continue;
    top = Max()(top, to_float(scores[key]));
    ++seen;
  }
  top = warp_reduce<Max>(top);
  if (!__any_sync(ALL_LANES, seen != 0)) {
    // A padded position, which nobody reads: equal weights, as a finite lowest score gives.
    for (unsigned key = lane; key < t; key += WARP) scores[key] = from_float<T>(1.0f / t);
    return;
  }
  float sum = 0.0f;
  for (unsigned key = lane; key <= query; key += WARP)
    if (sees(key)) sum += expf(to_float(scores[key]) - top);
  sum = warp_reduce<Sum>(sum);
  for (unsigned key = lane; key < t; key += WARP)
    scores[key] = from_float<T>(key <= query && sees(key) ? expf(to_float(scores[key]) - top) / sum : 0.0f);
}

#define INSTANTIATE(T, suffix)                                                                                     \
  extern "C" __global__ void causal_softmax_##suffix(T* scores, const unsigned* there, unsigned long long rows,    \
                                                     unsigned heads, unsigned t) {                                 \
    causal_softmax(scores, there, rows, heads, t);                                                                 \
  }                                                                                                                \
  REGISTER(causal_softmax_##suffix)
FOR_EACH_TYPE(INSTANTIATE)
