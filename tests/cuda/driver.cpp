// Devices, contexts, streams and events of the driver.
#include "testbed.hpp"

#include <chrono>
#include <cstdio>
#include <cstring>
#include <vector>

namespace testbed {

namespace {

using Clock = std::chrono::steady_clock;

struct Event {
  Device* device;
  bool timed;
  bool recorded = false;
  Clock::time_point when;
};

constexpr uintptr_t PER_THREAD = 2;
constexpr unsigned WITHOUT_TIMES = 2;

thread_local Device* current_device = nullptr;

std::vector<Device>& devices() {
  static auto* devices = [] {
    auto* all = new std::vector<Device>(setting("AFFEKT_FAKE_CUDA_DEVICES", 1));
    const std::size_t total = setting("AFFEKT_FAKE_CUDA_MEMORY", std::size_t(16) << 30);
    for (std::size_t at = 0; at < all->size(); ++at) {
      (*all)[at].ordinal = int(at);
      (*all)[at].total = total;
    }
    return all;
  }();
  return *devices;
}

bool is_device(int ordinal) { return ordinal >= 0 && ordinal < device_count(); }

}  // namespace

int device_count() { return int(devices().size()); }
Device& device(int ordinal) { return devices()[std::size_t(ordinal)]; }
Device* current() { return current_device; }

Device* device_of(void* stream) {
  if (uintptr_t(stream) <= PER_THREAD) return current_device;
  Device* device = static_cast<Stream*>(stream)->device;
  if (device == current_device) return device;
  complain("a stream of cuda:%d is used where %s is current", device->ordinal,
           current_device ? "another device" : "no context");
  return nullptr;
}

void submit(Device& device, std::function<void()> work) {
  static const bool late = setting("AFFEKT_FAKE_CUDA_LATE", 0) != 0;
  std::lock_guard<std::mutex> alone(device.work);
  if (late)
    device.queue.push_back(std::move(work));
  else
    work();
}

void finish(Device& device) {
  std::lock_guard<std::mutex> alone(device.work);
  for (; !device.queue.empty(); device.queue.pop_front()) device.queue.front()();
}

void finish_all() {
  for (Device& device : devices()) finish(device);
}

}  // namespace testbed

using namespace testbed;

EXPORT int cuInit(unsigned) { return device_count() ? SUCCESS : NO_DEVICE; }
EXPORT int cuDriverGetVersion(int* version) {
  *version = 13000;
  return SUCCESS;
}
EXPORT int cuDeviceGetCount(int* count) {
  *count = device_count();
  return SUCCESS;
}
EXPORT int cuDeviceGet(int* device, int ordinal) {
  if (!is_device(ordinal)) return INVALID_DEVICE;
  *device = ordinal;
  return SUCCESS;
}
EXPORT int cuDeviceGetName(char* name, int length, int ordinal) {
  if (!is_device(ordinal)) return INVALID_DEVICE;
  std::snprintf(name, std::size_t(length), "Test bed without a card %d", ordinal);
  return SUCCESS;
}
EXPORT int cuDeviceTotalMem_v2(std::size_t* bytes, int ordinal) {
  if (!is_device(ordinal)) return INVALID_DEVICE;
  *bytes = device(ordinal).total;
  return SUCCESS;
}
EXPORT int cuDeviceGetUuid_v2(char* uuid, int ordinal) {
  if (!is_device(ordinal)) return INVALID_DEVICE;
  std::memset(uuid, 0, 16);
  uuid[15] = char(ordinal + 1);
  return SUCCESS;
}
// As an H200 says it.
EXPORT int cuDeviceGetAttribute(int* value, int attribute, int ordinal) {
  if (!is_device(ordinal)) return INVALID_DEVICE;
  switch (attribute) {
    case 1: *value = 1024; break;          // threads of a block
    case 2: case 3: *value = 1024; break;  // ... along x and y
    case 4: *value = 64; break;            // ... along z
    case 5: *value = 0x7fffffff; break;    // blocks along x
    case 6: case 7: *value = 65535; break;
    case 8: *value = 48 << 10; break;      // shared memory of a block
    case 10: *value = 32; break;           // threads of a warp
    case 12: *value = 65536; break;        // registers of a block
    case 13: *value = 1980000; break;      // kHz
    case 16: *value = 132; break;          // multiprocessors
    case 36: *value = 3201000; break;      // kHz of the memory
    case 37: *value = 6144; break;         // bits of its bus
    case 38: *value = 60 << 20; break;     // L2
    case 39: *value = 2048; break;         // threads of a multiprocessor
    case 40: *value = 2; break;            // copy engines
    case 41: *value = 1; break;            // unified addresses
    case 75: *value = 9; break;            // compute capability
    case 76: *value = 0; break;
    case 81: *value = 228 << 10; break;    // shared memory of a multiprocessor
    case 82: *value = 65536; break;        // registers of a multiprocessor
    case 97: *value = 227 << 10; break;    // most shared memory of a block
    case 106: *value = 32; break;          // blocks of a multiprocessor
    case 115: *value = 1; break;           // pools of memory
    default: *value = 0;
  }
  return SUCCESS;
}

