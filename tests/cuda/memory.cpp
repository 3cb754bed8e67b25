// Memory of devices: allocation, accounting, copies.
//
// Every piece lies between two zones of 0xff, and is filled with it when it is given and when it is taken back: what is
// read beside it, before it is written or after its end is NaN in every type. What was written into a zone shows when the
// piece is freed. Freed pieces are kept for a while, so that none comes back at once at the same place.
#include "testbed.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <vector>

namespace testbed {

namespace {

constexpr std::size_t ZONE = 512;
constexpr int FILL = 0xff;
/// Most bytes of freed pieces that are kept.
constexpr std::size_t KEPT = 64 << 20;

struct Piece {
  std::size_t bytes;
  Device* device;
  bool of_pool;
};

struct Memory {
  std::mutex busy;
  std::map<uintptr_t, Piece> pieces;
  std::deque<std::pair<unsigned char*, std::size_t>> freed;
  std::size_t kept = 0;
  /// Pinned pieces of the host, with their sizes.
  std::map<uintptr_t, std::size_t> pinned;
};

Memory& memory() {
  static Memory* memory = new Memory;
  return *memory;
}

std::size_t rounded(std::size_t bytes) { return (bytes + ZONE - 1) / ZONE * ZONE; }

int allocate(Address* to, std::size_t bytes, Device* device, bool of_pool) {
  if (!device) return INVALID_CONTEXT;
  if (bytes == 0) {
    // A pool gives nothing and takes it back; without one the driver refuses.
    *to = 0;
    return of_pool ? SUCCESS : INVALID_VALUE;
  }
  Memory& all = memory();
  std::lock_guard<std::mutex> busy(all.busy);
  const std::size_t size = rounded(bytes);
  // What the pool keeps, it gives to its own pieces only.
  const std::size_t beside = device->used - device->of_pool;
  const std::size_t taken = of_pool ? device->used : beside + std::max(device->reserved, device->of_pool);
  if (size > device->total || taken > device->total - size) return OUT_OF_MEMORY;
  auto* whole = static_cast<unsigned char*>(std::aligned_alloc(ZONE, size + 2 * ZONE));
  if (!whole) return OUT_OF_MEMORY;
  std::memset(whole, FILL, size + 2 * ZONE);
  device->used += size;
  device->most_used = std::max(device->most_used, device->used);
  if (of_pool) {
    device->of_pool += size;
    device->reserved = std::max(device->reserved, device->of_pool);
  }
  *to = Address(whole + ZONE);
  all.pieces[uintptr_t(whole + ZONE)] = {bytes, device, of_pool};
  count("allocation", of_pool ? "pool" : "plain", bytes);
  return SUCCESS;
}

/// What is done with a piece when the device comes to it: it is looked at, spoilt and kept for a while.
void spoil(unsigned char* start, std::size_t bytes) {
  const std::size_t size = rounded(bytes);
  const auto untouched = [](unsigned char byte) { return byte == FILL; };
  if (!std::all_of(start - ZONE, start, untouched)) complain("something was written before %zu bytes", bytes);
  if (!std::all_of(start + bytes, start + size + ZONE, untouched))
    complain("something was written behind %zu bytes", bytes);
  std::memset(start, FILL, size);
  Memory& all = memory();
  std::lock_guard<std::mutex> busy(all.busy);
  all.freed.emplace_back(start - ZONE, size);
  all.kept += size;
  while (all.kept > KEPT) {
    all.kept -= all.freed.front().second;
    std::free(all.freed.front().first);
    all.freed.pop_front();
  }
}

int release(Address address) {
  if (address == 0) return SUCCESS;
  Memory& all = memory();
  std::unique_lock<std::mutex> busy(all.busy);
  const auto found = all.pieces.find(uintptr_t(address));
  if (found == all.pieces.end()) {
    complain("%#llx is freed, and no memory is allocated there", (unsigned long long)address);
    return INVALID_VALUE;
  }
  const Piece piece = found->second;
  all.pieces.erase(found);
  const std::size_t size = rounded(piece.bytes);
  Device& device = *piece.device;
  device.used -= size;
  if (piece.of_pool) {
    device.of_pool -= size;
    if (device.reserved > device.threshold) device.reserved = std::max<uint64_t>(device.of_pool, device.threshold);
  }
  busy.unlock();
  auto* start = reinterpret_cast<unsigned char*>(address);
  submit(device, [start, piece] { spoil(start, piece.bytes); });
  return SUCCESS;
}

bool is_pinned(const void* start) {
  Memory& all = memory();
  std::lock_guard<std::mutex> busy(all.busy);
  auto after = all.pinned.upper_bound(uintptr_t(start));
  if (after == all.pinned.begin()) return false;
  --after;
  return uintptr_t(start) < after->first + after->second;
}

int copy(const char* direction, void* to, const void* from, std::size_t bytes, Device* work, const Device* to_device,
         const Device* from_device) {
  if (!work) return INVALID_CONTEXT;
  if (to_device && !inside(*to_device, to, bytes, "a copy writes")) return INVALID_VALUE;
  if (from_device && !inside(*from_device, from, bytes, "a copy reads")) return INVALID_VALUE;
  const bool pinned = (!to_device && is_pinned(to)) || (!from_device && is_pinned(from));
  count("copy", std::string(direction) + (pinned ? ", pinned" : ""), bytes);
  if (to_device && !from_device && !pinned) {
    // What is not pinned is taken when the driver is called.
    const auto* start = static_cast<const unsigned char*>(from);
    std::vector<unsigned char> taken(start, start + bytes);
    submit(*work, [=] { std::memcpy(to, taken.data(), bytes); });
    return SUCCESS;
  }
  submit(*work, [=] { std::memmove(to, from, bytes); });
  // What is not pinned is there when the driver returns.
  if (!to_device && !pinned) finish(*work);
  return SUCCESS;
}

void* host(Address address) { return reinterpret_cast<void*>(address); }

}  // namespace

bool inside(const Device& device, const void* start, std::size_t bytes, const char* what) {
  if (bytes == 0) return true;
  Memory& all = memory();
  std::lock_guard<std::mutex> busy(all.busy);
  const uintptr_t place = uintptr_t(start);
  auto after = all.pieces.upper_bound(place);
  if (after != all.pieces.begin()) {
    const auto& [address, piece] = *--after;
    if (place + bytes <= address + piece.bytes) {
      if (piece.device == &device) return true;
      complain("%s memory of cuda:%d on cuda:%d", what, piece.device->ordinal, device.ordinal);
      return false;
    }
    if (place < address + piece.bytes) {
      complain("%s %zu bytes from byte %zu of %zu", what, bytes, place - address, piece.bytes);
      return false;
    }
  }
  complain("%s %zu bytes at %p, where nothing is allocated on cuda:%d", what, bytes, start, device.ordinal);
  return false;
}

}  // namespace testbed

