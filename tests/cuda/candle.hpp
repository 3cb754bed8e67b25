// What the kernels of the crate candle-kernels use of CUDA's headers, for a CPU: number types with their operators, and
// functions of device code. It stands in place of cuda_fp16.h, cuda_bf16.h, cuda_fp8.h and <cuda/std/limits>.
//
// Sums and products of half types are rounded once, as the card's instructions do it: f32 is wide enough for that.
#pragma once

// The emulator's own half types have no operators, and are other types: they keep another name.
#define __half emulator_half
#define __nv_bfloat16 emulator_bfloat16
#include "emulator/cuda.hpp"
#undef __half
#undef __nv_bfloat16

#include <cassert>
#include <limits>
#include <type_traits>

#undef __global__
// Also what tells kernels apart in the preprocessed text.
#define __global__ __attribute__((flatten))
#undef __shared__
#define __shared__ static thread_local
#define __CUDA_ARCH__ 900
#define __CUDACC_VER_MAJOR__ 13
#define __CUDACC_VER_MINOR__ 0
#define CUDART_INF_F INFINITY

// Registers a kernel of one of the modules that the build script makes of candle's files.
#define CANDLE(module, name)                            \
  static emulator::Kernel emulated_##name(              \
      #module "::" #name, [](void** arguments) { emulator::apply(&module::name, arguments); }, &module::name);

namespace testbed {

template <class T>
using Number = std::enable_if_t<std::is_arithmetic_v<T>, int>;

/// A type of 16 or 8 bits that computes in f32.
template <class Format>
struct Small {
  typename Format::Bits bits;
  Small() = default;
  template <class T, Number<T> = 0>
  Small(T x) : bits(Format::encode(float(x))) {}
  template <class T, Number<T> = 0>
  operator T() const {
    return T(Format::decode(bits));
  }
  float value() const { return Format::decode(bits); }
  Small& operator+=(Small y) { return *this = *this + y; }
  Small& operator-=(Small y) { return *this = *this - y; }
  Small& operator*=(Small y) { return *this = *this * y; }
  Small& operator/=(Small y) { return *this = *this / y; }
  friend Small operator+(Small x, Small y) { return x.value() + y.value(); }
  friend Small operator-(Small x, Small y) { return x.value() - y.value(); }
  friend Small operator*(Small x, Small y) { return x.value() * y.value(); }
  friend Small operator/(Small x, Small y) { return x.value() / y.value(); }
  friend Small operator-(Small x) { return -x.value(); }
  friend bool operator<(Small x, Small y) { return x.value() < y.value(); }
  friend bool operator>(Small x, Small y) { return x.value() > y.value(); }
  friend bool operator<=(Small x, Small y) { return x.value() <= y.value(); }
  friend bool operator>=(Small x, Small y) { return x.value() >= y.value(); }
  friend bool operator==(Small x, Small y) { return x.value() == y.value(); }
  friend bool operator!=(Small x, Small y) { return x.value() != y.value(); }
};

struct HalfFormat {
  using Bits = uint16_t;
  static Bits encode(float x) { return __float2half(x).bits; }
  static float decode(Bits bits) { return __half2float(emulator_half{bits}); }
};

struct BfloatFormat {
  using Bits = uint16_t;
  static Bits encode(float x) { return __float2bfloat16(x).bits; }
  static float decode(Bits bits) { return __bfloat162float(emulator_bfloat16{bits}); }
};

/// 4 bits of exponent, 3 of mantissa, no infinities; numbers beyond 448 become 448.
struct Fp8Format {
  using Bits = uint8_t;
  static float decode(Bits bits) {
    const int exponent = bits >> 3 & 15, mantissa = bits & 7;
    const float sign = bits & 0x80 ? -1.0f : 1.0f;
    if (exponent == 15 && mantissa == 7) return NAN;
    return sign * (exponent ? std::ldexp(float(8 + mantissa), exponent - 10) : std::ldexp(float(mantissa), -9));
  }
  static Bits encode(float x) {
    const Bits sign = std::signbit(x) ? 0x80 : 0;
    const float magnitude = std::fabs(x);
    if (std::isnan(x)) return 0x7f;
    if (magnitude >= 448.0f) return sign | 0x7e;
    const int exponent = magnitude < std::ldexp(1.0f, -6) ? -6 : std::ilogb(magnitude);
    const unsigned steps = unsigned(std::nearbyint(std::ldexp(magnitude, 3 - exponent)));
    return Bits(sign | (steps + (unsigned(exponent + 6) << 3)));
  }
};

}  // namespace testbed

