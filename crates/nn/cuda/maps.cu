// What stands between the convolutions of feature maps with the channels last, (b, h, w, c). Each kernel reads its maps
// once (a window's overlaps from the caches) and writes its output once: memory bounds it. Candle's path turns maps to
// channels first and back for a pool, and takes a launch and a pass for every operation of a sum.
#include "common.cuh"

__device__ __forceinline__ float relu(float x) { return x < 0.0f ? 0.0f : x; }

struct Pool {
  unsigned h, w, channels, kernel, stride, pad, rows, columns;
};

// A thread makes a pack of channels of a place: the maximum of what its window sees inside of the map, then bias and
// ReLU, which keep the order of numbers.
template <class T, unsigned N>
__device__ void max_pool(const T* x, const float* bias, T* y, unsigned packs, bool relu, const Pool& pool) {
  const unsigned index = blockIdx.x * blockDim.x + threadIdx.x;
  if (index >= packs) return;
  const unsigned of_place = pool.channels / N, channel = index % of_place * N;
  const unsigned place = index / of_place;
  const unsigned column = place % pool.columns, row = place / pool.columns % pool.rows;
  const unsigned map = place / pool.columns / pool.rows;
  const int top = int(row * pool.stride) - int(pool.pad), left = int(column * pool.stride) - int(pool.pad);
  const unsigned first_row = max(top, 0), last_row = min(top + int(pool.kernel), int(pool.h));
  const unsigned first_column = max(left, 0), last_column = min(left + int(pool.kernel), int(pool.w));
  float best[N];
#pragma unroll
  for (unsigned lane = 0; lane < N; ++lane) best[lane] = Max::start;
  for (unsigned r = first_row; r < last_row; ++r)
    for (unsigned c = first_column; c < last_column; ++c) {
      const auto seen = load<T, N>(x + ((size_t(map) * pool.h + r) * pool.w + c) * pool.channels + channel);
#pragma unroll
      for (unsigned lane = 0; lane < N; ++lane) best[lane] = Max()(best[lane], to_float(seen.at[lane]));
    }
  Pack<T, N> pack;
#pragma unroll
  for (unsigned lane = 0; lane < N; ++lane) {
    const float number = bias ? best[lane] + bias[channel + lane] : best[lane];
    pack.at[lane] = from_float<T>(relu ? ::relu(number) : number);
  }
  store(y + size_t(index) * N, pack);
}

// Means over the places of `groups` maps, (groups, b, h, w, c) -> (b, c): a block a map and 256 channels.
template <class T>
__device__ void mean(const T* x, uint64_t group, uint64_t map, uint64_t row, uint64_t column, T* y, unsigned groups,
                     unsigned rows, unsigned columns, unsigned channels) {
  const unsigned channel = blockIdx.y * blockDim.x + threadIdx.x;
  if (channel >= channels) return;
  float sum = 0.0f;
  for (unsigned g = 0; g < groups; ++g)
    for (unsigned r = 0; r < rows; ++r) {
      const T* from = x + g * group + blockIdx.x * map + r * row + channel;
#pragma unroll 8
      for (unsigned c = 0; c < columns; ++c) sum += to_float(from[c * column]);
    }
  const float count = float(groups) * float(rows) * float(columns);
  y[size_t(blockIdx.x) * channels + channel] = from_float<T>(sum / count);
}

// Up to four chunks of channels side by side, twice, summed: ReLU(cat(first) + cat(second) + bias + residual +
// residual_bias). A thread makes a pack of channels of a place.
template <class T, unsigned N>
__device__ void join_chunks(const T* const (&first)[4], const T* const (&second)[4], const float* bias,
                            const T* residual, const float* residual_bias, T* y, unsigned packs, unsigned channels,
                            unsigned width) {
  const unsigned index = blockIdx.x * blockDim.x + threadIdx.x;
  if (index >= packs) return;
  const unsigned of_place = channels / N, channel = index % of_place * N;
  const size_t place = index / of_place;
  const unsigned chunk = channel / width;
  const size_t at = place * width + channel % width;
  // An array that is indexed at run time would lie in memory.
  const T* a = chunk == 0 ? first[0] : chunk == 1 ? first[1] : chunk == 2 ? first[2] : first[3];
  const T* b = chunk == 0 ? second[0] : chunk == 1 ? second[1] : chunk == 2 ? second[2] : second[3];
  const auto one = load<T, N>(a + at), two = load<T, N>(b + at), three = load<T, N>(residual + size_t(index) * N);
  Pack<T, N> pack;
#pragma unroll
  for (unsigned lane = 0; lane < N; ++lane) {
    float sum = to_float(one.at[lane]) + to_float(two.at[lane]);
    if (bias) sum += bias[channel + lane];
    sum += to_float(three.at[lane]);
    if (residual_bias) sum += residual_bias[channel + lane];
    pack.at[lane] = from_float<T>(relu(sum));
  }
  store(y + size_t(index) * N, pack);
}

