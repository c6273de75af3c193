// Kernel times: what each step of the pipeline costs on its own, on blocks of the run's own stream,
// with no graph, no queue and no other stage beside it. Their sum is the least that a run can cost.
//
// Threads: one caller at a time. TimeKernels starts threads of its own and joins them.
#ifndef VOLSTREAM_STAGES_KERNEL_TIMES_H_
#define VOLSTREAM_STAGES_KERNEL_TIMES_H_

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "engine/stage.h"

namespace volstream {

enum class Kernel { kFill, kEncode, kStreamDigest, kCopy, kPartDigest };
inline constexpr int kKernelCount = 5;
std::string_view KernelName(Kernel kernel);

struct KernelPlan {
  BlockSource* source = nullptr;  // Fill is called, Next is not
  BlockCodec* codec = nullptr;
  bool want_sha256 = false;
  bool stream_md5 = true;
  std::vector<BlockTicket> blocks;  // a sample of the stream
  size_t block_bytes = 0;
  size_t part_bytes = 0;
  // No thread begins a block after this long, but for its first: the times are then of those blocks
  // that were reached.
  absl::Duration at_most = absl::InfiniteDuration();
};

struct KernelTimes {
  uint64_t source_bytes = 0;
  uint64_t encoded_bytes = 0;
  std::array<double, kKernelCount> seconds{};  // wall time, summed over threads
  double cpu_seconds = 0;                      // of all kernels together

  KernelTimes& operator+=(const KernelTimes& other);

  double of(Kernel kernel) const { return seconds[static_cast<int>(kernel)]; }
  // Source bytes a thread's second that the kernel alone would reach; 0 if nothing was timed.
  double BytesPerSecond(Kernel kernel) const;

  // Thread seconds that one source byte costs in all kernels, and in those that run in order.
  double SecondsPerByte() const;
  double SerialSecondsPerByte() const;
  // Source bytes a second that `workers` threads can reach at best: all work spread evenly, and
  // the ordered part of it on one thread at a time.
  double LimitBytesPerSecond(int workers) const;
};

// Times the kernels on `threads` threads at once, each with its share of the blocks. With one
// thread a core runs alone, with its turbo clock and the whole shared cache; with as many threads
// as the pipeline has workers it runs as fast as it can in the pipeline.
absl::StatusOr<KernelTimes> TimeKernels(const KernelPlan& plan, int threads);

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_KERNEL_TIMES_H_
