// What stands around the products of a linear layer under training.
//
// finish_trained: y = dropout(f(product + bias)) in place, f one of nothing, ReLU and tanh: reads and writes y once. candle needs
// a launch and a pass for the bias, two to three for the ReLU and one for the dropout.
// back: the gradient of the product from that of the result, g f' mask, and its sums over the rows (the bias' gradient)
// in the same pass: reads g and y, writes the gradient. candle needs six launches for it.
// sum_rows: adds the sums of several stretches of rows, in their order: results do not depend on which block ends first.
// All are limited by memory traffic.
#include "mask.cuh"

enum { NOTHING, RELU, TANH };

// Numbers of a block: 256 threads, 4 each.
constexpr unsigned BLOCK = 1024;

template <class T>
__device__ void finish(T* y, const T* bias, unsigned long long count, unsigned width, unsigned f, Mask mask) {
  const unsigned long long start = blockIdx.x * (unsigned long long)BLOCK;
  const unsigned first = unsigned(start % width);
  for (unsigned at = threadIdx.x; at < BLOCK && start + at < count; at += blockDim.x) {
    float number = to_float(y[start + at]) + to_float(bias[(first + at) % width]);
    // Comparisons that keep NaN.
    if (f == RELU) number = number <= 0.0f ? 0.0f : number;
    if (f == TANH) number = tanhf(number);
    y[start + at] = from_float<T>(number * mask.factor(unsigned(start + at)));
  }
}

// Columns of a block, which a warp reads side by side, and rows that its warps read at once.
constexpr unsigned COLUMNS = 32;
constexpr unsigned LINES = 8;

// Adds the sums of a block's lines, in their order, and writes those of its columns.
__device__ __forceinline__ void add_lines(float sum, float* out, unsigned column, unsigned width) {
  __shared__ float of_lines[LINES][COLUMNS];
  const unsigned lane = threadIdx.x % COLUMNS, line = threadIdx.x / COLUMNS;
  of_lines[line][lane] = sum;
  __syncthreads();
  if (line != 0 || column >= width) return;
  for (unsigned other = 1; other < LINES; ++other) sum += of_lines[other][lane];
  out[column] = sum;
}

// A block has COLUMNS columns and `stretch` rows. `through` may be null, where f is nothing: it would be the gradient.
template <class T>
__device__ void back(const T* gradient, const T* y, T* through, float* sums, unsigned long long rows, unsigned width,
                     unsigned stretch, unsigned f, Mask mask) {
  const unsigned column = blockIdx.x * COLUMNS + threadIdx.x % COLUMNS;
  const unsigned long long start = blockIdx.y * (unsigned long long)stretch;
  const unsigned long long end = start + stretch < rows ? start + stretch : rows;
  float sum = 0.0f;
  if (column < width) {
    for (unsigned long long row = start + threadIdx.x / COLUMNS; row < end; row += LINES) {
      const unsigned long long at = row * width + column;
      float number = to_float(gradient[at]);
      if (through) {
        const float result = to_float(y[at]);
        const float factor = mask.factor(unsigned(at));
        // Of a number that was dropped nothing passes but NaN.
        number = factor != 0.0f && f == RELU && result <= 0.0f ? 0.0f : number * factor;
        if (f == TANH) number *= 1.0f - result * result;
        through[at] = from_float<T>(number);
      }
      sum += number;
    }
  }
  add_lines(sum, sums + size_t(blockIdx.y) * width, column, width);
}

template <class T>
__device__ void sum_rows(const float* x, T* sums, unsigned rows, unsigned width) {
  __shared__ float of_columns[COLUMNS];
  const unsigned column = blockIdx.x * COLUMNS + threadIdx.x % COLUMNS;
  float sum = 0.0f;
  if (column < width)
    for (unsigned row = threadIdx.x / COLUMNS; row < rows; row += LINES) sum += x[size_t(row) * width + column];
  add_lines(sum, of_columns, threadIdx.x % COLUMNS, column < width ? COLUMNS : 0);
  if (threadIdx.x < COLUMNS && column < width) sums[column] = from_float<T>(of_columns[threadIdx.x]);
}

#define INSTANTIATE(T, suffix)                                                                                         \
  extern "C" __global__ void finish_trained_##suffix(T* y, const T* bias, unsigned long long count, unsigned width,            \
                                             unsigned f, unsigned low, unsigned high, unsigned lowest, float scale) {  \
    finish(y, bias, count, width, f, Mask{low, high, lowest, scale});                                                  \
  }                                                                                                                    \
  REGISTER(finish_trained_##suffix)                                                                                            \
  extern "C" __global__ void back_##suffix(const T* gradient, const T* y, T* through, float* sums,                     \
                                           unsigned long long rows, unsigned width, unsigned stretch, unsigned f,      \
                                           unsigned low, unsigned high, unsigned lowest, float scale) {                \
    back(gradient, y, through, sums, rows, width, stretch, f, Mask{low, high, lowest, scale});                         \
  }                                                                                                                    \
  REGISTER(back_##suffix)                                                                                              \
  extern "C" __global__ void sum_rows_##suffix(const float* x, T* sums, unsigned rows, unsigned width) {               \
    sum_rows(x, sums, rows, width);                                                                                    \
  }                                                                                                                    \
  REGISTER(sum_rows_##suffix)
FOR_EACH_TYPE(INSTANTIATE)
