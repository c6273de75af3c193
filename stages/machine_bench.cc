#include "stages/machine_bench.h"

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "engine/pipeline.h"
#include "engine/start_threads.h"
#include "engine/status_macros.h"
#include "stages/archive_codec.h"
#include "stages/block_sample.h"
#include "stages/error_kind.h"
#include "stages/kernel_times.h"
#include "stages/part_hash.h"
#include "stages/part_plan.h"
#include "stages/tar_source.h"
#include "stages/warnings.h"

namespace volstream {
namespace {

constexpr size_t kReadBytes = kMiB;       // of one call of Fill
constexpr size_t kChunkBytes = 4 * kMiB;  // the largest block of any codec
constexpr size_t kChunks = 16;
constexpr size_t kPartBytes = 16 * kMiB;
// Of the time that there is.
constexpr double kUploadShare = 0.2;
constexpr double kPipelineShare = 0.15;
// Timed at each level, for each second that there is: half of the sample in 15 seconds.
constexpr double kChunksPerSecond = 8 / 15.0;

struct Level {
  ArchiveFormat format;
  int level;
};
// The fast ones first: when time is up, the slow ones are left out.
constexpr Level kLevels[] = {
    {ArchiveFormat::kGzip, 1}, {ArchiveFormat::kZstd, 1}, {ArchiveFormat::kGzip, 2},
    {ArchiveFormat::kZstd, 2}, {ArchiveFormat::kZstd, 3}, {ArchiveFormat::kGzip, 3},
    {ArchiveFormat::kGzip, 4}, {ArchiveFormat::kGzip, 6}, {ArchiveFormat::kZstd, 6},
    {ArchiveFormat::kZstd, 9}, {ArchiveFormat::kGzip, 9}, {ArchiveFormat::kZstd, 15}};
constexpr int kSurelyTimed = 2;  // of these

// The same numbers so that neighbours are far apart: 0, 8, 4, 12, 2, ... of 16.
std::vector<size_t> SpreadOrder(size_t count) {
  std::vector<size_t> order;
  size_t bits = 0;
  while ((size_t{1} << bits) < count) ++bits;
  for (size_t i = 0; i < size_t{1} << bits; ++i) {
    size_t reversed = 0;
    for (size_t bit = 0; bit < bits; ++bit) reversed |= (i >> bit & 1) << (bits - 1 - bit);
    if (reversed < count) order.push_back(reversed);
  }
  return order;
}

}  // namespace

MachineBench::MachineBench(MachineBenchOptions options)
    : options_(std::move(options)), workers_(ResolveWorkers(options_.workers)) {}

void MachineBench::Log(Severity severity, const std::string& text) const {
  if (options_.on_event) options_.on_event(severity, text);
}

absl::Status MachineBench::CheckCancelled() const {
  return cancelled_ ? InterruptedError() : absl::OkStatus();
}

void MachineBench::Cancel() {
  cancelled_ = true;
  MutexLock lock(&mu_);
  if (probe_ != nullptr) probe_->Cancel();
}

absl::StatusOr<MachineReport> MachineBench::Run() {
  MachineReport report;
  report.rates.workers = workers_;
  // What can fail at once comes first.
  VS_RETURN_IF_ERROR(VolumePlan::Check(options_.source, options_.plan));
  if (options_.destination != nullptr) VS_RETURN_IF_ERROR(MeasureUpload(&report));
  VS_RETURN_IF_ERROR(ReadSample(&report));
  VS_RETURN_IF_ERROR(TimeLevels(&report));
  report.choice = ChooseLevel(report.levels, report.rates.upload_bytes_per_second > 0);
  VS_RETURN_IF_ERROR(MeasurePipeline(&report));
  return report;
}

absl::Status MachineBench::MeasureUpload(MachineReport* report) {
  UploadProbeOptions options;
  options.at_most = kUploadShare * options_.time;
  options.memory_bytes = options_.memory_bytes;
  options.workers = workers_;
  UploadProbe* probe = nullptr;
  {
    MutexLock lock(&mu_);
    probe_ = std::make_unique<UploadProbe>(options_.destination, options);
    probe = probe_.get();
    if (cancelled_) return InterruptedError();
  }
  const absl::StatusOr<double> rate = probe->Run();
  VS_RETURN_IF_ERROR(CheckCancelled());
  if (absl::IsDeadlineExceeded(rate.status())) {
    Log(Severity::kWarning, std::string(rate.status().message()));
    return absl::OkStatus();
  }
  VS_RETURN_IF_ERROR(rate.status());
  report->rates.upload_bytes_per_second = *rate;
  return absl::OkStatus();
}

absl::Status MachineBench::ReadSample(MachineReport* report) {
  Warnings warnings([this](std::string_view text) { Log(Severity::kWarning, std::string(text)); });
  PlanOptions plan_options = options_.plan;
  plan_options.sqlite = SqliteMode::kCopy;
  VS_ASSIGN_OR_RETURN(const std::unique_ptr<VolumePlan> plan,
                      VolumePlan::Make(options_.source, &warnings, &cancelled_, plan_options));
  VS_RETURN_IF_ERROR(CheckCancelled());
  report->tar_bytes = plan->tar_bytes();
  report->entries = plan->entries().size();
  if (plan->file_bytes() == 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(options_.source,
                     " has no file with anything in it: name a directory that is worth a backup"));
  }