// A context is known by the address of its device.
EXPORT int cuDevicePrimaryCtxRetain(Device** context, int ordinal) {
  if (!is_device(ordinal)) return INVALID_DEVICE;
  *context = &device(ordinal);
  (*context)->retained += 1;
  return SUCCESS;
}
EXPORT int cuDevicePrimaryCtxRelease_v2(int ordinal) {
  if (!is_device(ordinal)) return INVALID_DEVICE;
  device(ordinal).retained -= 1;
  return SUCCESS;
}
EXPORT int cuCtxCreate_v4(Device** context, void*, unsigned, int ordinal) {
  const int status = cuDevicePrimaryCtxRetain(context, ordinal);
  if (status == SUCCESS) current_device = *context;
  return status;
}
EXPORT int cuCtxDestroy_v2(Device*) { return SUCCESS; }
EXPORT int cuCtxGetCurrent(Device** context) {
  *context = current_device;
  return SUCCESS;
}
EXPORT int cuCtxSetCurrent(Device* context) {
  current_device = context;
  return SUCCESS;
}
EXPORT int cuCtxGetDevice(int* ordinal) {
  if (!current_device) return INVALID_CONTEXT;
  *ordinal = current_device->ordinal;
  return SUCCESS;
}
EXPORT int cuCtxSetFlags(unsigned) { return SUCCESS; }
EXPORT int cuCtxSynchronize() {
  count("synchronise", "context");
  if (!current_device) return INVALID_CONTEXT;
  finish(*current_device);
  return SUCCESS;
}

EXPORT int cuStreamCreate(Stream** stream, unsigned) {
  if (!current_device) return INVALID_CONTEXT;
  *stream = new Stream{current_device};
  count("create", "stream");
  return SUCCESS;
}
EXPORT int cuStreamCreateWithPriority(Stream** stream, unsigned flags, int) { return cuStreamCreate(stream, flags); }
EXPORT int cuStreamDestroy_v2(Stream* stream) {
  delete stream;
  return SUCCESS;
}
EXPORT int cuStreamSynchronize(void* stream) {
  count("synchronise", "stream");
  Device* device = device_of(stream);
  if (!device) return INVALID_CONTEXT;
  finish(*device);
  return SUCCESS;
}
EXPORT int cuStreamQuery(void* stream) {
  Device* device = device_of(stream);
  if (!device) return INVALID_CONTEXT;
  finish(*device);
  return SUCCESS;
}
// An event may be of another device than the stream that waits for it.
EXPORT int cuStreamWaitEvent(void* stream, Event* event, unsigned) {
  count("event", "wait");
  Device* device = device_of(stream);
  if (!event || !device) return event ? INVALID_CONTEXT : INVALID_HANDLE;
  // Streams of a device share its queue: what was recorded there is in front already.
  if (event->device != device) finish(*event->device);
  return SUCCESS;
}
EXPORT int cuStreamIsCapturing(void*, int* capturing) {
  *capturing = 0;
  return SUCCESS;
}
EXPORT int cuLaunchHostFunc(void* stream, void (*function)(void*), void* argument) {
  Device* device = device_of(stream);
  if (!device) return INVALID_CONTEXT;
  submit(*device, [=] { function(argument); });
  return SUCCESS;
}

