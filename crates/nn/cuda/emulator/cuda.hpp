// The part of CUDA's language that the kernels of this folder use, for a CPU: they are compiled as C++ and run block by
// block, so that a machine without a card can test them. One thread of a block is one fiber: it runs until it ends or
// waits at a barrier, and then the next one runs.
//
// What it shows: indices, alignment, barriers, reductions, types and arguments. Every second block runs its threads from
// the last to the first, so that a barrier that is missing shows. What it cannot show: speed, and races between blocks.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <type_traits>
#include <utility>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __noinline__
#define __launch_bounds__(...)
#define __restrict__
#define __align__(bytes) alignas(bytes)
// A block runs on one thread of the machine, from its first to its last instruction.
#define __shared__ static thread_local

struct uint3 {
  unsigned x, y, z;
};

struct dim3 {
  unsigned x = 1, y = 1, z = 1;
};

namespace emulator {

/// A kernel's threads, as CUDA's built-in variables show them.
extern thread_local uint3 thread, block;
extern thread_local dim3 block_dim, grid_dim;
extern thread_local unsigned char* dynamic_shared;

/// Waits for all threads of the block.
void block_barrier();

/// Waits for all threads of the warp.
void warp_barrier();

/// Shows `bytes` of every thread of a warp to all of its threads: the place of lane `lane`.
void* exchange(const void* value, unsigned bytes, unsigned lane);

/// Stops the program where a vector of `bytes` bytes does not lie at a multiple of them, as a card does.
void check_aligned(const void* place, std::size_t bytes);

/// A kernel by name, called with pointers to its arguments as the driver is.
struct Kernel {
  const char* name;
  void (*call)(void** arguments);
  /// Which arguments are addresses: bit by bit.
  uint64_t pointers;
  unsigned arguments;
  /// Bytes of each argument.
  const unsigned* sizes;
  Kernel* next;
  template <class... P>
  Kernel(const char* name, void (*call)(void**), void (*)(P...))
      : Kernel(name, call, mask<P...>(), unsigned(sizeof...(P)), bytes<P...>()) {}

 private:
  Kernel(const char* name, void (*call)(void**), uint64_t pointers, unsigned arguments, const unsigned* sizes);
  template <class... P>
  static constexpr uint64_t mask() {
    uint64_t bits = 0, bit = 1;
    ((bits |= std::is_pointer_v<P> ? bit : 0, bit <<= 1), ...);
    return bits;
  }
  template <class... P>
  static const unsigned* bytes() {
    static constexpr unsigned sizes[] = {unsigned(sizeof(P))..., 0};
    return sizes;
  }
};

/// The kernel of that name, if there is one.
const Kernel* find(const char* name);

/// The kernel that was registered last; `next` leads to the others.
const Kernel* kernels();

/// Runs all blocks of a kernel.
void run(const Kernel& kernel, dim3 grid, dim3 threads, unsigned shared, void** arguments);

template <class... P, std::size_t... I>
void apply(void (*kernel)(P...), void** arguments, std::index_sequence<I...>) {
  kernel(*static_cast<std::remove_const_t<P>*>(arguments[I])...);
}

template <class... P>
void apply(void (*kernel)(P...), void** arguments) {
  apply(kernel, arguments, std::index_sequence_for<P...>{});
}

}  // namespace emulator

#define REGISTER(name) \
  static emulator::Kernel emulated_##name(#name, [](void** arguments) { emulator::apply(&name, arguments); }, &name);

#define threadIdx emulator::thread
#define blockIdx emulator::block
#define blockDim emulator::block_dim
#define gridDim emulator::grid_dim
constexpr int warpSize = 32;

inline void __syncthreads() { emulator::block_barrier(); }
inline void __syncwarp(unsigned = 0xffffffff) { emulator::warp_barrier(); }

template <class T>
T __shfl_sync(unsigned, T value, int lane, int = 32) {
  T seen;
  std::memcpy(&seen, emulator::exchange(&value, sizeof(T), unsigned(lane) % 32), sizeof(T));
  emulator::warp_barrier();
  return seen;
}

inline unsigned emulated_lane() {
  const unsigned flat = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
  return flat % 32;
}

