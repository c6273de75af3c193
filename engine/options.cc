#include "engine/options.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "absl/strings/str_format.h"
#include "engine/status_macros.h"

namespace volstream {

int ResolveWorkers(int workers) {
  if (workers > 0) return workers;
  cpu_set_t cores;
  if (sched_getaffinity(0, sizeof(cores), &cores) == 0) return std::max(1, CPU_COUNT(&cores));
  return std::max(1u, std::thread::hardware_concurrency());
}

uint64_t WantedSlabs(int workers) { return 2 * static_cast<uint64_t>(ResolveWorkers(workers)) + 2; }

namespace {

uint64_t SlabsThatFit(const PipelineOptions& options, uint64_t slab_bytes) {
  const uint64_t wanted = WantedSlabs(options.workers);
  return std::clamp(options.memory_bytes / 8 / slab_bytes, wanted, 2 * wanted);
}

}  // namespace

uint64_t PartMemoryBytes(const PipelineOptions& options, size_t bound_bytes) {
  const uint64_t slab_bytes = options.block_bytes + bound_bytes;
  return options.memory_bytes -
         std::min(options.memory_bytes / 2, SlabsThatFit(options, slab_bytes) * slab_bytes);
}

absl::StatusOr<PoolShape> DerivePoolShape(const PipelineOptions& options, size_t bound_bytes) {
  VS_RETURN_IF_ERROR(options.parts.Validate());
  PoolShape shape;
  shape.block_bytes = options.block_bytes;
  shape.bound_bytes = bound_bytes;
  shape.parts = options.parts;
  const uint64_t slab_bytes = options.block_bytes + bound_bytes;
  const uint64_t two_parts = 2 * uint64_t{options.parts.largest_bytes()};
  const uint64_t smallest = slab_bytes + two_parts;
  if (options.memory_bytes < smallest) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "a memory budget of %d MiB is too small for parts of %d MiB: at least %d MiB are needed",
        options.memory_bytes / kMiB, options.parts.largest_bytes() / kMiB,
        (smallest + kMiB - 1) / kMiB));
  }
  const uint64_t machine_bytes =
      static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  if (options.memory_bytes > machine_bytes) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "a memory budget of %d MiB is more than the %d MiB of this machine: choose a smaller one",
        options.memory_bytes / kMiB, machine_bytes / kMiB));
  }
  // Below half of the budget unless two parts leave more or less than that.
  const uint64_t for_slabs = std::min(options.memory_bytes / 2, options.memory_bytes - two_parts);
  shape.slab_count =
      std::clamp<uint64_t>(for_slabs / slab_bytes, 1, SlabsThatFit(options, slab_bytes));
  shape.part_memory_bytes = options.memory_bytes - shape.slab_count * slab_bytes;
  // What no part would ever have.
  if (!shape.parts.grows())
    shape.part_memory_bytes -= shape.part_memory_bytes % shape.parts.first_bytes;
  VS_RETURN_IF_ERROR(shape.Validate());
  return shape;
}

uint64_t MaxEncodedBytes(uint64_t source_bytes, size_t block_bytes, size_t bound_bytes) {
  const uint64_t blocks = source_bytes / block_bytes + 1;
  return source_bytes + 2 * blocks * (bound_bytes - block_bytes);
}

}  // namespace volstream
