// The mean of (x - y)^2 or its root, in f64, and its gradients: a launch each way, where candle composes it of about ten
// forward and thirty backward. One block: what losses compare is small (60,000 numbers at most in SDUMC).
#include "common.cuh"

extern "C" __global__ void __launch_bounds__(1024) mean_square_f32(const float* x, const float* y, float* mean, unsigned count, unsigned root) {
  __shared__ double of_threads[1024];
  double sum = 0.0;
#pragma unroll 4
  for (unsigned at = threadIdx.x; at < count; at += blockDim.x) {
    const double difference = double(x[at]) - double(y[at]);
    sum += difference * difference;
  }
  of_threads[threadIdx.x] = sum;
  __syncthreads();
  for (unsigned half = blockDim.x / 2; half > 0; half /= 2) {
    if (threadIdx.x < half) of_threads[threadIdx.x] += of_threads[threadIdx.x + half];
    __syncthreads();
  }
  if (threadIdx.x == 0) {
    const double square = of_threads[0] / count;
    *mean = float(root ? sqrt(square) : square);
  }
}
REGISTER(mean_square_f32)

// Either gradient may be null. A root of 0 has the slope 0.
extern "C" __global__ void mean_square_back_f32(const float* x, const float* y, const float* mean, const float* slope,
                                                float* of_x, float* of_y, unsigned count, unsigned root) {
  const unsigned at = blockIdx.x * blockDim.x + threadIdx.x;
  if (at >= count) return;
  const float scale = root ? (*mean == 0.0f ? 0.0f : *slope / (*mean * float(count))) : 2.0f * *slope / float(count);
  const float part = scale * (x[at] - y[at]);
  if (of_x) of_x[at] = part;
  if (of_y) of_y[at] = -part;
}
REGISTER(mean_square_back_f32)
