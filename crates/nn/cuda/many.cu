// Operations on many tensors at once: what would be a launch, or a wait, for each of them.
//
// All read a table: a row of WORDS words a tensor, of which the last but one is the first block that works on it. A block
// takes CHUNK numbers of one tensor, and finds it by bisection. They read and write every number once: memory traffic is
// their limit. The types of tensors are in the table; suffixes of the kernels have no meaning.
#include "common.cuh"

typedef unsigned long long Word;

constexpr unsigned WORDS = 8;
constexpr unsigned CHUNK = 4096;

// The columns of the table that mean the same everywhere.
enum { COUNT = 5, FIRST_BLOCK = 6, EXTRA = 7 };

// What a block works on.
struct Piece {
  const Word* row;
  // Of its numbers, in the tensor.
  unsigned long long start, end;

  __device__ __forceinline__ Piece(const Word* table, unsigned tensors) {
    unsigned low = 0, high = tensors;
    // The last row whose first block is not behind this one.
    while (high - low > 1) {
      const unsigned middle = (low + high) / 2;
      if (table[middle * WORDS + FIRST_BLOCK] <= blockIdx.x) low = middle;
      else high = middle;
    }
    row = table + low * WORDS;
    start = (blockIdx.x - row[FIRST_BLOCK]) * CHUNK;
    end = start + CHUNK < row[COUNT] ? start + CHUNK : row[COUNT];
  }
  template <class T>
  __device__ __forceinline__ T* at(unsigned column) const {
    return reinterpret_cast<T*>(row[column]);
  }
};

// A sum of all threads of a block of 256, in an order that does not change; the first thread gets it.
__device__ __forceinline__ double block_sum(double x) {
  __shared__ double of_threads[256];
  of_threads[threadIdx.x] = x;
  __syncthreads();
  for (unsigned half = 128; half > 0; half /= 2) {
    if (threadIdx.x < half) of_threads[threadIdx.x] += of_threads[threadIdx.x + half];
    __syncthreads();
  }
  return of_threads[0];
}

// sums[block] = the sum of the squares of the block's numbers, f32.
extern "C" __global__ void squares_f32(const Word* table, unsigned tensors, double* sums) {
  const Piece piece(table, tensors);
  const float* x = piece.at<const float>(0);
  double sum = 0.0;
  for (unsigned long long at = piece.start + threadIdx.x; at < piece.end; at += blockDim.x)
    sum += double(x[at]) * double(x[at]);
  sum = block_sum(sum);
  if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}
REGISTER(squares_f32)

// One block: the sum of `count` numbers.
extern "C" __global__ void total_f32(const double* sums, double* total, unsigned count) {
  double sum = 0.0;
  for (unsigned at = threadIdx.x; at < count; at += blockDim.x) sum += sums[at];
  sum = block_sum(sum);
  if (threadIdx.x == 0) *total = sum;
}
REGISTER(total_f32)

// x *= factor, f32.
extern "C" __global__ void scale_f32(const Word* table, unsigned tensors, float factor) {
  const Piece piece(table, tensors);
  float* x = piece.at<float>(0);
  for (unsigned long long at = piece.start + threadIdx.x; at < piece.end; at += blockDim.x) x[at] *= factor;
}
REGISTER(scale_f32)

// numbers[tensor] = the first number of each tensor of type EXTRA (0: f32, 3: f64): one block.
extern "C" __global__ void firsts_f32(const Word* table, unsigned tensors, double* numbers) {
  for (unsigned at = threadIdx.x; at < tensors; at += blockDim.x) {
    const Word* row = table + at * WORDS;
    const void* x = reinterpret_cast<const void*>(row[0]);
    numbers[at] = row[EXTRA] == 3 ? *static_cast<const double*>(x) : double(*static_cast<const float*>(x));
  }
}
REGISTER(firsts_f32)

// A step of Adam: parameter, first moment, second moment, gradient; EXTRA: rate and root, which depend on how many steps
// the parameter has seen. One pass where candle makes about fifteen.
extern "C" __global__ void adam_f32(const Word* table, unsigned tensors, float beta1, float beta2, float decay, float eps) {
  const Piece piece(table, tensors);
  float* parameter = piece.at<float>(0);
  float* first = piece.at<float>(1);
  float* second = piece.at<float>(2);
  const float* gradients = piece.at<const float>(3);
  const float rate = __uint_as_float(unsigned(piece.row[EXTRA] >> 32));
  const float root = __uint_as_float(unsigned(piece.row[EXTRA]));
  for (unsigned long long at = piece.start + threadIdx.x; at < piece.end; at += blockDim.x) {
    const float number = parameter[at];
    const float gradient = gradients[at] + decay * number;
    const float m = beta1 * first[at] + (1.0f - beta1) * gradient;
    const float v = beta2 * second[at] + (1.0f - beta2) * gradient * gradient;
    first[at] = m;
    second[at] = v;
    parameter[at] = number - rate * m / (sqrtf(v) / root + eps);
  }
}
REGISTER(adam_f32)