using namespace testbed;

EXPORT int cuMemAlloc_v2(Address* to, std::size_t bytes) { return allocate(to, bytes, current(), false); }
EXPORT int cuMemAllocAsync(Address* to, std::size_t bytes, void* stream) {
  return allocate(to, bytes, device_of(stream), true);
}
EXPORT int cuMemAllocFromPoolAsync(Address* to, std::size_t bytes, Device* pool, void*) {
  return allocate(to, bytes, pool, true);
}
EXPORT int cuMemFree_v2(Address address) {
  finish_all();
  return release(address);
}
EXPORT int cuMemFreeAsync(Address address, void* stream) {
  return device_of(stream) ? release(address) : INVALID_CONTEXT;
}
EXPORT int cuMemHostAlloc(void** to, std::size_t bytes, unsigned) {
  *to = std::aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);
  count("allocation", "pinned", bytes);
  if (!*to) return OUT_OF_MEMORY;
  std::lock_guard<std::mutex> busy(memory().busy);
  memory().pinned[uintptr_t(*to)] = bytes;
  return SUCCESS;
}
EXPORT int cuMemFreeHost(void* address) {
  finish_all();
  std::lock_guard<std::mutex> busy(memory().busy);
  memory().pinned.erase(uintptr_t(address));
  std::free(address);
  return SUCCESS;
}
EXPORT int cuMemGetInfo_v2(std::size_t* free, std::size_t* total) {
  const Device* device = current();
  if (!device) return INVALID_CONTEXT;
  std::lock_guard<std::mutex> busy(memory().busy);
  *total = device->total;
  *free = device->total - std::min(device->total, device->used - device->of_pool + device->reserved);
  return SUCCESS;
}

