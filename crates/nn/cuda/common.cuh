// What all kernels share: number types, vectors of them, reductions.
#pragma once

#ifdef AFFEKT_EMULATOR
#include "emulator/cuda.hpp"
// Memory of a block whose size the launch decides, 16-byte aligned.
#define DYNAMIC_SHARED(T, name) T* name = reinterpret_cast<T*>(emulator::dynamic_shared)
#define CHECK_ALIGNED(place, bytes) emulator::check_aligned(place, bytes)
#else
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cstdint>
#define DYNAMIC_SHARED(T, name)                               \
  extern __shared__ __align__(16) unsigned char shared_bytes[]; \
  T* name = reinterpret_cast<T*>(shared_bytes)
// The emulator finds kernels by name; the driver does so by itself.
#define REGISTER(name)
// A card stops the program at a vector that is not aligned; only the emulator needs to look.
#define CHECK_ALIGNED(place, bytes)
#endif

// INSTANTIATE(T, suffix) for every type that networks compute in.
#define FOR_EACH_TYPE(INSTANTIATE) \
  INSTANTIATE(float, f32)          \
  INSTANTIATE(__half, f16)         \
  INSTANTIATE(__nv_bfloat16, bf16)

constexpr unsigned WARP = 32;
constexpr unsigned ALL_LANES = 0xffffffff;

__device__ __forceinline__ float to_float(float x) { return x; }
__device__ __forceinline__ float to_float(__half x) { return __half2float(x); }
__device__ __forceinline__ float to_float(__nv_bfloat16 x) { return __bfloat162float(x); }

template <class T>
__device__ __forceinline__ T from_float(float x);
template <>
__device__ __forceinline__ float from_float<float>(float x) {
  return x;
}
template <>
__device__ __forceinline__ __half from_float<__half>(float x) {
  return __float2half(x);
}
template <>
__device__ __forceinline__ __nv_bfloat16 from_float<__nv_bfloat16>(float x) {
  return __float2bfloat16(x);
}

// N numbers that are read or written together, 16 bytes an instruction; their place is a multiple of their size, or of 16.
template <class T, unsigned N>
struct alignas(sizeof(T) * N < 16 ? sizeof(T) * N : 16) Pack {
  T at[N];
};

// Numbers of 16 bytes.
template <class T>
constexpr unsigned LANES = 16 / sizeof(T);

template <class T, unsigned N>
__device__ __forceinline__ Pack<T, N> load(const T* place) {
  CHECK_ALIGNED(place, alignof(Pack<T, N>));
  return *reinterpret_cast<const Pack<T, N>*>(place);
}

template <class T, unsigned N>
__device__ __forceinline__ void store(T* place, const Pack<T, N>& numbers) {
  CHECK_ALIGNED(place, alignof(Pack<T, N>));
  *reinterpret_cast<Pack<T, N>*>(place) = numbers;
}

struct Sum {
  __device__ __forceinline__ float operator()(float a, float b) const { return a + b; }
  static constexpr float start = 0.0f;
};

// NaN wins: a maximum must not hide it.
struct Max {
  __device__ __forceinline__ float operator()(float a, float b) const { return a > b || isnan(a) ? a : b; }
  static constexpr float start = -INFINITY;
};

// `x` of all lanes of a warp; every lane gets it.
template <class Op>
__device__ __forceinline__ float warp_reduce(float x) {
  for (int with = WARP / 2; with > 0; with /= 2) x = Op()(x, __shfl_xor_sync(ALL_LANES, x, with));
  return x;
}

// `x` of all threads of a block of whole warps, at most 1024 threads; every thread gets it.
template <class Op>
__device__ __forceinline__ float block_reduce(float x) {
  __shared__ float of_warps[WARP];
  const unsigned lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
  x = warp_reduce<Op>(x);
  if (lane == 0) of_warps[warp] = x;
  __syncthreads();
  x = warp_reduce<Op>(lane < blockDim.x / WARP ? of_warps[lane] : Op::start);
  // The next reduction writes where this one has been read.
  __syncthreads();
  return x;
}

// GELU in its exact form, x Phi(x), as `gelu` of the crate computes it: a polynomial for the tail of Phi, about 17
// instructions where erff takes 30, so that a pass over memory that applies it stays bound by the memory. NaN is kept.
__device__ __forceinline__ float gelu(float x) {
  float z = fabsf(x);
  z = z > 13.2f ? 13.2f : z;
  const float t = __fdividef(1.0f, 1.0f + 0.35f * z);
  float tail = -0.029108994f;
  tail = tail * t + 0.14378852f;
  tail = tail * t - 0.25532785f;
  tail = tail * t + 0.15872261f;
  tail = tail * t - 0.02279113f;
  tail = tail * t + 0.105369344f;
  tail = tail * t + 0.11986905f;
  tail = tail * t + 0.13985671f;
  tail = tail * t + 0.1396217f;
  const float below = x < 0.0f ? 0.0f : x;
  return below - z * (tail * t * __expf(-0.5f * z * z));
}
