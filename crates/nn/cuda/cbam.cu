// CBAM: a gate for each channel, then one for each place, then the residual and a ReLU, all of one map in one block.
//
// The map is read three times, from memory the first time and from the caches after that (50 KB of 7 x 7 x 512 numbers
// in half precision), the residual once, and the output is written once: memory bounds it. Composed of single operations
// it is some twenty launches and ten passes over memory, for each of the branches.
#include "common.cuh"

constexpr float NONE = 0.0f;

__device__ __forceinline__ float relu(float x) { return x < 0.0f ? 0.0f : x; }
__device__ __forceinline__ float sigmoid(float x) { return 1.0f / (1.0f + expf(-x)); }

struct Sizes {
  unsigned maps, h, w, channels, inner;
};

// Parameters of all groups, in f32: squeeze (g, inner, c) and its bias, excite (g, inner, c), turned, and its bias (g, c),
// spatial (g, 7, 7, 2), maximum first, and its bias (g).
struct Gates {
  const float *squeeze, *squeeze_bias, *excite, *excite_bias, *spatial, *spatial_bias;
};

constexpr unsigned KERNEL = 7;

// Mean and maximum of every channel over all places.
template <class T, unsigned N>
__device__ void pool_places(const T* x, const float* bias, float* means, float* tops, const Sizes& sizes) {
  const unsigned places = sizes.h * sizes.w;
  for (unsigned channel = threadIdx.x * N; channel < sizes.channels; channel += blockDim.x * N) {
    float sum[N], top[N];
    for (unsigned lane = 0; lane < N; ++lane) {
      sum[lane] = 0.0f;
      top[lane] = Max::start;
    }
#pragma unroll 4
    for (unsigned place = 0; place < places; ++place) {
      const auto pack = load<T, N>(x + size_t(place) * sizes.channels + channel);
      for (unsigned lane = 0; lane < N; ++lane) {
        const float number = to_float(pack.at[lane]);
        sum[lane] += number;
        top[lane] = Max()(top[lane], number);
      }
    }
    for (unsigned lane = 0; lane < N; ++lane) {
      const float added = bias ? bias[channel + lane] : NONE;
      means[channel + lane] = sum[lane] / float(places) + added;
      tops[channel + lane] = top[lane] + added;
    }
  }
  __syncthreads();
}

// Sigmoid of the sum of one MLP over means and maxima, written over the means. Its second layer is linear, so that it is
// given the sum of what its first makes of the two.
__device__ void gate_channels(float* means, const float* tops, float* hidden, const Gates& gates, unsigned group,
                              const Sizes& sizes) {
  const unsigned channels = sizes.channels, inner = sizes.inner;
  const unsigned lane = threadIdx.x % WARP, warps = blockDim.x / WARP;
  for (unsigned unit = threadIdx.x / WARP; unit < inner; unit += warps) {
    const float* row = gates.squeeze + (size_t(group) * inner + unit) * channels;
    float of_means = 0.0f, of_tops = 0.0f;
    for (unsigned channel = lane; channel < channels; channel += WARP) {
      of_means += row[channel] * means[channel];
      of_tops += row[channel] * tops[channel];
    }
    of_means = warp_reduce<Sum>(of_means);
    of_tops = warp_reduce<Sum>(of_tops);
    const float bias = gates.squeeze_bias[group * inner + unit];
    if (lane == 0) hidden[unit] = relu(of_means + bias) + relu(of_tops + bias);
  }
  __syncthreads();
  for (unsigned channel = threadIdx.x; channel < channels; channel += blockDim.x) {
    float sum = 2.0f * gates.excite_bias[size_t(group) * channels + channel];
    for (unsigned unit = 0; unit < inner; ++unit)
      sum += hidden[unit] * gates.excite[(size_t(group) * inner + unit) * channels + channel];
    means[channel] = sigmoid(sum);
  }
  __syncthreads();
}

// Maximum and mean of every place over its gated channels, a warp a place.
template <class T, unsigned N>
__device__ void pool_channels(const T* x, const float* bias, const float* gate, float* pooled, const Sizes& sizes) {
  const unsigned lane_of = threadIdx.x % WARP, warps = blockDim.x / WARP, channels = sizes.channels;
  for (unsigned place = threadIdx.x / WARP; place < sizes.h * sizes.w; place += warps) {
    float sum = 0.0f, top = Max::start;
    for (unsigned channel = lane_of * N; channel < channels; channel += WARP * N) {
      const auto pack = load<T, N>(x + size_t(place) * channels + channel);
      for (unsigned lane = 0; lane < N; ++lane) {
        const float added = bias ? bias[channel + lane] : NONE;
        const float number = (to_float(pack.at[lane]) + added) * gate[channel + lane];
        sum += number;
        top = Max()(top, number);
      }
    }
    sum = warp_reduce<Sum>(sum);
    top = warp_reduce<Max>(top);
    if (lane_of == 0) {
      pooled[2 * place] = top;
      pooled[2 * place + 1] = sum / float(channels);
    }
  }
  __syncthreads();
}

