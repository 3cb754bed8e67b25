// Self-attention with a gated relative position bias, around the products of queries with keys and of weights with values,
// which cuBLAS makes. All of it is bound by memory traffic.
#include "common.cuh"

// Lanes that share a head of a frame.
constexpr unsigned SHARING = 8;

__device__ __forceinline__ float sigmoid(float x) { return 1.0f / (1.0f + __expf(-x)); }

// gate = a (b c - 1) + 2 with a, b = sigmoid(W x + w), for every head of every frame: (rows, h * d) -> (rows, h), f32. One
// read of x. Candle: eight launches, a copy of x, and a product with two columns.
template <class T, unsigned N>
__device__ __forceinline__ void gate(const T* x, const T* weight, const T* bias, const T* constant, float* gates,
                                     size_t count, unsigned heads, unsigned width) {
  const size_t thread = size_t(blockIdx.x) * blockDim.x + threadIdx.x, place = thread / SHARING;
  const unsigned lane = threadIdx.x % SHARING;
  float sums[2] = {0.0f, 0.0f};
  if (place < count) {
    x += place * width;
    for (unsigned at = lane * N; at < width; at += SHARING * N) {
      const Pack<T, N> numbers = load<T, N>(x + at), first = load<T, N>(weight + at);
      const Pack<T, N> second = load<T, N>(weight + width + at);
#pragma unroll
      for (unsigned i = 0; i < N; ++i) {
        sums[0] += to_float(numbers.at[i]) * to_float(first.at[i]);
        sums[1] += to_float(numbers.at[i]) * to_float(second.at[i]);
      }
    }
  }
  for (unsigned with = SHARING / 2; with > 0; with /= 2) {
    sums[0] += __shfl_xor_sync(ALL_LANES, sums[0], with);
    sums[1] += __shfl_xor_sync(ALL_LANES, sums[1], with);
  }
  if (place >= count || lane > 0) return;
  const float a = sigmoid(sums[0] + to_float(bias[0])), b = sigmoid(sums[1] + to_float(bias[1]));
  gates[place] = a * (b * to_float(constant[place % heads]) - 1.0f) + 2.0f;
}

// (b, t, 3, h, d) + bias -> (3, b, h, padded, d), zero behind a clip's frames, whatever is there: a weight of zero times NaN
// would be NaN. One read, one write; the bias of the product rides along. A row of blocks a clip.
template <class T, unsigned N>
__device__ __forceinline__ void split_heads(const T* qkv, const T* bias, const unsigned* frames, T* heads_of,
                                            unsigned length, unsigned padded, unsigned heads, unsigned width) {
  const unsigned of_head = width / N, of_part = heads * of_head, packs = 3 * of_part;
  const unsigned thread = blockIdx.x * blockDim.x + threadIdx.x, clip = blockIdx.y;
  if (thread >= padded * packs) return;
  const unsigned frame = thread / packs, column = thread % packs;
  const unsigned part = column / of_part, head = column % of_part / of_head, at = column % of_head;
  Pack<T, N> pack;
  if (frame < (frames ? frames[clip] : length)) {
    pack = load<T, N>(qkv + ((size_t(clip) * length + frame) * packs + column) * N);
    if (bias) {
      const Pack<T, N> added = load<T, N>(bias + column * N);
#pragma unroll
      for (unsigned i = 0; i < N; ++i) pack.at[i] = from_float<T>(to_float(pack.at[i]) + to_float(added.at[i]));
    }
  } else {
#pragma unroll
    for (unsigned i = 0; i < N; ++i) pack.at[i] = from_float<T>(0.0f);
  }
  const size_t row = ((size_t(part) * gridDim.y + clip) * heads + head) * padded + frame;
  store(heads_of + (row * of_head + at) * N, pack);
}