// A 3 x 3 convolution in each channel, zero padded, with its bias and perhaps a ReLU; weight (9, c). A thread makes a pack
// of channels of a place; the taps are summed in the order in which the CPU sums them.
template <class T, unsigned N>
__device__ void depthwise(const T* x, const T* weight, const T* bias, T* y, unsigned packs, unsigned h, unsigned w,
                          unsigned channels, bool relu) {
  const unsigned index = blockIdx.x * blockDim.x + threadIdx.x;
  if (index >= packs) return;
  const unsigned of_place = channels / N, channel = index % of_place * N;
  const size_t place = index / of_place;
  const int column = place % w, row = place / w % h;
  float sum[N];
  const auto start = load<T, N>(bias + channel);
#pragma unroll
  for (unsigned lane = 0; lane < N; ++lane) sum[lane] = to_float(start.at[lane]);
#pragma unroll
  for (int tap = 0; tap < 9; ++tap) {
    const int down = tap / 3 - 1, across = tap % 3 - 1;
    if (unsigned(row + down) >= h || unsigned(column + across) >= w) continue;
    const auto seen = load<T, N>(x + ((long long)(place) + down * int(w) + across) * channels + channel);
    const auto taps = load<T, N>(weight + tap * channels + channel);
#pragma unroll
    for (unsigned lane = 0; lane < N; ++lane) sum[lane] += to_float(seen.at[lane]) * to_float(taps.at[lane]);
  }
  Pack<T, N> pack;
#pragma unroll
  for (unsigned lane = 0; lane < N; ++lane) pack.at[lane] = from_float<T>(relu ? ::relu(sum[lane]) : sum[lane]);
  store(y + size_t(index) * N, pack);
}

#define INSTANTIATE(T, suffix)                                                                                        \
  extern "C" __global__ void max_pool_##suffix(const T* x, const float* bias, T* y, unsigned packs, unsigned relu,    \
                                               unsigned packed, unsigned h, unsigned w, unsigned channels,            \
                                               unsigned kernel, unsigned stride, unsigned pad, unsigned rows,         \
                                               unsigned columns) {                                                    \
    const Pool pool = {h, w, channels, kernel, stride, pad, rows, columns};                                           \
    if (packed)                                                                                                       \
      max_pool<T, LANES<T>>(x, bias, y, packs, relu, pool);                                                           \
    else                                                                                                              \
      max_pool<T, 1>(x, bias, y, packs, relu, pool);                                                                  \
  }                                                                                                                   \
  REGISTER(max_pool_##suffix)                                                                                         \
  extern "C" __global__ void mean_##suffix(const T* x, uint64_t group, uint64_t map, uint64_t row, uint64_t column,   \
                                           T* y, unsigned groups, unsigned rows, unsigned columns,                    \
                                           unsigned channels) {                                                       \
    mean(x, group, map, row, column, y, groups, rows, columns, channels);                                             \
  }                                                                                                                   \
  REGISTER(mean_##suffix)                                                                                             \
  extern "C" __global__ void join_chunks_##suffix(                                                                    \
      const T* a0, const T* a1, const T* a2, const T* a3, const T* b0, const T* b1, const T* b2, const T* b3,         \
      const float* bias, const T* residual, const float* residual_bias, T* y, unsigned packs, unsigned packed,        \
      unsigned channels, unsigned width) {                                                                            \
    const T* const first[4] = {a0, a1, a2, a3};                                                                       \
    const T* const second[4] = {b0, b1, b2, b3};                                                                      \
    if (packed)                                                                                                       \
      join_chunks<T, LANES<T>>(first, second, bias, residual, residual_bias, y, packs, channels, width);              \
    else                                                                                                              \
      join_chunks<T, 1>(first, second, bias, residual, residual_bias, y, packs, channels, width);                     \
  }                                                                                                                   \
  REGISTER(join_chunks_##suffix)                                                                                      \
  extern "C" __global__ void depthwise_##suffix(const T* x, const T* weight, const T* bias, T* y, unsigned packs,     \
                                                unsigned packed, unsigned h, unsigned w, unsigned channels,           \
                                                unsigned relu) {                                                      \
    if (packed)                                                                                                       \
      depthwise<T, LANES<T>>(x, weight, bias, y, packs, h, w, channels, relu);                                        \
    else                                                                                                              \
      depthwise<T, 1>(x, weight, bias, y, packs, h, w, channels, relu);                                               \
  }                                                                                                                   \
  REGISTER(depthwise_##suffix)
FOR_EACH_TYPE(INSTANTIATE)
