// Convolutions over maps with the channels last, as one product of windows and weights: the windows, and what follows the
// product.
//
// `packed_windows` and `single_windows` write what each place of the output sees as a row: k * k * c numbers, and with several neighbouring columns
// to a row k * (k + (n - 1) * stride) * c, which is less for each of them. They write each number once and read the maps
// about once (neighbouring windows overlap in the caches), so memory bounds it. What the maps still need (bias, ReLU, a
// sum) they do on the way, which saves a pass over them. Candle's path writes windows of channels-first maps a number at
// a time, copies maps and weights into that order and back, and takes a pass each for bias, residual and ReLU.
//
// `finish_conv2d` adds bias and residual in place and applies the ReLU: one pass, bound by memory.
#include "common.cuh"

// Windows that a thread writes its part of: what it knows of its taps costs divisions.
constexpr unsigned PLACES = 16;

// ReLU that keeps NaN.
__device__ __forceinline__ float relu(float x) { return x < 0.0f ? 0.0f : x; }

// The maps of one group, rows and columns at any distance.
template <class T>
struct View {
  const T* numbers;
  long long map, row, column;
};

// Where a tap stands in the window.
struct Tap {
  unsigned row, column, channel;
  __device__ __forceinline__ Tap(unsigned index, unsigned columns, unsigned channels) {
    const unsigned place = index / channels;
    row = place / columns;
    column = place % columns;
    channel = index % channels;
  }
};

struct Shape {
  // Of the maps; of the windows, in places; between windows, in places; around the maps.
  unsigned h, w, channels, window_rows, window_columns, down, across, pad;
  // Windows of a map, all windows, numbers of a window with those that fill up the last pack.
  unsigned rows, columns, places, width;
};

// What the numbers still need.
template <class T>
struct Rest {
  const float* bias;
  bool relu;
  View<T> plus;

  template <unsigned N>
  __device__ __forceinline__ void complete(Pack<T, N>& pack, unsigned channel, long long plus_at) const {
    Pack<T, N> added;
    if (plus.numbers) added = load<T, N>(plus.numbers + plus_at);
    for (unsigned lane = 0; lane < N; ++lane) {
      float number = to_float(pack.at[lane]);
      if (bias) number += bias[channel + lane];
      if (relu) number = ::relu(number);
      if (plus.numbers) number += to_float(added.at[lane]);
      pack.at[lane] = from_float<T>(number);
    }
  }
  __device__ __forceinline__ bool any() const { return bias || relu || plus.numbers; }
};

// Goes over the windows from `first` on: calls `write(window, map, top, left)`.
template <class Write>
__device__ __forceinline__ void each_place(const Shape& shape, unsigned first, const Write& write) {
  unsigned column = first % shape.columns, row = first / shape.columns % shape.rows;
  unsigned map = first / shape.columns / shape.rows;
  const unsigned last = min(shape.places, first + PLACES);
  for (unsigned place = first; place < last; ++place) {
    write(place, map, int(row * shape.down) - int(shape.pad), int(column * shape.across) - int(shape.pad));
    if (++column == shape.columns) {
      column = 0;
      if (++row == shape.rows) {
        row = 0;
        ++map;
      }
    }
  }
}

// Channels lie side by side in whole packs: a pack of a window is a pack of the map.
template <class T>
__device__ void packed_windows(View<T> x, const Rest<T>& rest, T* out, const Shape& shape) {
  constexpr unsigned N = LANES<T>;
  const unsigned at = (blockIdx.y * blockDim.x + threadIdx.x) * N;
  if (at >= shape.width) return;
  const Tap tap(at, shape.window_columns, shape.channels);
  const bool completes = rest.any();
  each_place(shape, blockIdx.x * PLACES, [&](unsigned place, unsigned map, int top, int left) {
    const int row = top + int(tap.row), column = left + int(tap.column);
    Pack<T, N> pack;
    if (row < 0 || row >= int(shape.h) || column < 0 || column >= int(shape.w)) {
      for (unsigned lane = 0; lane < N; ++lane) pack.at[lane] = from_float<T>(0.0f);
    } else {
      pack = load<T, N>(x.numbers + map * x.map + row * x.row + column * x.column + tap.channel);
      if (completes) {
        const View<T>& plus = rest.plus;
        rest.complete(pack, tap.channel, map * plus.map + row * plus.row + column * plus.column + tap.channel);
      }
    }
    store(out + size_t(place) * shape.width + at, pack);
  });
}