using testbed_half = testbed::Small<testbed::HalfFormat>;
using testbed_bfloat16 = testbed::Small<testbed::BfloatFormat>;
#define __half testbed_half
#define __nv_bfloat16 testbed_bfloat16

struct __nv_fp8_e4m3 {
  uint8_t __x;
  __nv_fp8_e4m3() = default;
  template <class T, testbed::Number<T> = 0>
  __nv_fp8_e4m3(T x) : __x(testbed::Fp8Format::encode(float(x))) {}
  __nv_fp8_e4m3(__half x) : __nv_fp8_e4m3(x.value()) {}
  __nv_fp8_e4m3(__nv_bfloat16 x) : __nv_fp8_e4m3(x.value()) {}
  template <class T, testbed::Number<T> = 0>
  operator T() const {
    return T(testbed::Fp8Format::decode(__x));
  }
};
enum testbed_fp8 { __NV_E4M3 };
inline __half __nv_cvt_fp8_to_halfraw(uint8_t bits, testbed_fp8) { return testbed::Fp8Format::decode(bits); }

inline float __half2float(__half x) { return x.value(); }
inline float __bfloat162float(__nv_bfloat16 x) { return x.value(); }
// A return type alone tells no two functions apart: the emulator's give its own types.
inline __half testbed_to_half(float x) { return x; }
inline __nv_bfloat16 testbed_to_bfloat16(float x) { return x; }
#define __float2half testbed_to_half
#define __float2half_rn testbed_to_half
#define __float2bfloat16 testbed_to_bfloat16
#define __float2bfloat16_rn testbed_to_bfloat16
inline uint16_t __half_as_ushort(__half x) { return x.bits; }
inline __half __ushort_as_half(uint16_t bits) {
  __half x;
  x.bits = bits;
  return x;
}

/// Two numbers that one instruction adds or multiplies.
struct alignas(4) half2 {
  __half x, y;
};
using half = __half;
inline half2 __hmul2(half2 a, half2 b) { return {a.x * b.x, a.y * b.y}; }
inline half2 make_half2(half x, half y) { return {x, y}; }
inline half __low2half(half2 a) { return a.x; }
inline half __high2half(half2 a) { return a.y; }
inline float __low2float(half2 a) { return a.x.value(); }
inline float __high2float(half2 a) { return a.y.value(); }
struct alignas(4) __nv_bfloat162 {
  __nv_bfloat16 x, y;
};
inline __nv_bfloat162 __hadd2(__nv_bfloat162 a, __nv_bfloat162 b) { return {a.x + b.x, a.y + b.y}; }
inline __nv_bfloat162 __hsub2(__nv_bfloat162 a, __nv_bfloat162 b) { return {a.x - b.x, a.y - b.y}; }
inline __nv_bfloat162 __hmul2(__nv_bfloat162 a, __nv_bfloat162 b) { return {a.x * b.x, a.y * b.y}; }

#define TESTBED_UNARY(name, function)                                     \
  inline __half name(__half x) { return function(x.value()); }            \
  inline __nv_bfloat16 name(__nv_bfloat16 x) { return function(x.value()); }
TESTBED_UNARY(hsqrt, std::sqrt)
TESTBED_UNARY(hcos, std::cos)
TESTBED_UNARY(hsin, std::sin)
TESTBED_UNARY(hlog, std::log)
TESTBED_UNARY(hexp, std::exp)
TESTBED_UNARY(__habs, std::fabs)
#undef TESTBED_UNARY

