// Pictures as networks take them, resized as Pillow does it on 8-bit values and divided by 255; and crops of faces, turned
// upright.
//
// Two launches resize any number of pictures of one size: across, then down, weights in fixed point with 22 fractional
// bits, each pass rounded to 8 bits. Sums are of integers, and the division rounds as a CPU's: the same bits. A crop of
// 112 x 112 comes as 38 KB and leaves as 224 x 224 x 3 numbers of the network's type; resized by the CPU it would come as
// 602 KB. One launch turns any number of crops.
#include "common.cuh"

constexpr int PRECISION = 22, HALF = 1 << (PRECISION - 1);
constexpr unsigned CHANNELS = 3;

__device__ __forceinline__ unsigned to_pixel(int sum) { return unsigned(min(sum >> PRECISION, 255)); }

// (b * h, w, 3) -> (b * h, width, 3): a thread a number. Each pixel sees `most` neighbours from its start on, of weight 0
// beyond its own.
extern "C" __global__ void resize_across_u8(const unsigned char* x, const unsigned* starts, const unsigned* weights,
                                            unsigned char* y, unsigned count, unsigned w, unsigned width,
                                            unsigned most) {
  const unsigned index = blockIdx.x * blockDim.x + threadIdx.x;
  if (index >= count) return;
  const unsigned channel = index % CHANNELS, column = index / CHANNELS % width;
  const size_t row = index / CHANNELS / width;
  const unsigned start = starts[column], seen = min(most, w - start);
  const unsigned char* from = x + (row * w + start) * CHANNELS + channel;
  int sum = HALF;
  for (unsigned at = 0; at < seen; ++at) sum += int(from[at * CHANNELS]) * int(weights[column * most + at]);
  y[index] = (unsigned char)(to_pixel(sum));
}
REGISTER(resize_across_u8)

// (b, h, width * 3) -> (b, height, width * 3), over 255: a thread a number.
template <class T>
__device__ void resize_down(const unsigned char* x, const unsigned* starts, const unsigned* weights, T* y,
                            unsigned count, unsigned h, unsigned height, unsigned numbers, unsigned most) {
  const unsigned index = blockIdx.x * blockDim.x + threadIdx.x;
  if (index >= count) return;
  const unsigned at = index % numbers, row = index / numbers % height;
  const size_t picture = index / numbers / height;
  const unsigned start = starts[row], seen = min(most, h - start);
  const unsigned char* from = x + (picture * h + start) * numbers + at;
  int sum = HALF;
  for (unsigned line = 0; line < seen; ++line)
    sum += int(from[size_t(line) * numbers]) * int(weights[row * most + line]);
  y[index] = from_float<T>(float(to_pixel(sum)) / 255.0f);
}

// Similarity, (x, y) -> (a x - b y + x, b x + a y + y), borders of the picture, and its size: of one crop.
struct View {
  const unsigned char* picture;
  const double* way;
  const float* borders;
  int width, height;
};

// How much of a pixel at `at` lies between `from` and `to`.
__device__ __forceinline__ float inside(float at, float from, float to) {
  return min(max(at - from + 0.5f, 0.0f), 1.0f) * min(max(to - at + 0.5f, 0.0f), 1.0f);
}

// Adds the colour at a place of the picture, read bilinearly. Products are rounded before they are added, as on a CPU: the
// bytes shall be the same.
__device__ __forceinline__ void add_colour(const View& view, float u, float v, float (&sum)[CHANNELS]) {
  const double *way = view.way, x = u, y = v;
  const float right = float(__dmul_rn(way[0], x) - __dmul_rn(way[1], y) + way[2]);
  const float down = float(__dmul_rn(way[1], x) + __dmul_rn(way[0], y) + way[3]);
  const float* borders = view.borders;
  const float shown = inside(right, borders[0], borders[2]) * inside(down, borders[1], borders[3]);
  if (shown <= 0.0f) return;
  const float column = min(max(right - 0.5f, 0.0f), float(view.width - 1));
  const float row = min(max(down - 0.5f, 0.0f), float(view.height - 1));
  const int left = int(column), top = int(row);
  const float across = column - float(left), below = row - float(top);
  const int columns[2] = {left, min(left + 1, view.width - 1)}, rows[2] = {top, min(top + 1, view.height - 1)};
  const float of_columns[2] = {1.0f - across, across}, of_rows[2] = {1.0f - below, below};
  for (unsigned corner = 0; corner < 4; ++corner) {
    const unsigned to_right = corner % 2, to_bottom = corner / 2;
    const float weight = __fmul_rn(of_columns[to_right], of_rows[to_bottom]);
    const size_t at = (size_t(rows[to_bottom]) * view.width + columns[to_right]) * CHANNELS;
    for (unsigned channel = 0; channel < CHANNELS; ++channel)
      sum[channel] += __fmul_rn(__fmul_rn(float(view.picture[at + channel]), weight), shown);
  }
}

// Crops of side x side pixels out of pictures of any sizes: a thread a pixel, each the mean of four places. `starts` says
// where each picture begins, `sizes` its width and height. A crop is 38 KB: launches bound it, not memory.
extern "C" __global__ void turn_u8(const unsigned char* pictures, const unsigned* starts, const unsigned* sizes,
                                   const double* ways, const float* borders, unsigned char* crops, unsigned side) {
  const unsigned pixel = blockIdx.x * blockDim.x + threadIdx.x, crop = blockIdx.y;
  if (pixel >= side * side) return;
  const View view = {pictures + starts[crop], ways + 4 * crop, borders + 4 * crop, int(sizes[2 * crop]),
                     int(sizes[2 * crop + 1])};
  const float u = float(pixel % side), v = float(pixel / side);
  float sum[CHANNELS] = {0.0f, 0.0f, 0.0f};
  for (unsigned place = 0; place < 4; ++place)
    add_colour(view, u + (place % 2 ? 0.75f : 0.25f), v + (place / 2 ? 0.75f : 0.25f), sum);
  unsigned char* out = crops + (size_t(crop) * side * side + pixel) * CHANNELS;
  for (unsigned channel = 0; channel < CHANNELS; ++channel)
    out[channel] = (unsigned char)(min(sum[channel] / 4.0f + 0.5f, 255.0f));
}
REGISTER(turn_u8)

#define INSTANTIATE(T, suffix)                                                                                     \
  extern "C" __global__ void resize_down_##suffix(const unsigned char* x, const unsigned* starts,                  \
                                                  const unsigned* weights, T* y, unsigned count, unsigned h,       \
                                                  unsigned height, unsigned numbers, unsigned most) {              \
    resize_down(x, starts, weights, y, count, h, height, numbers, most);                                           \
  }                                                                                                                \
  REGISTER(resize_down_##suffix)
FOR_EACH_TYPE(INSTANTIATE)