// Channels at any distance, any number of them: a pack of a window is put together from single numbers.
template <class T>
__device__ void single_windows(View<T> x, int between_channels, const Rest<T>& rest, T* out, const Shape& shape) {
  constexpr unsigned N = LANES<T>;
  const unsigned at = (blockIdx.y * blockDim.x + threadIdx.x) * N;
  if (at >= shape.width) return;
  const unsigned taps = shape.window_rows * shape.window_columns * shape.channels;
  const bool completes = rest.any();
  // Below the maps' last row stands what only fills up the last pack.
  constexpr int NOWHERE = 1 << 28;
  int rows[N], columns[N], offsets[N];
#pragma unroll
  for (unsigned lane = 0; lane < N; ++lane) {
    const Tap tap(at + lane, shape.window_columns, shape.channels);
    rows[lane] = at + lane < taps ? int(tap.row) : NOWHERE;
    columns[lane] = int(tap.column);
    offsets[lane] = int(tap.row * x.row + tap.column * x.column) + int(tap.channel) * between_channels;
  }
  each_place(shape, blockIdx.x * PLACES, [&](unsigned place, unsigned map, int top, int left) {
    const T* corner = x.numbers + (map * x.map + top * x.row + left * x.column);
    Pack<T, N> pack;
#pragma unroll
    for (unsigned lane = 0; lane < N; ++lane) {
      const int row = top + rows[lane], column = left + columns[lane];
      Pack<T, 1> one = {{from_float<T>(0.0f)}};
      if (unsigned(row) < shape.h && unsigned(column) < shape.w) {
        one.at[0] = corner[offsets[lane]];
        if (completes) {
          const unsigned channel = (at + lane) % shape.channels;
          const View<T>& plus = rest.plus;
          rest.complete(one, channel, map * plus.map + row * plus.row + column * plus.column + channel);
        }
      }
      pack.at[lane] = one.at[0];
    }
    store(out + size_t(place) * shape.width + at, pack);
  });
}

// Groups: x begins `groups_apart` later for every two groups and `group_apart` later for every second, `bias` a row of
// channels later, `plus` `plus_group` later, `out` a group's windows later.
template <class T, bool PACKED>
__device__ void windows(const T* x, uint64_t groups_apart, uint64_t group_apart, uint64_t map, uint64_t row,
                        uint64_t column, uint64_t channel, const float* bias, const T* plus, uint64_t plus_group,
                        uint64_t plus_map, uint64_t plus_row, uint64_t plus_column, T* out, unsigned relu,
                        const Shape& shape) {
  const unsigned group = blockIdx.z;
  const long long offset = (long long)(group / 2 * groups_apart + group % 2 * group_apart);
  const View<T> view = {x + offset, (long long)map, (long long)row, (long long)column};
  const T* added = plus ? plus + (long long)(group * plus_group) : nullptr;
  const Rest<T> rest = {bias ? bias + size_t(group) * shape.channels : nullptr, relu != 0,
                        {added, (long long)plus_map, (long long)plus_row, (long long)plus_column}};
  out += size_t(group) * shape.places * shape.width;
  if constexpr (PACKED)
    packed_windows(view, rest, out, shape);
  else
    single_windows(view, int(channel), rest, out, shape);
}

template <class T, unsigned N>
__device__ void finish(T* y, const float* bias, const T* residual, const float* residual_bias, unsigned packs,
                       unsigned channels, bool relu) {
  const unsigned pack = blockIdx.x * blockDim.x + threadIdx.x;
  if (pack >= packs) return;
  const size_t at = (size_t(blockIdx.y) * packs + pack) * N;
  const unsigned channel = pack % (channels / N) * N, of_group = blockIdx.y * channels + channel;
  Pack<T, N> numbers = load<T, N>(y + at), added;
  if (residual) added = load<T, N>(residual + at);
  for (unsigned lane = 0; lane < N; ++lane) {
    float number = to_float(numbers.at[lane]) + bias[of_group + lane];
    if (residual) number += to_float(added.at[lane]);
    if (residual_bias) number += residual_bias[of_group + lane];
    numbers.at[lane] = from_float<T>(relu ? ::relu(number) : number);
  }
  store(y + at, numbers);
}

#define WINDOWS(name, T, packed)                                                                                      \
  extern "C" __global__ void name(                                                                                    \
      const T* x, uint64_t groups_apart, uint64_t group_apart, uint64_t map, uint64_t row, uint64_t column,           \
      uint64_t channel, const float* bias, const T* plus, uint64_t plus_group, uint64_t plus_map, uint64_t plus_row,  \
      uint64_t plus_column, T* out, unsigned relu, unsigned h, unsigned w, unsigned channels, unsigned window_rows,   \
      unsigned window_columns, unsigned down, unsigned across, unsigned pad, unsigned rows, unsigned columns,         \
      unsigned places, unsigned width) {                                                                              \
    windows<T, packed>(                                                                                               \
        x, groups_apart, group_apart, map, row, column, channel, bias, plus, plus_group, plus_map, plus_row,          \
        plus_column, out, relu,                                                                                       \
        Shape{h, w, channels, window_rows, window_columns, down, across, pad, rows, columns, places, width});         \
  }                                                                                                                   \
  REGISTER(name)

#define INSTANTIATE(T, suffix)                                                                                        \
  WINDOWS(packed_windows_##suffix, T, true)                                                                           \
  WINDOWS(single_windows_##suffix, T, false)                                                                          \
  extern "C" __global__ void finish_conv2d_##suffix(T* y, const float* bias, const T* residual, const float* residual_bias,  \
                                             unsigned packs, unsigned channels, unsigned relu, unsigned packed) {     \
    if (packed)                                                                                                       \
      finish<T, LANES<T>>(y, bias, residual, residual_bias, packs, channels, relu);                                   \
    else                                                                                                              \
      finish<T, 1>(y, bias, residual, residual_bias, packs, channels, relu);                                          \
  }                                                                                                                   \
  REGISTER(finish_conv2d_##suffix)
FOR_EACH_TYPE(INSTANTIATE)