  TarSource source(plan.get(), &warnings);
  std::vector<std::vector<BlockTicket>> chunks;
  Chunk space(kReadBytes);
  uint64_t next_chunk = 0;
  for (size_t in_chunk = 0;;) {
    VS_ASSIGN_OR_RETURN(const BlockTicket ticket, source.Next(space));
    if (ticket.bytes == 0) break;
    if (ticket.offset >= next_chunk && (chunks.empty() || in_chunk == 0)) {
      chunks.emplace_back();
      in_chunk = kChunkBytes / kReadBytes;
      next_chunk = plan->tar_bytes() / kChunks * chunks.size();
    }
    if (in_chunk == 0) continue;
    chunks.back().push_back(ticket);
    --in_chunk;
  }

  // Read by all workers at once, as a backup does.
  sample_.assign(chunks.size(), Chunk());
  std::vector<absl::Status> statuses(chunks.size());
  std::vector<double> seconds(chunks.size(), 0);
  std::vector<std::thread> threads;
  std::atomic<size_t> next{0};
  const auto read = [&] {
    for (size_t k; (k = next.fetch_add(1)) < chunks.size() && !cancelled_;) {
      for (const BlockTicket& ticket : chunks[k]) {
        Chunk& chunk = sample_[k];
        const size_t begin = chunk.size();
        chunk.resize(begin + ticket.bytes);
        const auto start = std::chrono::steady_clock::now();
        const absl::StatusOr<size_t> bytes =
            source.Fill(ticket, MutableByteSpan(chunk).subspan(begin));
        seconds[k] +=
            std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        chunk.resize(begin + bytes.value_or(0));
        statuses[k].Update(bytes.status());
      }
    }
  };
  VS_RETURN_IF_ERROR(StartThreads(static_cast<size_t>(workers_), read, &threads));
  for (std::thread& thread : threads) thread.join();
  VS_RETURN_IF_ERROR(CheckCancelled());
  double total_seconds = 0;
  for (size_t k = 0; k < chunks.size(); ++k) {
    VS_RETURN_IF_ERROR(statuses[k]);
    total_seconds += seconds[k];
  }
  std::erase_if(sample_, [](const Chunk& chunk) { return chunk.empty(); });
  for (const Chunk& chunk : sample_) report->sample_bytes += chunk.size();
  if (report->sample_bytes == 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("nothing of ", options_.source, " could be read: see the warnings"));
  }
  report->rates.read_seconds_per_byte = total_seconds / static_cast<double>(report->sample_bytes);
  return absl::OkStatus();
}

