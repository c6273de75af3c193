#include "stages/upload_probe.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <random>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "engine/notification.h"
#include "engine/status_macros.h"
#include "engine/ticker.h"
#include "stages/error_kind.h"
#include "stages/part_hash.h"
#include "stages/part_plan.h"
#include "stages/plain_codec.h"

namespace volstream {
namespace {

constexpr size_t kProbePartBytes = 8 * kMiB;
// How often the time is extended while nothing was stored at all.
constexpr int kPatience = 5;
constexpr absl::Duration kLookInterval = absl::Milliseconds(50);
// What ends a probe that is well. The pipeline gives it back, with a sequel if something stayed.
constexpr char kOver[] = "the upload was measured";

absl::Status Over() { return absl::OutOfRangeError(kOver); }

// The same random block over and over; never ends well, as the end would make an object of it. It
// gives up once all that it gave was stored: an error while parts are on their way would drop them,
// and a fast source may be through before the first is stored.
class RandomSource : public BlockSource {
 public:
  // REQUIRES: max_bytes is a multiple of a part's size.
  RandomSource(uint64_t max_bytes, const std::atomic<uint64_t>* stored_bytes)
      : max_bytes_(max_bytes), stored_bytes_(stored_bytes), block_(kMiB) {
    std::mt19937_64 random(std::random_device{}());
    for (uint8_t& byte : block_) byte = static_cast<uint8_t>(random());
  }

  uint64_t MaxStreamBytes() const override { return 0; }
  absl::StatusOr<BlockTicket> Next(MutableByteSpan space) override {
    const size_t bytes = std::min(space.size(), block_.size());
    if (max_bytes_ - given_bytes_ >= bytes) {
      given_bytes_ += bytes;
      return BlockTicket{0, bytes, false};
    }
    while (stored_bytes_->load() < given_bytes_) {
      if (cancelled_.WaitForNotificationWithTimeout(kLookInterval)) break;
    }
    return Over();
  }
  absl::StatusOr<size_t> Fill(const BlockTicket& ticket, MutableByteSpan space) override {
    std::memcpy(space.data(), block_.data(), ticket.bytes);
    return ticket.bytes;
  }
  void Cancel() override {
    if (!cancelling_.exchange(true)) cancelled_.Notify();
  }

 private:
  const uint64_t max_bytes_;
  const std::atomic<uint64_t>* const stored_bytes_;
  uint64_t given_bytes_ = 0;
  std::vector<uint8_t> block_;
  std::atomic<bool> cancelling_{false};
  Notification cancelled_;
};

std::string ProbeName() {
  std::random_device random;
  return absl::StrFormat("volstream-bench-%08x%08x", random(), random());
}

}  // namespace

UploadProbe::UploadProbe(Storage* storage, UploadProbeOptions options)
    : storage_(storage), options_(options) {}

void UploadProbe::Stop(const absl::Status& reason) {
  MutexLock lock(&mu_);
  if (pipeline_ != nullptr) pipeline_->Cancel(reason);
}

void UploadProbe::Cancel() {
  {
    MutexLock lock(&mu_);
    cancelled_ = true;
  }
  storage_->Cancel();
  Stop(InterruptedError());
}

absl::StatusOr<double> UploadProbe::Run() {
  VS_RETURN_IF_ERROR(storage_->Check());
  VS_ASSIGN_OR_RETURN(const std::unique_ptr<PartSink> sink, storage_->NewSink(ProbeName()));
  // What the last look at a sink that was well has seen. Written by the run's own thread; read by
  // those of the source and of the deadline too.
  std::atomic<uint64_t> stored_bytes = 0;
  RandomSource source(options_.max_bytes / kProbePartBytes * kProbePartBytes, &stored_bytes);
  PlainCodec codec;
  Md5PartHasher hasher;
  PipelineOptions options;
  options.memory_bytes = options_.memory_bytes;
  options.workers = options_.workers;
  options.parts = EqualParts(kProbePartBytes);
  options.progress_interval = kLookInterval;
  absl::Duration stored_after;
  options.on_progress = [&stored_bytes, &stored_after](const Progress& progress) {
    if (progress.stored_bytes <= stored_bytes) return;
    stored_bytes = progress.stored_bytes;
    stored_after = progress.elapsed;
  };
  PipelineJob job;
  job.source = &source;
  job.codec = &codec;
  job.hasher = &hasher;
  job.sinks = {sink.get()};
  RunReport report;
  {
    Pipeline pipeline(options, job);
    {
      MutexLock lock(&mu_);
      pipeline_ = &pipeline;
      if (cancelled_) pipeline.Cancel(InterruptedError());
    }
    int ticks = 0;
    const Ticker deadline(options_.at_most, [this, &stored_bytes, &ticks] {
      if (++ticks == kPatience || stored_bytes > 0) Stop(Over());
    });
    report = pipeline.Run();
    MutexLock lock(&mu_);
    pipeline_ = nullptr;
  }
  if (report.status.message() != kOver) {
    if (!absl::StartsWith(report.status.message(), kOver)) return report.status;
    return absl::Status(absl::StatusCode::kUnavailable, report.status.message());
  }
  if (stored_bytes == 0) {
    return absl::DeadlineExceededError(absl::StrFormat(
        "%s stored no part of %d MiB within %.1f s: give it more time with --seconds",
        storage_->Url(), kProbePartBytes / kMiB,
        kPatience * absl::ToDoubleSeconds(options_.at_most)));
  }
  return static_cast<double>(stored_bytes.load()) / absl::ToDoubleSeconds(stored_after);
}

}  // namespace volstream
