// AllocationCounter counts what this process asks of the heap and of the kernel for memory: the
// malloc family (and with it operator new, which calls it) and mmap, munmap and mremap, of all
// libraries too. A program that links allocation_counter.cc has it in place of libc's.
//
// Counts nothing of oneTBB's own small objects: those come from lists that each thread keeps
// (tbb::detail::r1::allocate), or, where libtbbmalloc is installed, from its slabs. When these
// lists grow, they show as calls of mmap or malloc.
//
// Threads: all functions are safe for concurrent calls.
#ifndef VOLSTREAM_BENCH_ALLOCATION_COUNTER_H_
#define VOLSTREAM_BENCH_ALLOCATION_COUNTER_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace volstream::bench {

struct AllocationCount {
  uint64_t calls = 0;     // of malloc and what is like it; realloc counts as one
  uint64_t bytes = 0;     // asked for
  uint64_t mappings = 0;  // calls of mmap, munmap and mremap

  AllocationCount operator-(const AllocationCount& other) const {
    return {calls - other.calls, bytes - other.bytes, mappings - other.mappings};
  }
};

// Since the process began.
AllocationCount CountAllocations();

// From here on, or no longer, the call stack of each call is noted. Costs much more than a call.
void NoteAllocationSites(bool on);

// One place of the program that allocated while sites were noted.
struct AllocationSite {
  uint64_t calls = 0;
  uint64_t bytes = 0;
  std::vector<void*> frames;  // innermost first
};

// The places with the most calls. No site is noted any more.
std::vector<AllocationSite> AllocationSites(size_t most);

// "function+offset" or "library(+offset)", for addr2line.
std::string FrameText(void* frame);

}  // namespace volstream::bench

#endif  // VOLSTREAM_BENCH_ALLOCATION_COUNTER_H_
