// Convolutions over time that are no plain product.
#include "common.cuh"

// The first convolution of speech encoders, from one channel to up to 512, with what follows it: norm over the channels
// and GELU. A warp makes FRAMES frames: each lane has SHARE channels of all of them in registers, weights lie in shared
// memory, and the output, most of the traffic, is written once. Its limit is arithmetic in f32, close to that of
// memory. Composed it is a product with an inner side of 10 that tensor cores cannot use, and four more passes over an
// output that is 50 times as large as the waveform.
constexpr unsigned FRAMES = 4;
constexpr unsigned SHARE = 16;
constexpr unsigned MOST_CHANNELS = WARP * SHARE;

// The first of the four channels side by side that a lane has as number `quarter`.
__device__ __forceinline__ unsigned channel_of(unsigned quarter, unsigned lane) {
  return quarter / 2 * (WARP * 8) + lane * 8 + quarter % 2 * 4;
}

template <class T, bool WHOLE>
__device__ __forceinline__ void first_conv(const T* x, const T* weight, const T* bias, const T* norm_weight,
                                           const T* norm_bias, T* y, size_t x_clip, unsigned count, unsigned kernel,
                                           unsigned stride, unsigned channels, float eps) {
  // (kernel, quarter, lane, 4): lanes side by side read numbers side by side.
  DYNAMIC_SHARED(float, weights);
  const unsigned lane = threadIdx.x % WARP, warps = blockDim.x / WARP;
  for (unsigned at = threadIdx.x; at < kernel * MOST_CHANNELS; at += blockDim.x) {
    const unsigned place = at % MOST_CHANNELS;
    const unsigned channel = channel_of(place / (WARP * 4), place / 4 % WARP) + place % 4;
    weights[at] = channel < channels ? to_float(weight[at / MOST_CHANNELS * channels + channel]) : 0.0f;
  }
  __syncthreads();
  x += blockIdx.y * x_clip;
  y += size_t(blockIdx.y) * count * channels;
  const unsigned step = gridDim.x * warps * FRAMES;
  for (unsigned first = (blockIdx.x * warps + threadIdx.x / WARP) * FRAMES; first < count; first += step) {
    float sums[FRAMES][SHARE];
#pragma unroll
    for (unsigned i = 0; i < SHARE; ++i) {
      const unsigned channel = channel_of(i / 4, lane) + i % 4;
      const float start = bias && channel < channels ? to_float(bias[channel]) : 0.0f;
#pragma unroll
      for (unsigned frame = 0; frame < FRAMES; ++frame) sums[frame][i] = start;
    }
    for (unsigned tap = 0; tap < kernel; ++tap) {
      float samples[FRAMES];
#pragma unroll
      for (unsigned frame = 0; frame < FRAMES; ++frame) {
        // Frames behind the last one are computed as that one, and not written.
        const unsigned real = first + frame < count ? first + frame : count - 1;
        samples[frame] = to_float(x[size_t(real) * stride + tap]);
      }
#pragma unroll
      for (unsigned quarter = 0; quarter < SHARE / 4; ++quarter) {
        const Pack<float, 4> four = load<float, 4>(weights + ((tap * (SHARE / 4) + quarter) * WARP + lane) * 4);
#pragma unroll
        for (unsigned frame = 0; frame < FRAMES; ++frame)
#pragma unroll
          for (unsigned i = 0; i < 4; ++i) sums[frame][quarter * 4 + i] += samples[frame] * four.at[i];
      }
    }
#pragma unroll
    for (unsigned frame = 0; frame < FRAMES; ++frame) {
      float sum = 0.0f;
      // Channels that are not there are zero.
#pragma unroll
      for (unsigned i = 0; i < SHARE; ++i) sum += sums[frame][i];
      const float mean = warp_reduce<Sum>(sum) / channels;
      float squares = 0.0f;
#pragma unroll
      for (unsigned i = 0; i < SHARE; ++i) {
        const float centred = sums[frame][i] -= mean;
        if (WHOLE || channel_of(i / 4, lane) + i % 4 < channels) squares += centred * centred;
      }
      const float scale = 1.0f / sqrtf(warp_reduce<Sum>(squares) / channels + eps);
#pragma unroll
      for (unsigned i = 0; i < SHARE; ++i) sums[frame][i] *= scale;
    }
    // Packs of eight channels, or one by one where some are not there.
#pragma unroll
    for (unsigned half = 0; half < 2; ++half) {
      const unsigned channel = channel_of(half * 2, lane);
      Pack<T, 8> factors, shifts;
      if (WHOLE) {
        factors = load<T, 8>(norm_weight + channel);
        shifts = load<T, 8>(norm_bias + channel);
      } else {
#pragma unroll
        for (unsigned i = 0; i < 8; ++i) {
          factors.at[i] = channel + i < channels ? norm_weight[channel + i] : from_float<T>(0.0f);
          shifts.at[i] = channel + i < channels ? norm_bias[channel + i] : from_float<T>(0.0f);
        }
      }
#pragma unroll
      for (unsigned frame = 0; frame < FRAMES; ++frame) {
        if (first + frame < count) {
          T* to = y + size_t(first + frame) * channels + channel;
          Pack<T, 8> pack;
#pragma unroll
          for (unsigned i = 0; i < 8; ++i)
            pack.at[i] = from_float<T>(gelu(sums[frame][half * 8 + i] * to_float(factors.at[i]) + to_float(shifts.at[i])));
          if (WHOLE) {
            store(to, pack);
          } else {
#pragma unroll
            for (unsigned i = 0; i < 8; ++i)
              if (channel + i < channels) to[i] = pack.at[i];
          }
        }
      }
    }
  }
}