template <class Format>
bool __hisnan(testbed::Small<Format> x) {
  return std::isnan(x.value());
}
template <class Format>
testbed::Small<Format> __hmax_nan(testbed::Small<Format> x, testbed::Small<Format> y) {
  return __hisnan(x) ? x : __hisnan(y) ? y : x > y ? x : y;
}
template <class Format>
testbed::Small<Format> __hmin_nan(testbed::Small<Format> x, testbed::Small<Format> y) {
  return __hisnan(x) ? x : __hisnan(y) ? y : x < y ? x : y;
}
template <class Format>
testbed::Small<Format> __hmax(testbed::Small<Format> x, testbed::Small<Format> y) {
  return __hisnan(x) ? y : __hisnan(y) ? x : x > y ? x : y;
}
template <class Format>
testbed::Small<Format> __hmin(testbed::Small<Format> x, testbed::Small<Format> y) {
  return __hisnan(x) ? y : __hisnan(y) ? x : x < y ? x : y;
}

inline float normcdff(float x) { return 0.5f * erfcf(-x * 0.70710678118654752f); }
inline double normcdf(double x) { return 0.5 * erfc(-x * 0.70710678118654752440); }
inline double rsqrt(double x) { return 1.0 / std::sqrt(x); }
inline float __fsqrt_rn(float x) { return sqrtf(x); }
inline double __longlong_as_double(long long bits) {
  double x;
  std::memcpy(&x, &bits, 8);
  return x;
}
inline long long __double_as_longlong(double x) {
  long long bits;
  std::memcpy(&bits, &x, 8);
  return bits;
}
template <class T>
T atomicCAS(T* place, T expected, T value) {
  const T old = *place;
  if (old == expected) *place = value;
  return old;
}
// A number of another type becomes one of the place's, as CUDA's atomics do not deduce.
template <class T, class U, std::enable_if_t<!std::is_same_v<T, U>, int> = 0>
T atomicMin(T* place, U value) {
  return atomicMin(place, T(value));
}
template <class T, class U, std::enable_if_t<!std::is_same_v<T, U>, int> = 0>
T atomicMax(T* place, U value) {
  return atomicMax(place, T(value));
}
using std::signbit;
// Four bytes of a word: the sum of their products, and differences that stay within a byte.
inline int __dp4a(int a, int b, int sum) {
  for (int at = 0; at < 32; at += 8) sum += int8_t(a >> at) * int8_t(b >> at);
  return sum;
}
inline unsigned __vsubss4(unsigned a, unsigned b) {
  unsigned differences = 0;
  for (int at = 0; at < 32; at += 8) {
    const int difference = int8_t(a >> at) - int8_t(b >> at);
    differences |= unsigned(uint8_t(std::clamp(difference, -128, 127))) << at;
  }
  return differences;
}
// CUDA's integer functions take two types.
template <class T, class U, std::enable_if_t<!std::is_same_v<T, U>, int> = 0>
std::common_type_t<T, U> min(T x, U y) {
  using Both = std::common_type_t<T, U>;
  return std::min(Both(x), Both(y));
}
template <class T, class U, std::enable_if_t<!std::is_same_v<T, U>, int> = 0>
std::common_type_t<T, U> max(T x, U y) {
  using Both = std::common_type_t<T, U>;
  return std::max(Both(x), Both(y));
}

struct alignas(8) float2 {
  float x, y;
};
struct alignas(8) int2 {
  int x, y;
};
struct alignas(16) float4 {
  float x, y, z, w;
};
inline float2 make_float2(float x, float y) { return {x, y}; }
inline float2 __half22float2(half2 a) { return {a.x.value(), a.y.value()}; }
inline half2 __float22half2_rn(float2 a) { return {a.x, a.y}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }

namespace cuda::std {
using ::std::numeric_limits;
}
