// Rank-N-Contrast over rows (n, width) with labels, in f64.
//
// anchors: a block an anchor i. Of every other row j: similarity s = -|z_i - z_j| / temperature and the log D of the sum of
// exp(s) over all rows whose label is as far from the anchor's or further; the sum of D - s; and the pull, by which the
// differences z_i - z_j go into the gradient. Each sum of exponentials is taken from its own largest term, so that nothing
// under- or overflows however far rows are apart.
// loss: the mean over all pairs. gradient: from the pulls of both directions.
// n^3 exponentials in all (2 million at 128 rows), little beside a step; on the CPU the rows come to the host, and the
// device waits.
#include "common.cuh"

// Those of the loss on the CPU: label distances that differ by less than TIE are equal.
constexpr double TEMPERATURE = 2.0, TIE = 1e-4;

// A sum of all threads of a block of 128, in an order that does not change; the first thread gets it.
__device__ __forceinline__ double block_sum(double x) {
  __shared__ double of_threads[128];
  of_threads[threadIdx.x] = x;
  __syncthreads();
  for (unsigned half = 64; half > 0; half /= 2) {
    if (threadIdx.x < half) of_threads[threadIdx.x] += of_threads[threadIdx.x + half];
    __syncthreads();
  }
  return of_threads[0];
}

// `similarities`, `denominators` and `pulls` are (n, n).
template <class T>
__device__ void anchors(const T* rows, const float* labels, double* similarities, double* denominators, double* pulls,
                        double* sums, unsigned n, unsigned width) {
  const unsigned anchor = blockIdx.x;
  const double label = labels[anchor];
  const T* here = rows + size_t(anchor) * width;
  similarities += size_t(anchor) * n;
  denominators += size_t(anchor) * n;
  pulls += size_t(anchor) * n;
  for (unsigned k = threadIdx.x; k < n; k += blockDim.x) {
    const T* there = rows + size_t(k) * width;
    double squares = 0.0;
    for (unsigned column = 0; column < width; ++column) {
      const double difference = double(to_float(here[column])) - double(to_float(there[column]));
      squares += difference * difference;
    }
    similarities[k] = -sqrt(squares) / TEMPERATURE;
  }
  __syncthreads();
  double sum = 0.0;
  for (unsigned j = threadIdx.x; j < n; j += blockDim.x) {
    if (j == anchor) continue;
    const double least = fabs(label - double(labels[j])) - TIE;
    double most = -INFINITY, exponentials = 0.0;
    for (unsigned k = 0; k < n; ++k) {
      if (k == anchor || fabs(label - double(labels[k])) < least) continue;
      // NaN wins.
      if (!(similarities[k] <= most)) most = similarities[k];
    }
    for (unsigned k = 0; k < n; ++k) {
      if (k == anchor || fabs(label - double(labels[k])) < least) continue;
      exponentials += exp(similarities[k] - most);
    }
    denominators[j] = most + log(exponentials);
    sum += denominators[j] - similarities[j];
  }
  sum = block_sum(sum);
  if (threadIdx.x == 0) sums[anchor] = sum;
  for (unsigned k = threadIdx.x; k < n; k += blockDim.x) {
    const double distance = -similarities[k] * TEMPERATURE;
    // Equal rows: the length of their difference has no slope.
    if (k == anchor || distance == 0.0) {
      pulls[k] = 0.0;
      continue;
    }
    // What the similarity has of every denominator that it is in, less the 1 of its own term.
    const double far = fabs(label - double(labels[k]));
    double slope = -1.0;
    for (unsigned j = 0; j < n; ++j)
      if (j != anchor && !(far < fabs(label - double(labels[j])) - TIE)) slope += exp(similarities[k] - denominators[j]);
    pulls[k] = -slope / (TEMPERATURE * distance);
  }
}

template <class T>
__device__ void loss(const double* sums, T* mean, unsigned n) {
  double sum = 0.0;
  for (unsigned at = threadIdx.x; at < n; at += blockDim.x) sum += sums[at];
  sum = block_sum(sum);
  if (threadIdx.x == 0) *mean = from_float<T>(float(sum / (double(n) * (double(n) - 1.0))));
}

template <class T>
__device__ void gradient(const T* rows, const double* pulls, const T* slope, T* out, unsigned n, unsigned width) {
  const unsigned row = blockIdx.x;
  const double scale = double(to_float(*slope)) / (double(n) * (double(n) - 1.0));
  for (unsigned column = threadIdx.x; column < width; column += blockDim.x) {
    const double here = to_float(rows[size_t(row) * width + column]);
    double sum = 0.0;
    for (unsigned other = 0; other < n; ++other) {
      const double pull = pulls[size_t(row) * n + other] + pulls[size_t(other) * n + row];
      sum += pull * (here - double(to_float(rows[size_t(other) * width + column])));
    }
    out[size_t(row) * width + column] = from_float<T>(float(scale * sum));
  }
}

#define INSTANTIATE(T, suffix)                                                                                        \
  extern "C" __global__ void anchors_##suffix(const T* rows, const float* labels, double* similarities,               \
                                              double* denominators, double* pulls, double* sums, unsigned n,          \
                                              unsigned width) {                                                       \
    anchors(rows, labels, similarities, denominators, pulls, sums, n, width);                                         \
  }                                                                                                                   \
  REGISTER(anchors_##suffix)                                                                                          \
  extern "C" __global__ void loss_##suffix(const double* sums, T* mean, unsigned n) { loss(sums, mean, n); }          \
  REGISTER(loss_##suffix)                                                                                             \
  extern "C" __global__ void gradient_##suffix(const T* rows, const double* pulls, const T* slope, T* out, unsigned n, \
                                               unsigned width) {                                                      \
    gradient(rows, pulls, slope, out, n, width);                                                                      \
  }                                                                                                                   \
  REGISTER(gradient_##suffix)
FOR_EACH_TYPE(INSTANTIATE)