EXPORT int cuMemcpyHtoDAsync_v2(Address to, const void* from, std::size_t bytes, void* stream) {
  Device* device = device_of(stream);
  return copy("host to device", host(to), from, bytes, device, device, nullptr);
}
EXPORT int cuMemcpyDtoHAsync_v2(void* to, Address from, std::size_t bytes, void* stream) {
  Device* device = device_of(stream);
  return copy("device to host", to, host(from), bytes, device, nullptr, device);
}
EXPORT int cuMemcpyDtoDAsync_v2(Address to, Address from, std::size_t bytes, void* stream) {
  Device* device = device_of(stream);
  return copy("on the device", host(to), host(from), bytes, device, device, device);
}
EXPORT int cuMemcpyHtoD_v2(Address to, const void* from, std::size_t bytes) {
  const int status = cuMemcpyHtoDAsync_v2(to, from, bytes, nullptr);
  if (status == SUCCESS) finish(*current());
  return status;
}
EXPORT int cuMemcpyDtoH_v2(void* to, Address from, std::size_t bytes) {
  const int status = cuMemcpyDtoHAsync_v2(to, from, bytes, nullptr);
  if (status == SUCCESS) finish(*current());
  return status;
}
EXPORT int cuMemcpyDtoD_v2(Address to, Address from, std::size_t bytes) {
  return cuMemcpyDtoDAsync_v2(to, from, bytes, nullptr);
}
EXPORT int cuMemcpyPeerAsync(Address to, Device* to_device, Address from, Device* from_device, std::size_t bytes,
                             void* stream) {
  if (!to_device || !from_device) return INVALID_CONTEXT;
  finish_all();
  return copy("between devices", host(to), host(from), bytes, device_of(stream), to_device, from_device);
}
EXPORT int cuMemsetD8Async(Address to, unsigned char value, std::size_t bytes, void* stream) {
  Device* device = device_of(stream);
  if (!device) return INVALID_CONTEXT;
  if (!inside(*device, host(to), bytes, "memset writes")) return INVALID_VALUE;
  submit(*device, [=] { std::memset(host(to), value, bytes); });
  count("memset", "bytes", bytes);
  return SUCCESS;
}
EXPORT int cuMemsetD8_v2(Address to, unsigned char value, std::size_t bytes) {
  return cuMemsetD8Async(to, value, bytes, nullptr);
}

// A device has one pool, known by the device's own address.
EXPORT int cuDeviceGetDefaultMemPool(Device** pool, int ordinal) {
  if (ordinal < 0 || ordinal >= device_count()) return INVALID_DEVICE;
  *pool = &device(ordinal);
  return SUCCESS;
}
EXPORT int cuDeviceGetMemPool(Device** pool, int ordinal) { return cuDeviceGetDefaultMemPool(pool, ordinal); }
EXPORT int cuMemPoolSetAttribute(Device* pool, int attribute, void* value) {
  std::lock_guard<std::mutex> busy(memory().busy);
  switch (attribute) {
    case 1: case 2: case 3: return SUCCESS;  // which freed memory is used again: here none is
    case 4: pool->threshold = *static_cast<uint64_t*>(value); return SUCCESS;
    case 6: case 8: return SUCCESS;  // high-water marks, to be set to 0
    default: return INVALID_VALUE;
  }
}
EXPORT int cuMemPoolGetAttribute(Device* pool, int attribute, void* value) {
  std::lock_guard<std::mutex> busy(memory().busy);
  auto* number = static_cast<uint64_t*>(value);
  switch (attribute) {
    case 4: *number = pool->threshold; return SUCCESS;
    case 5: *number = pool->reserved; return SUCCESS;
    case 6: *number = pool->reserved; return SUCCESS;
    case 7: *number = pool->of_pool; return SUCCESS;
    case 8: *number = pool->most_used; return SUCCESS;
    default: return INVALID_VALUE;
  }
}
EXPORT int cuMemPoolTrimTo(Device* pool, std::size_t keep) {
  std::lock_guard<std::mutex> busy(memory().busy);
  pool->reserved = std::max(pool->of_pool, std::min(pool->reserved, keep));
  return SUCCESS;
}