template <class T>
T __shfl_xor_sync(unsigned mask, T value, int with, int = 32) {
  return __shfl_sync(mask, value, int(emulated_lane()) ^ with);
}

template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned by, int = 32) {
  const unsigned lane = emulated_lane();
  return __shfl_sync(mask, value, int(lane + by < 32 ? lane + by : lane));
}

inline unsigned __ballot_sync(unsigned mask, int predicate) {
  unsigned votes = 0;
  for (int lane = 0; lane < 32; ++lane) votes |= unsigned(__shfl_sync(mask, predicate != 0, lane)) << lane;
  return votes;
}
inline int __any_sync(unsigned mask, int predicate) { return __ballot_sync(mask, predicate) != 0; }

// Blocks run one after the other: plain operations are atomic.
template <class T>
T atomicAdd(T* place, T value) {
  const T old = *place;
  *place = old + value;
  return old;
}
template <class T>
T atomicMax(T* place, T value) {
  const T old = *place;
  *place = std::max(old, value);
  return old;
}
template <class T>
T atomicMin(T* place, T value) {
  const T old = *place;
  *place = std::min(old, value);
  return old;
}
template <class T>
T atomicOr(T* place, T value) {
  const T old = *place;
  *place = old | value;
  return old;
}

template <class T>
T __ldg(const T* place) {
  return *place;
}

inline float rsqrtf(float x) { return 1.0f / std::sqrt(x); }
inline unsigned __float_as_uint(float x) {
  unsigned bits;
  std::memcpy(&bits, &x, 4);
  return bits;
}
inline float __uint_as_float(unsigned bits) {
  float x;
  std::memcpy(&x, &bits, 4);
  return x;
}
inline int __float_as_int(float x) { return int(__float_as_uint(x)); }
inline float __int_as_float(int bits) { return __uint_as_float(unsigned(bits)); }
using std::isfinite;
using std::isinf;
using std::isnan;
using std::max;
using std::min;

/// Upper half of an f32.
struct __nv_bfloat16 {
  uint16_t bits;
};
inline float __bfloat162float(__nv_bfloat16 x) { return __uint_as_float(unsigned(x.bits) << 16); }
inline __nv_bfloat16 __float2bfloat16(float x) {
  unsigned bits = __float_as_uint(x);
  if (std::isnan(x)) return {0x7fff};
  // To nearest, ties to even.
  bits += 0x7fff + (bits >> 16 & 1);
  return {uint16_t(bits >> 16)};
}

/// IEEE 754 binary16.
struct __half {
  uint16_t bits;
};
inline float __half2float(__half x) {
  const unsigned sign = unsigned(x.bits & 0x8000) << 16, exponent = x.bits >> 10 & 31, mantissa = x.bits & 1023;
  if (exponent == 31) return __uint_as_float(sign | 0x7f800000 | mantissa << 13);
  const float magnitude =
      exponent == 0 ? std::ldexp(float(mantissa), -24) : std::ldexp(float(1024 + mantissa), int(exponent) - 25);
  return sign ? -magnitude : magnitude;
}
inline __half __float2half(float x) {
  const unsigned bits = __float_as_uint(x);
  const uint16_t sign = uint16_t(bits >> 16 & 0x8000);
  const float magnitude = std::fabs(x);
  if (std::isnan(x)) return {0x7fff};
  // Half a step above the largest number.
  if (magnitude >= 65520.0f) return {uint16_t(sign | 0x7c00)};
  // Below the smallest normal number steps are of one size.
  const int exponent = magnitude < std::ldexp(1.0f, -14) ? -14 : std::ilogb(magnitude);
  const float steps = std::nearbyint(std::ldexp(magnitude, 10 - exponent));
  // A mantissa that is rounded up to the next power of two carries into the exponent.
  const unsigned rounded = unsigned(steps) + (unsigned(exponent + 14) << 10);
  return {uint16_t(sign | rounded)};
}

// Less exact on a card, by about two in the last place and, far from zero, by more.
inline float __expf(float x) { return std::exp(x); }
inline float __fdividef(float x, float y) { return x / y; }
// Operations that are never fused with others.
inline float __fmul_rn(float a, float b) { return a * b; }
inline double __dmul_rn(double a, double b) { return a * b; }
