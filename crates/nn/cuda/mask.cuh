// Dropout's mask as `dropout.rs` draws it, to the bit: what a number is multiplied by follows from a key and the number's
// place alone, so no mask is stored, uploaded, or kept for a backward pass.
#pragma once

#include "common.cuh"

struct Mask {
  unsigned low, high;
  // Hashes below it drop their number; 0 drops none.
  unsigned lowest;
  float scale;

  __device__ __forceinline__ bool keeps(unsigned index) const {
    unsigned hash = index + low;
    hash = (hash ^ (hash >> 16)) * 0x7feb352du;
    hash = (hash ^ (hash >> 15) ^ high) * 0x846ca68bu;
    hash ^= hash >> 16;
    return hash >> 8 >= lowest;
  }

  __device__ __forceinline__ float factor(unsigned index) const { return keeps(index) ? scale : 0.0f; }
};