// (b, h, t, d) -> (b, t, h, d). One read, one write. A row of blocks a clip.
template <class T, unsigned N>
__device__ __forceinline__ void merge_heads(const T* heads_of, T* mixed, unsigned length, unsigned heads,
                                            unsigned width) {
  const unsigned of_head = width / N, packs = heads * of_head;
  const unsigned thread = blockIdx.x * blockDim.x + threadIdx.x, clip = blockIdx.y;
  if (thread >= length * packs) return;
  const unsigned frame = thread / packs, head = thread % packs / of_head, at = thread % of_head;
  const size_t row = (size_t(clip) * heads + head) * length + frame;
  store(mixed + (size_t(clip) * length * packs + thread) * N, load<T, N>(heads_of + (row * of_head + at) * N));
}

// softmax(score + gate * bias(key - query)) over the valid keys, in place: a warp a row, sums in f32. Keys behind them weigh
// zero, and so does everything for queries behind them. One read and one write of the scores; the bias comes from a table of
// 2 t - 1 numbers a head. Composed: a table of t * t numbers a head, four passes to gate it and add it, and more for softmax.
constexpr unsigned PAIRS = 16;  // Pairs of scores that a lane holds: rows up to 1024 are read once.

template <class T>
struct Row {
  T* scores;
  // From the distance of key 0 on.
  const T* bias;
  float gate;
  // Valid keys.
  unsigned keys;

  // Two scores with their bias; of keys that do not count, minus infinity.
  __device__ __forceinline__ void read(unsigned key, float& first, float& second) const {
    first = second = -INFINITY;
    if (key >= keys) return;
    const Pack<T, 2> pair = load<T, 2>(scores + key);
    first = to_float(pair.at[0]) + gate * to_float(bias[key]);
    if (key + 1 < keys) second = to_float(pair.at[1]) + gate * to_float(bias[key + 1]);
  }

  __device__ __forceinline__ void write(unsigned key, float first, float second) const {
    store(scores + key, Pack<T, 2>{{from_float<T>(first), from_float<T>(second)}});
  }
};

template <class T>
__device__ __forceinline__ void short_row(const Row<T>& row, unsigned padded, unsigned lane) {
  float held[2 * PAIRS], top = -INFINITY, sum = 0.0f;
#pragma unroll
  for (unsigned at = 0; at < PAIRS; ++at) {
    if (at * WARP * 2 >= row.keys) continue;
    row.read((at * WARP + lane) * 2, held[2 * at], held[2 * at + 1]);
    top = Max()(top, Max()(held[2 * at], held[2 * at + 1]));
  }
  top = warp_reduce<Max>(top);
#pragma unroll
  for (unsigned at = 0; at < 2 * PAIRS; ++at)
    sum += held[at] = at / 2 * WARP * 2 < row.keys ? __expf(held[at] - top) : 0.0f;
  const float scale = 1.0f / warp_reduce<Sum>(sum);
#pragma unroll
  for (unsigned at = 0; at < PAIRS; ++at) {
    const unsigned key = (at * WARP + lane) * 2;
    if (key < padded) row.write(key, held[2 * at] * scale, held[2 * at + 1] * scale);
  }
}

// Of more keys: the row is read three times, from a cache.
template <class T>
__device__ __forceinline__ void long_row(const Row<T>& row, unsigned padded, unsigned lane) {
  float first, second, top = -INFINITY, sum = 0.0f;
  for (unsigned key = lane * 2; key < row.keys; key += WARP * 2) {
    row.read(key, first, second);
    top = Max()(top, Max()(first, second));
  }
  top = warp_reduce<Max>(top);
  for (unsigned key = lane * 2; key < row.keys; key += WARP * 2) {
    row.read(key, first, second);
    sum += __expf(first - top) + __expf(second - top);
  }
  const float scale = 1.0f / warp_reduce<Sum>(sum);
  for (unsigned key = lane * 2; key < padded; key += WARP * 2) {
    row.read(key, first, second);
    row.write(key, __expf(first - top) * scale, __expf(second - top) * scale);
  }
}

