// Attention of new positions over a cache of keys and values, (slots, kv_heads, head_dim) each, which are read where they
// lie, by lists of slots. Softmax and sums in f32, in one pass over the keys.
//
// A block takes up to ROWS rows of one group, one query head, and CHUNK successive positions. Positions that all its rows
// see (the prompt of a clip's beams, the past of successive positions of a prompt) are read once for all of them.
// Successive positions of a prompt run through the same kernel: their work grows with the square of the prompt, but with
// ROWS rows to a key it is a small part of the layer's products up to some hundred positions, which is what prompts have
// here, and their keys come from the L2 cache; products by cuBLAS would need copies of the keys and a masked matrix of
// scores for each clip.
//
// Limit: reading the cache (0.52 MB a position in Vicuna-7B), once for the rows that share it. Candle's path gathers keys
// and values to new memory first, once for each text: two more passes over them, and a dozen launches a text.
//
// What a row gets does not depend on the rows beside it, nor on what of its list is shared: position i of a row is
// always the turn of the same team of lanes, teams and chunks are added up in the same order, and a sum is made of the
// same operations whether its keys are read for one row or for several.
#include "common.cuh"

constexpr unsigned ROWS = 4;
// Numbers of a head that a lane holds.
constexpr unsigned DIMS = 8;
constexpr unsigned THREADS = 256;
constexpr unsigned WARPS = THREADS / WARP;
constexpr unsigned CHUNK = 256;

// Below all scores that are no -infinity, whose weight must be 0 and not NaN.
constexpr float LOWEST = -3.402823466e38f;

// The lists of a pass, as the host lays them out.
struct Lists {
  // For each block: its first row, its rows, where its shared slots begin, how many these are, and how many of their own
  // slots its rows have in common.
  const unsigned* blocks;
  // For each row: where its own slots begin, and how many slots it sees, shared ones included.
  const unsigned* rows;
  const unsigned* slots;
};

// A lane's part of a head.
template <class T, unsigned L, unsigned N>
struct Part {
  Pack<T, N> packs[DIMS / N];

  __device__ __forceinline__ static unsigned at(unsigned pack) { return (pack * L + threadIdx.x % L) * N; }

  __device__ __forceinline__ void read(const T* head, unsigned head_dim) {
#pragma unroll
    for (unsigned pack = 0; pack < DIMS / N; ++pack) {
      if (at(pack) < head_dim) {
        packs[pack] = load<T, N>(head + at(pack));
      } else {
#pragma unroll
        for (unsigned i = 0; i < N; ++i) packs[pack].at[i] = from_float<T>(0.0f);
      }
    }
  }
  __device__ __forceinline__ float operator[](unsigned dim) const { return to_float(packs[dim / N].at[dim % N]); }
};

// What a team of L lanes has seen for one row.
struct Seen {
  float query[DIMS], mixed[DIMS], top, sum;

  // Whatever the row does not see must not count, and all lanes of the warp take part in the sum.
  template <class K, class V>
  __device__ __forceinline__ void see(const K& key, const V& value, bool sees, unsigned lanes) {
    float score = 0.0f;
#pragma unroll
    for (unsigned dim = 0; dim < DIMS; ++dim) score = fmaf(query[dim], key[dim], score);
    for (unsigned with = lanes / 2; with > 0; with /= 2) score += __shfl_xor_sync(ALL_LANES, score, with);
    if (!sees) return;
    if (score > top) {
      rescale(expf(top - score));
      top = score;
    }
    // NaN is not above anything, and comes out here.
    const float weight = expf(score - top);
    sum += weight;
#pragma unroll
    for (unsigned dim = 0; dim < DIMS; ++dim) mixed[dim] = fmaf(weight, value[dim], mixed[dim]);
  }

  __device__ __forceinline__ void rescale(float scale) {
    // Never merged with the addition that follows: this code is there twice, and both must give the same bits.
    sum = __fmul_rn(sum, scale);
#pragma unroll
    for (unsigned dim = 0; dim < DIMS; ++dim) mixed[dim] *= scale;
  }