std::vector<ByteSpan> MachineBench::BlocksOf(size_t chunks, size_t block_bytes) const {
  std::vector<ByteSpan> blocks;
  std::vector<size_t> order = SpreadOrder(sample_.size());
  order.resize(std::min(chunks, order.size()));
  for (const size_t k : order) {
    const ByteSpan chunk(sample_[k]);
    for (size_t at = 0; at < chunk.size(); at += block_bytes) {
      blocks.push_back(chunk.subspan(at, std::min(block_bytes, chunk.size() - at)));
    }
  }
  return blocks;
}

absl::Status MachineBench::TimeLevels(MachineReport* report) {
  const double share = 1 - kPipelineShare - (options_.destination != nullptr ? kUploadShare : 0);
  const absl::Time end = absl::Now() + share * options_.time;
  // The same bytes at every level, so that sizes can be compared.
  const size_t chunks = static_cast<size_t>(
      std::clamp(absl::ToDoubleSeconds(options_.time) * kChunksPerSecond, 2.0, 1.0 * kChunks));
  for (const auto& [format, level] : kLevels) {
    VS_RETURN_IF_ERROR(CheckCancelled());
    if (report->levels.size() >= kSurelyTimed && absl::Now() > end) {
      Log(Severity::kInfo, "no time was left for slower levels: --seconds gives more");
      break;
    }
    VS_ASSIGN_OR_RETURN(const std::unique_ptr<BlockCodec> codec, MakeCodec(format, level));
    const size_t block_bytes = BlockBytesFor(format, level, options_.memory_bytes, workers_);
    SampleSource source(BlocksOf(chunks, block_bytes), /*max_bytes=*/0);
    KernelPlan plan;
    plan.source = &source;
    plan.codec = codec.get();
    plan.blocks = source.Tickets();
    plan.block_bytes = block_bytes;
    plan.part_bytes = kPartBytes;
    LevelFigures figures;
    figures.format = format;
    figures.level = level;
    VS_ASSIGN_OR_RETURN(figures.times, TimeKernels(plan, workers_));
    figures.expected = Expect(figures.times, report->rates);
    report->levels.push_back(std::move(figures));
  }
  std::sort(report->levels.begin(), report->levels.end(),
            [](const LevelFigures& a, const LevelFigures& b) {
              return std::pair(a.format, a.level) < std::pair(b.format, b.level);
            });
  return absl::OkStatus();
}

absl::Status MachineBench::MeasurePipeline(MachineReport* report) {
  VS_RETURN_IF_ERROR(CheckCancelled());
  const LevelFigures& chosen = report->levels[report->choice.index];
  report->limit_bytes_per_second = chosen.times.LimitBytesPerSecond(workers_);
  VS_ASSIGN_OR_RETURN(const std::unique_ptr<BlockCodec> codec,
                      MakeCodec(chosen.format, chosen.level));
  // As much as the limit allows in the time, but enough to fill the pipeline.
  const double seconds = absl::ToDoubleSeconds(kPipelineShare * options_.time);
  const uint64_t bytes = std::max<uint64_t>(
      report->sample_bytes, static_cast<uint64_t>(report->limit_bytes_per_second * seconds));
  const size_t block_bytes =
      BlockBytesFor(chosen.format, chosen.level, options_.memory_bytes, workers_);
  SampleSource source(BlocksOf(kChunks, block_bytes), bytes);
  StreamHasher hasher(EqualParts(kPartBytes), /*stream_md5=*/true);
  PipelineOptions options;
  options.memory_bytes = options_.memory_bytes;
  options.block_bytes = block_bytes;
  options.parts = EqualParts(kPartBytes);
  options.workers = workers_;
  const RunReport run =
      Pipeline(options, PipelineJob{&source, codec.get(), &hasher, {&hasher}, {}}).Run();
  VS_RETURN_IF_ERROR(run.status);
  VS_RETURN_IF_ERROR(CheckCancelled());
  report->pipeline_bytes_per_second =
      static_cast<double>(run.stats.source_bytes) / absl::ToDoubleSeconds(run.stats.elapsed);
  return absl::OkStatus();
}

}  // namespace volstream
