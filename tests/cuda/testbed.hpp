// What the parts of the test bed share. It stands in for the CUDA driver and NVIDIA's libraries on a machine without a
// card: memory of a device is memory of the host.
//
// Codes and layouts are those of CUDA's public headers; only what `affekt` calls is there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <string>

#define EXPORT extern "C" __attribute__((visibility("default")))
#define SHARED __attribute__((visibility("default")))

/// CUresult
enum Status : int {
  SUCCESS = 0,
  INVALID_VALUE = 1,
  OUT_OF_MEMORY = 2,
  NOT_INITIALIZED = 3,
  NO_DEVICE = 100,
  INVALID_DEVICE = 101,
  INVALID_IMAGE = 200,
  INVALID_CONTEXT = 201,
  INVALID_HANDLE = 400,
  NOT_FOUND = 500,
  ILLEGAL_ADDRESS = 700,
  LAUNCH_FAILED = 719,
  NOT_SUPPORTED = 801,
};

using Address = uint64_t;

namespace testbed {

/// A device and its one context.
struct Device {
  int ordinal = 0;
  /// References to the context; without one there is none.
  int retained = 0;
  /// Held by whatever works on the device: one piece of work at a time, as on one stream.
  std::mutex work;
  /// What waits to be done, in order.
  std::deque<std::function<void()>> queue;
  std::size_t total = 0;
  /// Bytes in use, of the pool and beside it, and what the pool keeps from the system.
  std::size_t used = 0, of_pool = 0, reserved = 0, most_used = 0;
  /// What the pool may keep beyond what is in use.
  uint64_t threshold = 0;
};

/// `CUstream`, beside the default ones.
struct Stream {
  Device* device;
};

/// The devices that AFFEKT_FAKE_CUDA_DEVICES asks for: one by default.
SHARED int device_count();
/// One of them.
SHARED Device& device(int ordinal);
/// That of the context that is current on this thread, or none.
SHARED Device* current();
/// Where a stream works; none where it is not of the current context.
SHARED Device* device_of(void* stream);

/// Does the work on the device: at once, or, with AFFEKT_FAKE_CUDA_LATE=1, as late as a device may: when somebody waits.
SHARED void submit(Device& device, std::function<void()> work);
/// Waits for the device.
SHARED void finish(Device& device);
/// Waits for all devices.
SHARED void finish_all();

/// Whether the bytes are in one piece of memory of that device that is allocated; complains otherwise.
SHARED bool inside(const Device& device, const void* start, std::size_t bytes, const char* what);

/// Says on stderr what a program did wrong.
SHARED void complain(const char* format, ...) __attribute__((format(printf, 1, 2)));

/// Adds to a line of the log that AFFEKT_FAKE_CUDA_LOG asks for.
SHARED void count(const char* kind, const std::string& name, uint64_t bytes = 0);

/// A number of the environment.
std::size_t setting(const char* name, std::size_t otherwise);

}  // namespace testbed
