// Rotary position embedding of queries and keys that stand, with the values, in one row of one product:
// (rows, (heads + 2 kv_heads) * head_dim).
//
// One launch turns queries and keys, scales the queries, and puts all three where attention reads them: keys and values
// in their slots of a cache, or everything by head. Every number is read and written once (limit: memory traffic, and
// for a few rows the launch). Candle's path: a copy of each of the three out of the row, two rotations, a product by the
// scale, and a copy of keys and values for every run of slots.
#include "common.cuh"

// Cosines and sines of positions times frequencies, (count, half) each, in f32: once for all layers of a pass.
extern "C" __global__ void rotary_angles_f32(const float* frequencies, const unsigned* positions, float* cosines,
                                             float* sines, unsigned count, unsigned half) {
  const size_t at = size_t(blockIdx.x) * blockDim.x + threadIdx.x;
  if (at >= size_t(count) * half) return;
  const float angle = float(positions[at / half]) * frequencies[at % half];
  cosines[at] = cosf(angle);
  sines[at] = sinf(angle);
}
REGISTER(rotary_angles_f32)

// What a row is made of, and where its parts go.
struct Layout {
  unsigned heads, kv_heads, head_dim;
  // Rows of one sequence. Without slots queries go to (b, heads, t, head_dim), keys and values to (b, kv_heads, t,
  // head_dim); with them queries go to (rows, heads, head_dim), keys and values to (slots, kv_heads, head_dim).
  unsigned t;
  const unsigned* slots;

  // Where head `head` of `count` of this block's row goes; `stays` in its row, or goes to its slot.
  __device__ __forceinline__ size_t place(unsigned head, unsigned count, bool stays) const {
    const size_t row = blockIdx.x;
    if (slots) return ((stays ? row : size_t(slots[row])) * count + head) * head_dim;
    return ((row / t * count + head) * t + row % t) * head_dim;
  }
};

// A thread turns N pairs, or copies N values.
template <class T, unsigned N, bool NEIGHBOURS>
__device__ void turn(const T* joined, const float* cosines, const float* sines, T* queries, T* keys, T* values,
                     Layout to, float scale) {
  const unsigned half = to.head_dim / 2, packs = half / N;
  const unsigned turned = to.heads + to.kv_heads;
  const T* row = joined + size_t(blockIdx.x) * (turned + to.kv_heads) * to.head_dim;
  unsigned unit = blockIdx.y * blockDim.x + threadIdx.x;
  if (unit >= turned * packs) {
    unit -= turned * packs;
    const unsigned head = unit / (2 * packs), at = unit % (2 * packs) * N;
    if (head >= to.kv_heads) return;
    store(values + to.place(head, to.kv_heads, false) + at, load<T, N>(row + (turned + head) * to.head_dim + at));
    return;
  }
  const unsigned head = unit / packs, at = unit % packs * N;
  const bool query = head < to.heads;
  T* out = query ? queries + to.place(head, to.heads, true) : keys + to.place(head - to.heads, to.kv_heads, false);
  const T* in = row + head * to.head_dim;
  const size_t angles = size_t(blockIdx.x % to.t) * half + at;
  Pack<T, N> first, second;
  if (NEIGHBOURS) {
    first.at[0] = in[2 * at];
    second.at[0] = in[2 * at + 1];
  } else {
    first = load<T, N>(in + at);
    second = load<T, N>(in + half + at);
  }
  const float factor = query ? scale : 1.0f;
#pragma unroll
  for (unsigned i = 0; i < N; ++i) {
    const float x = to_float(first.at[i]), y = to_float(second.at[i]);
    const float cosine = cosines[angles + i], sine = sines[angles + i];
    first.at[i] = from_float<T>((x * cosine - y * sine) * factor);
    second.at[i] = from_float<T>((x * sine + y * cosine) * factor);
  }
  store(out + at, first);
  store(out + half + at, second);
}

// Rows in x; in y so many blocks that there is a thread for every unit of a row.
#define INSTANTIATE(T, suffix)                                                                                      \
  extern "C" __global__ void rotary_joined_##suffix(                                                                \
      const T* joined, const float* cosines, const float* sines, const unsigned* slots, T* queries, T* keys,        \
      T* values, unsigned heads, unsigned kv_heads, unsigned head_dim, unsigned t, unsigned neighbours,             \
      unsigned wide, float scale) {                                                                                 \
    const Layout to = {heads, kv_heads, head_dim, t, slots};                                                        \
    if (neighbours) turn<T, 1, true>(joined, cosines, sines, queries, keys, values, to, scale);                     \
    else if (wide) turn<T, LANES<T>, false>(joined, cosines, sines, queries, keys, values, to, scale);              \
    else turn<T, 1, false>(joined, cosines, sines, queries, keys, values, to, scale);                               \
  }                                                                                                                 \
  REGISTER(rotary_joined_##suffix)
FOR_EACH_TYPE(INSTANTIATE)
