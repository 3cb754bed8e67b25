// What stands around the products of an attention under training whose values are frames and whose keys a tanh of them.
//
// weigh: scores (b, n, t) become weights in place: softmax over a clip's own frames of scale * score, 0 behind them. One
// launch and one pass; candle needs seven, and a mask of -inf.
// weigh_back: the gradient of the scores from that of the weights, in place.
// keys_back: the gradient of the keys' projection, (sum over the queries of slope * query) * (1 - key^2), with its sums
// over the frames (the bias' gradient): reads keys, writes the gradient. Queries are few, so the sum over them is no
// product of its own with an intermediate as large as the frames.
// frames_back: adds an attention's part to the gradient of the frames where it lies:
// mask * (that through the keys + sum over the queries of weight * gradient).
// All are limited by memory traffic.
#include "mask.cuh"

template <class T>
__device__ void weigh(T* scores, const unsigned* lengths, unsigned queries, unsigned frames, float scale) {
  scores += size_t(blockIdx.x) * frames;
  const unsigned length = lengths ? lengths[blockIdx.x / queries] : frames;
  float most = Max::start;
  for (unsigned at = threadIdx.x; at < length; at += blockDim.x) most = Max()(most, scale * to_float(scores[at]));
  most = block_reduce<Max>(most);
  float sum = 0.0f;
  for (unsigned at = threadIdx.x; at < length; at += blockDim.x) sum += expf(scale * to_float(scores[at]) - most);
  sum = block_reduce<Sum>(sum);
  for (unsigned at = threadIdx.x; at < frames; at += blockDim.x)
    scores[at] = from_float<T>(at < length ? expf(scale * to_float(scores[at]) - most) / sum : 0.0f);
}

template <class T>
__device__ void weigh_back(const T* weights, T* slopes, unsigned frames, float scale) {
  weights += size_t(blockIdx.x) * frames;
  slopes += size_t(blockIdx.x) * frames;
  float sum = 0.0f;
  for (unsigned at = threadIdx.x; at < frames; at += blockDim.x) sum += to_float(weights[at]) * to_float(slopes[at]);
  sum = block_reduce<Sum>(sum);
  for (unsigned at = threadIdx.x; at < frames; at += blockDim.x)
    slopes[at] = from_float<T>(scale * to_float(weights[at]) * (to_float(slopes[at]) - sum));
}

// Columns of a block, which a warp reads side by side, and frames that its warps read at once.
constexpr unsigned COLUMNS = 32;
constexpr unsigned LINES = 8;

// The rows (n, width) of a clip, the columns of this block: (n, COLUMNS) in f32.
template <class T>
__device__ __forceinline__ void gather(const T* rows, float* of_rows, unsigned n, unsigned width, unsigned column) {
  for (unsigned row = threadIdx.x / COLUMNS; row < n; row += LINES)
    of_rows[row * COLUMNS + threadIdx.x % COLUMNS] = column < width ? to_float(rows[size_t(row) * width + column]) : 0.0f;
  __syncthreads();
}

// The sum over n of factors (n, frames) of one frame and rows (n, COLUMNS).
template <class T>
__device__ __forceinline__ float weighted(const T* factors, const float* of_rows, unsigned n, unsigned frames) {
  float sum = 0.0f;
#pragma unroll 4
  for (unsigned row = 0; row < n; ++row)
    sum += to_float(factors[size_t(row) * frames]) * of_rows[row * COLUMNS + threadIdx.x % COLUMNS];
  return sum;
}