  // Takes up what the lane `with` further on has seen, and the other way round.
  __device__ __forceinline__ void take(unsigned with) {
    const float higher = fmaxf(top, __shfl_xor_sync(ALL_LANES, top, with));
    rescale(expf(top - higher));
    top = higher;
    sum += __shfl_xor_sync(ALL_LANES, sum, with);
#pragma unroll
    for (unsigned dim = 0; dim < DIMS; ++dim) mixed[dim] += __shfl_xor_sync(ALL_LANES, mixed[dim], with);
  }
};

// Heads of up to L * DIMS numbers, which L lanes read N at a time. `parts` are results of chunks where there are several.
template <class T, unsigned L, unsigned N>
__device__ __forceinline__ void attend(const T* __restrict__ queries, const T* __restrict__ keys,
                                       const T* __restrict__ values, Lists lists, T* mixed, float* parts,
                                       unsigned kv_heads, unsigned per, unsigned head_dim, unsigned chunks) {
  constexpr unsigned TEAMS = THREADS / L;
  const unsigned heads = gridDim.y, head = blockIdx.y, chunk = blockIdx.z, team = threadIdx.x / L;
  const unsigned* block = lists.blocks + 5 * blockIdx.x;
  const unsigned first = block[0], count = block[1], shared = block[3], common = shared + block[4];
  const unsigned* shared_slots = lists.slots + block[2];
  unsigned own[ROWS], sees[ROWS], longest = 0;
#pragma unroll
  for (unsigned row = 0; row < ROWS; ++row) {
    const unsigned* listed = lists.rows + 2 * (first + (row < count ? row : 0));
    own[row] = listed[0];
    sees[row] = row < count ? listed[1] : 0;
    longest = max(longest, sees[row]);
  }
  const unsigned start = chunk * CHUNK, end = min(longest, start + CHUNK);
  if (start >= longest) return;

  Seen seen[ROWS];
#pragma unroll
  for (unsigned row = 0; row < ROWS; ++row) {
    Part<T, L, N> query;
    query.read(queries + (size_t(first + (row < count ? row : 0)) * heads + head) * head_dim, head_dim);
#pragma unroll
    for (unsigned dim = 0; dim < DIMS; ++dim) seen[row].query[dim] = query[dim], seen[row].mixed[dim] = 0.0f;
    seen[row].top = LOWEST, seen[row].sum = 0.0f;
  }

  const size_t stride = size_t(kv_heads) * head_dim;
  const size_t offset = size_t(head / per) * head_dim;
  Part<T, L, N> key, value;
  const auto slot_of = [&](unsigned row, unsigned position) {
    return position < shared ? shared_slots[position] : lists.slots[own[row] + position - shared];
  };
  const auto read = [&](Part<T, L, N>& key, Part<T, L, N>& value, unsigned row, unsigned position) {
    const size_t at = slot_of(row, position) * stride + offset;
    key.read(keys + at, head_dim);
    value.read(values + at, head_dim);
  };

  // Rounds in which every team has a position that all rows see. The next keys are on their way while these are used.
  const unsigned together = min(common, end);
  unsigned round = start;
  if (round + TEAMS <= together) read(key, value, 0, round + team);
  while (round + TEAMS <= together) {
    Part<T, L, N> next_key, next_value;
    const unsigned next = round + TEAMS;
    if (next + TEAMS <= together) read(next_key, next_value, 0, next + team);
#pragma unroll
    for (unsigned row = 0; row < ROWS; ++row)
      if (row < count) seen[row].see(key, value, true, L);
    round = next;
    key = next_key, value = next_value;
  }
  for (; round < end; round += TEAMS) {
    const unsigned position = round + team, of_warp = round + threadIdx.x / WARP * (WARP / L);
#pragma unroll
    for (unsigned row = 0; row < ROWS; ++row) {
      // Where a warp's first team has nothing to see, none of it has.
      if (of_warp >= sees[row]) continue;
      const bool seeing = position < sees[row];
      read(key, value, row, seeing ? position : sees[row] - 1);
      seen[row].see(key, value, seeing, L);
    }
  }

  // All teams of a warp, then all warps.
  __shared__ float mixes[WARPS][ROWS][L * DIMS], tops[WARPS][ROWS], sums[WARPS][ROWS];
  const unsigned warp = threadIdx.x / WARP, lane = threadIdx.x % WARP;
#pragma unroll
  for (unsigned row = 0; row < ROWS; ++row) {
    if (row >= count) continue;
    // A warp whose first team came too late for this row has nothing to add up.
    if (start + warp * (WARP / L) < sees[row])
#pragma unroll
      for (unsigned with = L; with < WARP; with *= 2) seen[row].take(with);
    if (lane >= L) continue;
#pragma unroll
    for (unsigned dim = 0; dim < DIMS; ++dim)
      mixes[warp][row][Part<T, L, N>::at(dim / N) + dim % N] = seen[row].mixed[dim];
    if (lane == 0) tops[warp][row] = seen[row].top, sums[warp][row] = seen[row].sum;
  }
  __syncthreads();
  for (unsigned at = threadIdx.x; at < count * head_dim; at += THREADS) {
    const unsigned row = at / head_dim, dim = at % head_dim;
    if (lists.rows[2 * (first + row) + 1] <= start) continue;
    float top = LOWEST, sum = 0.0f, mix = 0.0f;
    for (unsigned warp = 0; warp < WARPS; ++warp) top = fmaxf(top, tops[warp][row]);
    for (unsigned warp = 0; warp < WARPS; ++warp) {
      const float scale = expf(tops[warp][row] - top);
      sum = fmaf(sums[warp][row], scale, sum);
      mix = fmaf(mixes[warp][row][dim], scale, mix);
    }
    const size_t place = size_t(first + row) * heads + head;
    if (chunks == 1) {
      mixed[place * head_dim + dim] = from_float<T>(mix / sum);
    } else {
      float* part = parts + (place * chunks + chunk) * (head_dim + 2);
      part[2 + dim] = mix;
      if (dim == 0) part[0] = top, part[1] = sum;
    }
  }
}