EXPORT int cuEventCreate(Event** event, unsigned flags) {
  if (!current_device) return INVALID_CONTEXT;
  *event = new Event{current_device, !(flags & WITHOUT_TIMES), false, {}};
  count("create", "event");
  return SUCCESS;
}
EXPORT int cuEventDestroy_v2(Event* event) {
  delete event;
  return SUCCESS;
}
EXPORT int cuEventRecord(Event* event, void* stream) {
  Device* device = device_of(stream);
  if (!device) return INVALID_CONTEXT;
  if (event->device != device) return INVALID_HANDLE;
  event->recorded = true;
  event->when = Clock::now();
  count("event", "record");
  return SUCCESS;
}
EXPORT int cuEventSynchronize(Event* event) {
  count("synchronise", "event");
  finish(*event->device);
  return SUCCESS;
}
EXPORT int cuEventQuery(Event* event) {
  finish(*event->device);
  return SUCCESS;
}
EXPORT int cuEventElapsedTime(float* milliseconds, Event* start, Event* end) {
  finish(*end->device);
  if (!start->timed || !end->timed || !start->recorded || !end->recorded) return INVALID_HANDLE;
  *milliseconds = std::chrono::duration<float, std::milli>(end->when - start->when).count();
  return SUCCESS;
}
EXPORT int cuEventElapsedTime_v2(float* milliseconds, Event* start, Event* end) {
  return cuEventElapsedTime(milliseconds, start, end);
}

namespace {

struct Explanation {
  int status;
  const char *name, *text;
};

constexpr Explanation EXPLANATIONS[] = {
    {SUCCESS, "CUDA_SUCCESS", "no error"},
    {INVALID_VALUE, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
    {OUT_OF_MEMORY, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
    {NOT_INITIALIZED, "CUDA_ERROR_NOT_INITIALIZED", "initialization error"},
    {NO_DEVICE, "CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected"},
    {INVALID_DEVICE, "CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"},
    {INVALID_IMAGE, "CUDA_ERROR_INVALID_IMAGE", "device kernel image is invalid"},
    {INVALID_CONTEXT, "CUDA_ERROR_INVALID_CONTEXT", "invalid device context"},
    {INVALID_HANDLE, "CUDA_ERROR_INVALID_HANDLE", "invalid resource handle"},
    {NOT_FOUND, "CUDA_ERROR_NOT_FOUND", "named symbol not found"},
    {ILLEGAL_ADDRESS, "CUDA_ERROR_ILLEGAL_ADDRESS", "an illegal memory access was encountered"},
    {LAUNCH_FAILED, "CUDA_ERROR_LAUNCH_FAILED", "unspecified launch failure"},
    {NOT_SUPPORTED, "CUDA_ERROR_NOT_SUPPORTED", "operation not supported"},
};

int explain(int status, const char** text, const char* Explanation::*part) {
  for (const Explanation& explanation : EXPLANATIONS) {
    if (explanation.status != status) continue;
    *text = explanation.*part;
    return SUCCESS;
  }
  *text = nullptr;
  return INVALID_VALUE;
}

}  // namespace

EXPORT int cuGetErrorString(int status, const char** text) { return explain(status, text, &Explanation::text); }
EXPORT int cuGetErrorName(int status, const char** name) { return explain(status, name, &Explanation::name); }
