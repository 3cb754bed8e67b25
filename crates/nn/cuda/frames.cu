// Pictures as networks take them: resized as Pillow does it on 8-bit values, then divided by 255.
//
// Two launches for any number of pictures of one size: across, then down, weights in fixed point with 22 fractional bits,
// each pass rounded to 8 bits. Sums are of integers, and the division rounds as a CPU's: the same bits. A crop of 112 x 112
// comes as 38 KB and leaves as 224 x 224 x 3 numbers of the network's type; resized by the CPU it would come as 602 KB.
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

#define INSTANTIATE(T, suffix)                                                                                     \
  extern "C" __global__ void resize_down_##suffix(const unsigned char* x, const unsigned* starts,                  \
                                                  const unsigned* weights, T* y, unsigned count, unsigned h,       \
                                                  unsigned height, unsigned numbers, unsigned most) {              \
    resize_down(x, starts, weights, y, count, h, height, numbers, most);                                           \
  }                                                                                                                \
  REGISTER(resize_down_##suffix)
FOR_EACH_TYPE(INSTANTIATE)