// The gate of every place: what a 7 x 7 convolution sees in `pooled`, through a sigmoid.
__device__ void gate_places(const float* pooled, float* gate, const Gates& gates, unsigned group, const Sizes& sizes) {
  const float* weight = gates.spatial + group * KERNEL * KERNEL * 2;
  for (unsigned place = threadIdx.x; place < sizes.h * sizes.w; place += blockDim.x) {
    const int row = int(place / sizes.w) - int(KERNEL / 2), column = int(place % sizes.w) - int(KERNEL / 2);
    float sum = gates.spatial_bias[group];
    for (unsigned down = 0; down < KERNEL; ++down) {
      const int r = row + int(down);
      if (unsigned(r) >= sizes.h) continue;
      for (unsigned across = 0; across < KERNEL; ++across) {
        const int c = column + int(across);
        if (unsigned(c) >= sizes.w) continue;
        const float *seen = pooled + 2 * (r * int(sizes.w) + c), *taps = weight + 2 * (down * KERNEL + across);
        sum += seen[0] * taps[0] + seen[1] * taps[1];
      }
    }
    gate[place] = sigmoid(sum);
  }
  __syncthreads();
}

template <class T, unsigned N>
__device__ void cbam(const T* x, const float* bias, const T* residual, const float* residual_bias, T* y,
                     const Gates& gates, const Sizes& sizes) {
  DYNAMIC_SHARED(float, memory);
  const unsigned places = sizes.h * sizes.w, channels = sizes.channels, group = blockIdx.x / sizes.maps;
  float *means = memory, *tops = means + channels, *hidden = tops + channels, *pooled = hidden + sizes.inner;
  float* gate = pooled + 2 * places;
  const size_t start = size_t(blockIdx.x) * places * channels;
  x += start;
  residual += start;
  y += start;
  if (bias) bias += group * channels;
  if (residual_bias) residual_bias += group * channels;
  pool_places<T, N>(x, bias, means, tops, sizes);
  gate_channels(means, tops, hidden, gates, group, sizes);
  pool_channels<T, N>(x, bias, means, pooled, sizes);
  gate_places(pooled, gate, gates, group, sizes);
  for (unsigned at = threadIdx.x * N; at < places * channels; at += blockDim.x * N) {
    const unsigned channel = at % channels;
    const float of_place = gate[at / channels];
    const auto pack = load<T, N>(x + at), added = load<T, N>(residual + at);
    Pack<T, N> out;
    for (unsigned lane = 0; lane < N; ++lane) {
      const unsigned of = channel + lane;
      const float number = (to_float(pack.at[lane]) + (bias ? bias[of] : NONE)) * means[of] * of_place;
      out.at[lane] =
          from_float<T>(relu(number + to_float(added.at[lane]) + (residual_bias ? residual_bias[of] : NONE)));
    }
    store(y + at, out);
  }
}

#define INSTANTIATE(T, suffix)                                                                                       \
  extern "C" __global__ void cbam_##suffix(                                                                          \
      const T* x, const float* bias, const T* residual, const float* residual_bias, T* y, const float* squeeze,      \
      const float* squeeze_bias, const float* excite, const float* excite_bias, const float* spatial,                \
      const float* spatial_bias, unsigned packed, unsigned maps, unsigned h, unsigned w, unsigned channels,          \
      unsigned inner) {                                                                                              \
    const Gates gates = {squeeze, squeeze_bias, excite, excite_bias, spatial, spatial_bias};                         \
    const Sizes sizes = {maps, h, w, channels, inner};                                                               \
    if (packed)                                                                                                      \
      cbam<T, 4>(x, bias, residual, residual_bias, y, gates, sizes);                                                 \
    else                                                                                                             \
      cbam<T, 1>(x, bias, residual, residual_bias, y, gates, sizes);                                                 \
  }                                                                                                                  \
  REGISTER(cbam_##suffix)
FOR_EACH_TYPE(INSTANTIATE)