// scores: (heads at once, queries, padded), the first of them head `first_head` of all heads of all clips and query
// `first_query`; `padded` is even. gates: (b, t, h); bias: (h, 2 t - 1); frames: (b) or null.
template <class T>
__device__ __forceinline__ void gated_softmax(T* scores, const float* gates, const T* bias, const unsigned* frames,
                                              size_t rows, unsigned first_head, unsigned first_query, unsigned queries,
                                              unsigned length, unsigned padded, unsigned heads) {
  const size_t at = size_t(blockIdx.x) * (blockDim.x / WARP) + threadIdx.x / WARP;
  const unsigned lane = threadIdx.x % WARP;
  if (at >= rows) return;
  const unsigned of_all = first_head + unsigned(at / queries), query = first_query + unsigned(at % queries);
  const unsigned clip = of_all / heads, head = of_all % heads, valid = frames ? frames[clip] : length;
  const float gate = gates[(size_t(clip) * length + query) * heads + head];
  const Row<T> row = {scores + at * padded, bias + size_t(head) * (2 * length - 1) + (length - 1 - query), gate, valid};
  if (query >= valid) {
    for (unsigned key = lane * 2; key < padded; key += WARP * 2) row.write(key, 0.0f, 0.0f);
  } else if (padded <= 2 * PAIRS * WARP) {
    short_row(row, padded, lane);
  } else {
    long_row(row, padded, lane);
  }
}

// `lanes` is LANES<T> where heads allow it, else 1.
#define INSTANTIATE(T, suffix)                                                                                        \
  extern "C" __global__ void gate_##suffix(const T* x, const T* weight, const T* bias, const T* constant,             \
                                           float* gates, unsigned long long count, unsigned heads, unsigned width,    \
                                           unsigned lanes) {                                                          \
    if (lanes == 1)                                                                                                   \
      gate<T, 1>(x, weight, bias, constant, gates, count, heads, width);                                              \
    else                                                                                                              \
      gate<T, LANES<T>>(x, weight, bias, constant, gates, count, heads, width);                                       \
  }                                                                                                                   \
  REGISTER(gate_##suffix)                                                                                             \
  extern "C" __global__ void split_heads_##suffix(const T* qkv, const T* bias, const unsigned* frames, T* heads_of,   \
                                                  unsigned length, unsigned padded, unsigned heads, unsigned width,   \
                                                  unsigned lanes) {                                                   \
    if (lanes == 1)                                                                                                   \
      split_heads<T, 1>(qkv, bias, frames, heads_of, length, padded, heads, width);                                   \
    else                                                                                                              \
      split_heads<T, LANES<T>>(qkv, bias, frames, heads_of, length, padded, heads, width);                            \
  }                                                                                                                   \
  REGISTER(split_heads_##suffix)                                                                                      \
  extern "C" __global__ void merge_heads_##suffix(const T* heads_of, T* mixed, unsigned length, unsigned heads,       \
                                                  unsigned width, unsigned lanes) {                                   \
    if (lanes == 1)                                                                                                   \
      merge_heads<T, 1>(heads_of, mixed, length, heads, width);                                                       \
    else                                                                                                              \
      merge_heads<T, LANES<T>>(heads_of, mixed, length, heads, width);                                                \
  }                                                                                                                   \
  REGISTER(merge_heads_##suffix)                                                                                      \
  extern "C" __global__ void __launch_bounds__(256) gated_softmax_##suffix(                                           \
      T* scores, const float* gates, const T* bias, const unsigned* frames, unsigned long long rows,                  \
      unsigned first_head, unsigned first_query, unsigned queries, unsigned length, unsigned padded,                  \
      unsigned heads) {                                                                                               \
    gated_softmax(scores, gates, bias, frames, rows, first_head, first_query, queries, length, padded, heads);        \
  }                                                                                                                   \
  REGISTER(gated_softmax_##suffix)
FOR_EACH_TYPE(INSTANTIATE)
