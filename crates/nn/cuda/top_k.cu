// The k likeliest tokens of each row of logits (rows, vocab), their log-probabilities, and whether the row is sound; a
// block a row. Of equally likely tokens the lower one comes first.
//
// out: (rows, k) tokens, (rows, k) bits of log-probabilities, (rows) 1 where a row is sound, and 1 where `spoilt`, if it is
// there, is not 0: the host waits for one copy of a few bytes a row. Candle has no such operation: all logits would go to
// the host, 64 KB a row in bf16, and be searched there. Limit: three passes over a row, two of them in the cache, and k
// rounds of a reduction.
#include "common.cuh"

typedef unsigned long long Key;

// Grows with the number, and for equals falls with the token.
__device__ __forceinline__ Key key_of(float number, unsigned token) {
  const unsigned bits = __float_as_uint(number);
  const unsigned rank = bits & 0x80000000u ? ~bits : bits | 0x80000000u;
  return Key(rank) << 32 | ~token;
}

__device__ __forceinline__ float number_of(Key key) {
  const unsigned rank = unsigned(key >> 32);
  return __uint_as_float(rank & 0x80000000u ? rank & 0x7fffffffu : ~rank);
}

__device__ __forceinline__ Key warp_highest(Key key) {
  for (int with = WARP / 2; with > 0; with /= 2) {
    const Key other = __shfl_xor_sync(ALL_LANES, key, with);
    key = other > key ? other : key;
  }
  return key;
}

template <class T>
__device__ void top_k(const T* logits, const unsigned* spoilt, unsigned* out, unsigned vocab, unsigned k) {
  const unsigned rows = gridDim.x, row = blockIdx.x;
  logits += size_t(row) * vocab;
  if (row == 0 && threadIdx.x == 0) out[size_t(rows) * (2 * k + 1)] = spoilt && *spoilt != 0;
  float top = -INFINITY;
  for (unsigned token = threadIdx.x; token < vocab; token += blockDim.x) top = Max()(top, to_float(logits[token]));
  top = block_reduce<Max>(top);
  float sum = 0.0f;
  for (unsigned token = threadIdx.x; token < vocab; token += blockDim.x) sum += expf(to_float(logits[token]) - top);
  const float log_sum = logf(block_reduce<Sum>(sum));
  const bool sound = isfinite(log_sum);
  if (threadIdx.x == 0) out[size_t(rows) * 2 * k + row] = sound;
  unsigned* tokens = out + size_t(row) * k;
  unsigned* log_probs = tokens + size_t(rows) * k;
  if (!sound) {
    for (unsigned at = threadIdx.x; at < k; at += blockDim.x) tokens[at] = 0, log_probs[at] = 0;
    return;
  }
  const auto key = [&](unsigned token) { return key_of((to_float(logits[token]) - top) - log_sum, token); };
  // The best of a thread's tokens that has not been taken; no key is 0.
  Key best = 0;
  for (unsigned token = threadIdx.x; token < vocab; token += blockDim.x) {
    const Key other = key(token);
    best = other > best ? other : best;
  }
  __shared__ Key of_warps[WARP];
  const unsigned lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
  for (unsigned at = 0; at < k; ++at) {
    const Key of_warp = warp_highest(best);
    if (lane == 0) of_warps[warp] = of_warp;
    __syncthreads();
    const Key winner = warp_highest(lane < blockDim.x / WARP ? of_warps[lane] : 0);
    const unsigned token = ~unsigned(winner);
    if (threadIdx.x == 0) tokens[at] = token, log_probs[at] = __float_as_uint(number_of(winner));
    __syncthreads();
    // The winner's thread needs its next best: its warp looks through its tokens together.
    const unsigned owner = token % blockDim.x;
    if (owner / WARP != warp) continue;
    Key next = 0;
    for (unsigned long long token = owner + lane * blockDim.x; token < vocab; token += WARP * blockDim.x) {
      const Key other = key(unsigned(token));
      if (other < winner && other > next) next = other;
    }
    next = warp_highest(next);
    if (lane == owner % WARP) best = next;
  }
}

#define INSTANTIATE(T, suffix)                                                                              \
  extern "C" __global__ void __launch_bounds__(1024) top_k_##suffix(const T* logits, const unsigned* spoilt, unsigned* out,         \
                                            unsigned vocab, unsigned k) {                                   \
    top_k(logits, spoilt, out, vocab, k);                                                                   \
  }                                                                                                         \
  REGISTER(top_k_##suffix)
FOR_EACH_TYPE(INSTANTIATE)
