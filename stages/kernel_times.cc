#include "stages/kernel_times.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <thread>

#include "engine/start_threads.h"
#include "engine/stats.h"
#include "engine/status_macros.h"
#include "stages/part_hash.h"

namespace volstream {
namespace {

using Clock = std::chrono::steady_clock;

// Adds the time since the last lap to a kernel.
class LapTimer {
 public:
  explicit LapTimer(KernelTimes* times) : times_(times), last_(Clock::now()) {}
  void Lap(Kernel kernel) {
    const Clock::time_point now = Clock::now();
    times_->seconds[static_cast<int>(kernel)] += std::chrono::duration<double>(now - last_).count();
    last_ = now;
  }

 private:
  KernelTimes* const times_;
  Clock::time_point last_;
};

// Everything a worker does to its share of the blocks, step after step as a block would meet them.
absl::StatusOr<KernelTimes> TimeShare(const KernelPlan& plan, size_t first, size_t stride) {
  // Touched before the clock starts: the pipeline reuses its buffers as well.
  std::vector<uint8_t> in(plan.block_bytes, 1);
  std::vector<uint8_t> out(plan.codec->Bound(plan.block_bytes), 1);
  StreamHasher hasher(EqualParts(plan.part_bytes), plan.stream_md5);
  std::vector<std::vector<uint8_t>> parts(hasher.BatchParts(),
                                          std::vector<uint8_t>(plan.part_bytes, 1));
  std::vector<PartBytes> full;  // and the open part is the next of `parts`
  uint64_t part_index = 0;
  size_t part_used = 0;
  KernelTimes times;
  const double cpu_start_seconds = ThreadCpuSeconds();
  LapTimer timer(&times);
  const auto end_part = [&] {
    full.push_back({part_index++, ByteSpan(parts[full.size()]).first(part_used)});
    part_used = 0;
  };
  const auto digest_parts = [&] {
    std::vector<PartDigest> digests(full.size());
    hasher.Hash(full, plan.want_sha256, digests);
    full.clear();
    timer.Lap(Kernel::kPartDigest);
  };
  const Clock::time_point end = plan.at_most == absl::InfiniteDuration()
                                    ? Clock::time_point::max()
                                    : Clock::now() + absl::ToChronoNanoseconds(plan.at_most);
  for (size_t i = first; i < plan.blocks.size(); i += stride) {
    if (i > first && Clock::now() >= end) break;
    VS_ASSIGN_OR_RETURN(const size_t filled, plan.source->Fill(plan.blocks[i], in));
    timer.Lap(Kernel::kFill);
    VS_ASSIGN_OR_RETURN(const EncodedBlock block,
                        plan.codec->Encode(ByteSpan(in).first(filled), out));
    timer.Lap(Kernel::kEncode);
    ByteSpan encoded = ByteSpan(out).first(block.bytes);
    VS_RETURN_IF_ERROR(hasher.OnBlock(BlockRecord(), encoded));
    timer.Lap(Kernel::kStreamDigest);
    times.source_bytes += filled;
    times.encoded_bytes += encoded.size();
    while (!encoded.empty()) {
      std::vector<uint8_t>& part = parts[full.size()];
      const size_t count = std::min(encoded.size(), part.size() - part_used);
      std::memcpy(part.data() + part_used, encoded.data(), count);
      part_used += count;
      encoded = encoded.subspan(count);
      timer.Lap(Kernel::kCopy);
      if (part_used < part.size()) continue;
      end_part();
      if (full.size() == parts.size()) digest_parts();
    }
  }
  if (part_used > 0) end_part();
  if (!full.empty()) digest_parts();
  times.cpu_seconds = ThreadCpuSeconds() - cpu_start_seconds;
  return times;
}

}  // namespace

std::string_view KernelName(Kernel kernel) {
  switch (kernel) {
    case Kernel::kFill:
      return "read";
    case Kernel::kEncode:
      return "compress";
    case Kernel::kStreamDigest:
      return "stream digest";
    case Kernel::kCopy:
      return "assemble";
    case Kernel::kPartDigest:
      return "part digest";
  }
  return "";
}

KernelTimes& KernelTimes::operator+=(const KernelTimes& other) {
  source_bytes += other.source_bytes;
  encoded_bytes += other.encoded_bytes;
  for (int i = 0; i < kKernelCount; ++i) seconds[i] += other.seconds[i];
  cpu_seconds += other.cpu_seconds;
  return *this;
}

double KernelTimes::BytesPerSecond(Kernel kernel) const {
  return of(kernel) > 0 ? static_cast<double>(source_bytes) / of(kernel) : 0;
}

double KernelTimes::SecondsPerByte() const {
  double sum = 0;
  for (const double kernel : seconds) sum += kernel;
  return sum / static_cast<double>(source_bytes);
}

double KernelTimes::SerialSecondsPerByte() const {
  return (seconds[static_cast<int>(Kernel::kStreamDigest)] +
          seconds[static_cast<int>(Kernel::kCopy)]) /
         static_cast<double>(source_bytes);
}

double KernelTimes::LimitBytesPerSecond(int workers) const {
  return 1.0 / std::max(SecondsPerByte() / workers, SerialSecondsPerByte());
}

absl::StatusOr<KernelTimes> TimeKernels(const KernelPlan& plan, int threads) {
  std::vector<absl::StatusOr<KernelTimes>> shares(threads, KernelTimes());
  std::vector<std::thread> running;
  std::atomic<int> next{0};
  // Each takes one, or more where the system gives fewer threads.
  const auto time = [&plan, &shares, &next, threads] {
    for (int i; (i = next.fetch_add(1)) < threads;) shares[i] = TimeShare(plan, i, threads);
  };
  VS_RETURN_IF_ERROR(StartThreads(static_cast<size_t>(threads), time, &running));
  for (std::thread& thread : running) thread.join();
  KernelTimes total;
  for (const absl::StatusOr<KernelTimes>& share : shares) {
    VS_RETURN_IF_ERROR(share.status());
    total += *share;
  }
  return total;
}

}  // namespace volstream