// The chunks of a row, (rows, heads, chunks, 2 + head_dim): highest score, sum of weights, and what they mix.
template <class T>
__device__ void join(const float* parts, const unsigned* rows, T* mixed, unsigned head_dim, unsigned chunks) {
  const size_t place = size_t(blockIdx.x) * gridDim.y + blockIdx.y;
  const unsigned seen = (rows[2 * blockIdx.x + 1] + CHUNK - 1) / CHUNK;
  parts += place * chunks * (head_dim + 2);
  for (unsigned dim = threadIdx.x; dim < head_dim; dim += blockDim.x) {
    float top = LOWEST, sum = 0.0f, mix = 0.0f;
    for (unsigned chunk = 0; chunk < seen; ++chunk) top = fmaxf(top, parts[chunk * (head_dim + 2)]);
    for (unsigned chunk = 0; chunk < seen; ++chunk) {
      const float* part = parts + chunk * (head_dim + 2);
      const float scale = expf(part[0] - top);
      sum = fmaf(part[1], scale, sum);
      mix = fmaf(part[2 + dim], scale, mix);
    }
    mixed[place * head_dim + dim] = from_float<T>(mix / sum);
  }
}

// Blocks of rows in x, query heads in y, chunks in z.
#define ATTEND(T, suffix, name, L, N)                                                                                 \
  extern "C" __global__ void __launch_bounds__(THREADS, 2) name##_##suffix(                                           \
      const T* queries, const T* keys, const T* values, const unsigned* blocks, const unsigned* rows,                 \
      const unsigned* slots, T* mixed, float* parts, unsigned kv_heads, unsigned per, unsigned head_dim,              \
      unsigned chunks) {                                                                                              \
    attend<T, L, N>(queries, keys, values, {blocks, rows, slots}, mixed, parts, kv_heads, per, head_dim, chunks);     \
  }                                                                                                                   \
  REGISTER(name##_##suffix)

#define INSTANTIATE(T, suffix)                                                                                  \
  ATTEND(T, suffix, attend_64, 8, LANES<T>)                                                                     \
  ATTEND(T, suffix, attend_128, 16, LANES<T>)                                                                   \
  ATTEND(T, suffix, attend_256, 32, LANES<T>)                                                                   \
  ATTEND(T, suffix, attend_any, 32, 1)                                                                          \
  extern "C" __global__ void attend_join_##suffix(const float* parts, const unsigned* rows, T* mixed,           \
                                                  unsigned head_dim, unsigned chunks) {                         \
    join(parts, rows, mixed, head_dim, chunks);                                                                 \
  }                                                                                                             \
  REGISTER(attend_join_##suffix)
FOR_EACH_TYPE(INSTANTIATE)