// A block: COLUMNS columns, `stretch` frames, one clip.
template <class T>
__device__ void keys_back(const T* slopes, const T* queries, const T* keys, T* through, float* sums, unsigned n,
                          unsigned frames, unsigned width, unsigned stretch) {
  DYNAMIC_SHARED(float, of_queries);
  __shared__ float of_lines[LINES][COLUMNS];
  const unsigned clip = blockIdx.z, column = blockIdx.x * COLUMNS + threadIdx.x % COLUMNS;
  const unsigned line = threadIdx.x / COLUMNS, lane = threadIdx.x % COLUMNS;
  gather(queries + size_t(clip) * n * width, of_queries, n, width, column);
  slopes += size_t(clip) * n * frames;
  const unsigned start = blockIdx.y * stretch, end = min(frames, start + stretch);
  float sum = 0.0f;
  if (column < width) {
    for (unsigned frame = start + line; frame < end; frame += LINES) {
      const size_t at = (size_t(clip) * frames + frame) * width + column;
      const float key = to_float(keys[at]);
      const float slope = weighted(slopes + frame, of_queries, n, frames) * (1.0f - key * key);
      through[at] = from_float<T>(slope);
      sum += slope;
    }
  }
  of_lines[line][lane] = sum;
  __syncthreads();
  if (line != 0 || column >= width) return;
  for (unsigned other = 1; other < LINES; ++other) sum += of_lines[other][lane];
  sums[(size_t(clip) * gridDim.y + blockIdx.y) * width + column] = sum;
}

// `total` is written where nothing has been added before (`first`).
template <class T>
__device__ void frames_back(const T* weights, const T* gradient, const T* keyed, T* total, const unsigned* lengths,
                            unsigned n, unsigned frames, unsigned width, unsigned stretch, unsigned first, Mask mask) {
  DYNAMIC_SHARED(float, of_queries);
  const unsigned clip = blockIdx.z, column = blockIdx.x * COLUMNS + threadIdx.x % COLUMNS;
  gather(gradient + size_t(clip) * n * width, of_queries, n, width, column);
  weights += size_t(clip) * n * frames;
  const unsigned length = lengths ? lengths[clip] : frames;
  const unsigned start = blockIdx.y * stretch, end = min(frames, start + stretch);
  if (column >= width) return;
  for (unsigned frame = start + threadIdx.x / COLUMNS; frame < end; frame += LINES) {
    const size_t at = (size_t(clip) * frames + frame) * width + column;
    float part = 0.0f;
    if (frame < length) part = (to_float(keyed[at]) + weighted(weights + frame, of_queries, n, frames)) * mask.factor(unsigned(at));
    total[at] = from_float<T>(first ? part : to_float(total[at]) + part);
  }
}

#define INSTANTIATE(T, suffix)                                                                                          \
  extern "C" __global__ void weigh_##suffix(T* scores, const unsigned* lengths, unsigned queries, unsigned frames,      \
                                            float scale) {                                                              \
    weigh(scores, lengths, queries, frames, scale);                                                                     \
  }                                                                                                                     \
  REGISTER(weigh_##suffix)                                                                                              \
  extern "C" __global__ void weigh_back_##suffix(const T* weights, T* slopes, unsigned frames, float scale) {           \
    weigh_back(weights, slopes, frames, scale);                                                                         \
  }                                                                                                                     \
  REGISTER(weigh_back_##suffix)                                                                                         \
  extern "C" __global__ void keys_back_##suffix(const T* slopes, const T* queries, const T* keys, T* through,           \
                                                float* sums, unsigned n, unsigned frames, unsigned width,               \
                                                unsigned stretch) {                                                     \
    keys_back(slopes, queries, keys, through, sums, n, frames, width, stretch);                                         \
  }                                                                                                                     \
  REGISTER(keys_back_##suffix)                                                                                          \
  extern "C" __global__ void frames_back_##suffix(                                                                      \
      const T* weights, const T* gradient, const T* keyed, T* total, const unsigned* lengths, unsigned n,               \
      unsigned frames, unsigned width, unsigned stretch, unsigned first, unsigned low, unsigned high, unsigned lowest,  \
      float scale) {                                                                                                    \
    frames_back(weights, gradient, keyed, total, lengths, n, frames, width, stretch, first,                             \
                Mask{low, high, lowest, scale});                                                                        \
  }                                                                                                                     \
  REGISTER(frames_back_##suffix)
FOR_EACH_TYPE(INSTANTIATE)
