#include "bench/allocation_counter.h"

#include <cxxabi.h>
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <mutex>

// glibc's own names of what is replaced here.
extern "C" {
void* __libc_malloc(size_t bytes);
void* __libc_calloc(size_t count, size_t bytes);
void* __libc_realloc(void* memory, size_t bytes);
void* __libc_memalign(size_t alignment, size_t bytes);
}

namespace volstream::bench {
namespace {

constexpr size_t kMaxFrames = 16;
constexpr size_t kSites = 4096;

struct Site {
  std::array<void*, kMaxFrames> frames;
  int depth = 0;
  uint64_t calls = 0;
  uint64_t bytes = 0;
};

// Constant-initialised: the first calls come before any constructor.
std::atomic<uint64_t> calls{0};
std::atomic<uint64_t> call_bytes{0};
std::atomic<uint64_t> mappings{0};
std::atomic<bool> noting{false};
std::mutex sites_mu;
std::array<Site, kSites> sites;  // under sites_mu
size_t site_count = 0;           // under sites_mu
// Taking the stack may allocate.
thread_local bool inside = false;

void NoteSite(size_t bytes) {
  inside = true;
  std::array<void*, kMaxFrames> frames{};
  const int depth = backtrace(frames.data(), kMaxFrames);
  {
    const std::lock_guard<std::mutex> lock(sites_mu);
    size_t i = 0;
    while (i < site_count && sites[i].frames != frames) ++i;
    if (i < kSites) {
      site_count = std::max(site_count, i + 1);
      sites[i].frames = frames;
      sites[i].depth = depth;
      ++sites[i].calls;
      sites[i].bytes += bytes;
    }
  }
  inside = false;
}

void Count(size_t bytes) {
  if (inside) return;
  calls.fetch_add(1, std::memory_order_relaxed);
  call_bytes.fetch_add(bytes, std::memory_order_relaxed);
  if (noting.load(std::memory_order_relaxed)) NoteSite(bytes);
}

void CountMapping(size_t bytes) {
  if (inside) return;
  mappings.fetch_add(1, std::memory_order_relaxed);
  if (noting.load(std::memory_order_relaxed)) NoteSite(bytes);
}

}  // namespace

AllocationCount CountAllocations() {
  return {calls.load(std::memory_order_relaxed), call_bytes.load(std::memory_order_relaxed),
          mappings.load(std::memory_order_relaxed)};
}

void NoteAllocationSites(bool on) {
  std::array<void*, 1> frame{};
  inside = true;
  backtrace(frame.data(), 1);  // the first call loads a library
  inside = false;
  noting = on;
}

std::vector<AllocationSite> AllocationSites(size_t most) {
  noting = false;
  std::vector<AllocationSite> result;
  const std::lock_guard<std::mutex> lock(sites_mu);
  for (size_t i = 0; i < site_count; ++i) {
    const Site& site = sites[i];
    result.push_back({site.calls, site.bytes,
                      std::vector<void*>(site.frames.begin(), site.frames.begin() + site.depth)});
  }
  std::sort(result.begin(), result.end(),
            [](const AllocationSite& a, const AllocationSite& b) { return a.calls > b.calls; });
  if (result.size() > most) result.resize(most);
  return result;
}

std::string FrameText(void* frame) {
  Dl_info info{};
  if (dladdr(frame, &info) == 0) return "?";
  const std::string file = info.dli_fname;
  std::string name = file.substr(file.rfind('/') + 1);
  if (info.dli_sname != nullptr) {
    int status = 0;
    char* const text = abi::__cxa_demangle(info.dli_sname, nullptr, nullptr, &status);
    name += std::string(" ") + (status == 0 ? text : info.dli_sname);
    std::free(text);
  }
  std::array<char, 32> offset{};
  std::snprintf(
      offset.data(), offset.size(), " (+0x%zx)",
      static_cast<size_t>(static_cast<char*>(frame) - static_cast<char*>(info.dli_fbase)));
  return name + offset.data();
}

}  // namespace volstream::bench

// NOLINTBEGIN: the names and types are libc's.
extern "C" {

void* malloc(size_t bytes) {
  volstream::bench::Count(bytes);
  return __libc_malloc(bytes);
}

void* calloc(size_t count, size_t bytes) {
  volstream::bench::Count(count * bytes);
  return __libc_calloc(count, bytes);
}

void* realloc(void* memory, size_t bytes) {
  volstream::bench::Count(bytes);
  return __libc_realloc(memory, bytes);
}

void* memalign(size_t alignment, size_t bytes) {
  volstream::bench::Count(bytes);
  return __libc_memalign(alignment, bytes);
}

void* aligned_alloc(size_t alignment, size_t bytes) { return memalign(alignment, bytes); }

int posix_memalign(void** memory, size_t alignment, size_t bytes) {
  *memory = memalign(alignment, bytes);
  return *memory == nullptr ? ENOMEM : 0;
}

void* mmap(void* address, size_t bytes, int protection, int flags, int fd, off_t offset) {
  volstream::bench::CountMapping(bytes);
  return reinterpret_cast<void*>(syscall(SYS_mmap, address, bytes, protection, flags, fd, offset));
}

void* mmap64(void* address, size_t bytes, int protection, int flags, int fd, off64_t offset) {
  return mmap(address, bytes, protection, flags, fd, offset);
}

int munmap(void* address, size_t bytes) {
  volstream::bench::CountMapping(bytes);
  return static_cast<int>(syscall(SYS_munmap, address, bytes));
}

void* mremap(void* address, size_t old_bytes, size_t new_bytes, int flags, ...) {
  volstream::bench::CountMapping(new_bytes);
  va_list rest;
  va_start(rest, flags);
  void* const target = va_arg(rest, void*);
  va_end(rest);
  return reinterpret_cast<void*>(syscall(SYS_mremap, address, old_bytes, new_bytes, flags, target));
}

}  // extern "C"
// NOLINTEND