// x: (b, x_clip); weight: (kernel, channels); bias: (channels) or null; y: (b, count, channels). A row of blocks a clip.
#define INSTANTIATE(T, suffix)                                                                                     \
  extern "C" __global__ void __launch_bounds__(256) first_conv_##suffix(                                           \
      const T* x, const T* weight, const T* bias, const T* norm_weight, const T* norm_bias, T* y,                  \
      unsigned long long x_clip, unsigned count, unsigned kernel, unsigned stride, unsigned channels, float eps,   \
      unsigned whole) {                                                                                            \
    if (whole)                                                                                                     \
      first_conv<T, true>(x, weight, bias, norm_weight, norm_bias, y, x_clip, count, kernel, stride, channels, eps); \
    else                                                                                                           \
      first_conv<T, false>(x, weight, bias, norm_weight, norm_bias, y, x_clip, count, kernel, stride, channels, eps); \
  }                                                                                                                \
  REGISTER(first_conv_##suffix)
FOR_EACH_TYPE(INSTANTIATE)

// The frames that each row of a grouped convolution's product sees (`GroupedConv1d`), padded with zeros and split into
// groups: y[group, row, frame, i] = x[clip, per_row * unit + frame - before, group * inputs + i], where row counts the
// units of `per_row` outputs of all clips, from `first` on. One read and one write; what is read again comes from a cache.
template <class T, unsigned N>
__device__ __forceinline__ void group_frames(const T* x, T* y, unsigned first, unsigned units, unsigned length,
                                             unsigned per_row, unsigned frames, unsigned before, unsigned inputs) {
  const unsigned packs = inputs / N, at = blockIdx.x * blockDim.x + threadIdx.x;
  if (at >= frames * packs) return;
  const unsigned frame = at / packs, group = blockIdx.z, row = blockIdx.y;
  const unsigned clip = (first + row) / units, unit = (first + row) % units;
  // Before the first frame it wraps around, far beyond the last one.
  const unsigned seen = per_row * unit + frame - before;
  Pack<T, N> pack;
  if (seen < length) {
    const size_t place = (size_t(clip) * length + seen) * gridDim.z + group;
    pack = load<T, N>(x + place * inputs + at % packs * N);
  } else {
#pragma unroll
    for (unsigned i = 0; i < N; ++i) pack.at[i] = from_float<T>(0.0f);
  }
  store(y + ((size_t(group) * gridDim.y + row) * frames * packs + at) * N, pack);
}

// What comes out of that product, to its place: y = x + gelu(product + bias). Three passes over memory.
template <class T, unsigned N>
__device__ __forceinline__ void join_groups(const T* product, const T* bias, const T* x, T* y, unsigned first,
                                            unsigned units, unsigned length, unsigned per_row, unsigned outputs) {
  const unsigned packs = outputs / N, at = blockIdx.x * blockDim.x + threadIdx.x;
  if (at >= per_row * packs) return;
  const unsigned group = blockIdx.z, row = blockIdx.y;
  const unsigned clip = (first + row) / units, frame = (first + row) % units * per_row + at / packs;
  if (frame >= length) return;
  const unsigned channel = group * outputs + at % packs * N;
  const size_t place = (size_t(clip) * length + frame) * gridDim.z * outputs + channel;
  Pack<T, N> pack = load<T, N>(product + ((size_t(group) * gridDim.y + row) * per_row * packs + at) * N);
  const Pack<T, N> biases = load<T, N>(bias + channel), added = load<T, N>(x + place);
#pragma unroll
  for (unsigned i = 0; i < N; ++i)
    pack.at[i] = from_float<T>(to_float(added.at[i]) + gelu(to_float(pack.at[i]) + to_float(biases.at[i])));
  store(y + place, pack);
}

// A grid (parts of a row, rows, groups); `lanes` is LANES<T> where channels allow it, else 1.
#define INSTANTIATE_GROUPS(T, suffix)                                                                               \
  extern "C" __global__ void group_frames_##suffix(const T* x, T* y, unsigned first, unsigned units, unsigned length, \
                                                   unsigned per_row, unsigned frames, unsigned before,              \
                                                   unsigned inputs, unsigned lanes) {                               \
    if (lanes == 1)                                                                                                 \
      group_frames<T, 1>(x, y, first, units, length, per_row, frames, before, inputs);                              \
    else                                                                                                            \
      group_frames<T, LANES<T>>(x, y, first, units, length, per_row, frames, before, inputs);                       \
  }                                                                                                                 \
  REGISTER(group_frames_##suffix)                                                                                   \
  extern "C" __global__ void join_groups_##suffix(const T* product, const T* bias, const T* x, T* y, unsigned first, \
                                                  unsigned units, unsigned length, unsigned per_row,                \
                                                  unsigned outputs, unsigned lanes) {                               \
    if (lanes == 1)                                                                                                 \
      join_groups<T, 1>(product, bias, x, y, first, units, length, per_row, outputs);                               \
    else                                                                                                            \
      join_groups<T, LANES<T>>(product, bias, x, y, first, units, length, per_row, outputs);                        \
  }                                                                                                                 \
  REGISTER(join_groups_##suffix)
FOR_EACH_TYPE(INSTANTIATE_GROUPS)
