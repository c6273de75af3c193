#include "stages/backup.h"

#include <stdlib.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "engine/mutex.h"
#include "engine/status_macros.h"
#include "engine/ticker.h"
#include "stages/archive_codec.h"
#include "stages/archive_name.h"
#include "stages/auto_codec.h"
#include "stages/backup_index.h"
#include "stages/block_sample.h"
#include "stages/destination_check.h"
#include "stages/error_kind.h"
#include "stages/host_name.h"
#include "stages/part_hash.h"
#include "stages/part_plan.h"
#include "stages/stream_limit.h"
#include "stages/stream_source.h"
#include "stages/tar_source.h"
#include "stages/volume_plan.h"
#include "stages/warnings.h"

namespace volstream {
namespace {

// Names differ by their second, so this many backups in one minute are the most one can make.
constexpr int kMaxNameTries = 60;
constexpr size_t kSampleBytes = 16 * kMiB;
constexpr absl::Duration kKernelTime = absl::Seconds(2);
constexpr absl::string_view kSequel = "; and then: ";  // as WithSequel writes it

std::string StemOf(const BackupOptions& options) {
  if (!options.name.empty()) return StemFrom(options.name);
  if (options.stream != nullptr) return StemFrom(options.source);
  std::error_code error;
  std::filesystem::path path = std::filesystem::canonical(options.source, error);
  if (error) path = std::filesystem::path(options.source);
  if (path.filename().empty()) path = path.parent_path();
  // Docker keeps the volume X in .../volumes/X/_data.
  if (path.filename() == "_data") path = path.parent_path();
  return StemFrom(path.filename().string());
}

// Nothing where the sample is empty, or cannot be encoded after all.
KernelTimes TimeSample(BlockSample* sample, BlockCodec* codec, const PipelineOptions& options,
                       bool want_sha256, bool stream_md5) {
  const std::vector<std::vector<uint8_t>> blocks = sample->Take();
  if (blocks.empty()) return {};
  SampleSource source(std::vector<ByteSpan>(blocks.begin(), blocks.end()), /*max_bytes=*/0);
  KernelPlan plan;
  plan.source = &source;
  plan.codec = codec;
  plan.want_sha256 = want_sha256;
  plan.stream_md5 = stream_md5;
  plan.blocks = source.Tickets();
  plan.block_bytes = options.block_bytes;
  plan.part_bytes = options.parts.first_bytes;
  plan.at_most = kKernelTime;
  return TimeKernels(plan, ResolveWorkers(options.workers)).value_or(KernelTimes());
}

// What surrounds the reading of the source: Begin calls before_read, End after_read, once, and the
// destructor too. End may be called by any thread.
class Reading {
 public:
  explicit Reading(const BackupOptions& options) : options_(options) {}
  ~Reading() { End(); }

  absl::Status Begin() {
    begun_ = true;
    return options_.before_read ? options_.before_read() : absl::OkStatus();
  }
  void End() {
    if (begun_.exchange(false) && options_.after_read) options_.after_read();
  }

 private:
  const BackupOptions& options_;
  std::atomic<bool> begun_{false};
};

}  // namespace

Backup::Backup(BackupOptions options, std::vector<Storage*> destinations)
    : options_(std::move(options)),
      storages_(std::move(destinations)),
      stem_(StemOf(options_)),
      locks_(options_.on_event, [this](const absl::Status& status) { OnLockLost(status); }) {}

void Backup::Log(Severity severity, std::string_view text) const {
  if (options_.on_event) options_.on_event(severity, text);
}

void Backup::Cancel() { Stop(InterruptedError()); }

void Backup::Stop(const absl::Status& reason) {
  {
    MutexLock lock(&mu_);
    if (stopped_.ok()) stopped_ = reason;
  }
  cancelled_ = true;
  for (Storage* const storage : storages_) storage->Cancel();
  MutexLock lock(&mu_);
  if (pipeline_ != nullptr) pipeline_->Cancel(stopped_);
}

absl::Status Backup::stopped() const {
  MutexLock lock(&mu_);
  return stopped_;
}

absl::Status Backup::Explained(const absl::Status& status) const {
  if (!absl::IsCancelled(status)) return status;
  const absl::Status reason = stopped();
  if (reason.ok() || absl::IsCancelled(reason)) return status;
  // What could not be cleaned up is still to be said.
  const absl::string_view message = status.message();
  const size_t sequel = message.find(kSequel);
  return sequel == absl::string_view::npos
             ? reason
             : WithSequel(reason, message.substr(sequel + kSequel.size()));
}

BackupReport Backup::Run() {
  BackupReport report;
  report.receipt.started = absl::Now();
  for (const Storage* storage : storages_) {
    report.destinations.push_back(DestinationOutcome{storage->Url(), "", absl::OkStatus(), "", {}});
  }
  if (storages_.empty()) {
    report.status = absl::InvalidArgumentError("no destination given: add one with --to");
    return report;
  }
  {
    const absl::Status late = absl::DeadlineExceededError(absl::StrCat(
        "not finished after ", absl::ToDoubleSeconds(options_.timeout), " s (--timeout)"));
    Ticker deadline(options_.timeout, [this, &late] {
      {
        // Before on_timeout, as what that ends must find the reason there.
        MutexLock lock(&mu_);
        if (stopped_.ok()) stopped_ = late;
      }
      if (options_.on_timeout) options_.on_timeout();
      Stop(late);
    });
    report.status = RunToVerdict(&report);
  }
  // With nothing proven there is nothing to follow under the locks.
  if (report.receipt.archive.empty()) locks_.Release();
  // OK at a destination means that the backup is proven there, so without one nothing is OK.
  if (report.receipt.archive.empty()) {
    for (DestinationOutcome& outcome : report.destinations) {
      if (outcome.status.ok()) outcome.status = report.status;
    }
  }
  return report;
}

absl::Status Backup::RunToVerdict(BackupReport* report) {
  absl::Status run = CheckDestinationsDiffer(storages_);
  if (run.ok()) run = CheckDestinations(report);
  if (run.ok()) run = TakeLocks(report);
  if (run.ok()) run = RunPipeline(report);
  // Whoever noticed first: the loss of a lock is what ended the run.
  if (const absl::Status reason = stopped();
      !run.ok() && !reason.ok() && KindOf(reason) == ErrorKind::kBusy) {
    run = reason;
  }
  for (DestinationOutcome& outcome : report->destinations) {
    outcome.status = Explained(outcome.status);
  }
  return Verdict(*report, Explained(run));
}

absl::Status Backup::CheckDestinations(BackupReport* report) {
  for (size_t i = 0; i < storages_.size(); ++i) {
    absl::Status status;
    if (options_.stream == nullptr) status = CheckApart(options_.source, *storages_[i]);
    if (status.ok()) status = storages_[i]->Check();
    report->destinations[i].status = std::move(status);
  }
  return FailedDestination(*report);
}

// In the order of their URLs, so that of two runs with the same destinations one gets all.
absl::Status Backup::TakeLocks(BackupReport* report) {
  if (!options_.lock) return absl::OkStatus();
  std::map<std::string, size_t> order;
  for (size_t i = 0; i < storages_.size(); ++i) order[storages_[i]->Url()] = i;
  for (const auto& [url, i] : order) {
    absl::Status& outcome = report->destinations[i].status;
    if (!outcome.ok()) continue;
    outcome = locks_.Take(storages_[i], stem_);
    if (!outcome.ok() && KindOf(outcome) == ErrorKind::kBusy) return outcome;
  }
  return FailedDestination(*report);
}

void Backup::OnLockLost(const absl::Status& status) {
  Log(Severity::kWarning, absl::StrCat(status.message(), "; this run ends"));
  Stop(status);
}

absl::StatusOr<std::string> Backup::ChooseName(BackupReport* report) {
  const ArchiveKind kind =
      options_.stream == nullptr || options_.stream_is_tar ? ArchiveKind::kTar : ArchiveKind::kRaw;
  absl::Time time = absl::FromUnixSeconds(absl::ToUnixSeconds(report->receipt.started));
  for (int i = 0; i < kMaxNameTries; ++i, time += absl::Seconds(1)) {
    const std::string name = ArchiveName{stem_, time, kind, options_.format}.ToString();
    bool taken = false;
    for (size_t k = 0; k < storages_.size(); ++k) {
      absl::Status& outcome = report->destinations[k].status;
      if (!outcome.ok()) continue;
      const absl::Status status = storages_[k]->Stat(name).status();
      if (!status.ok() && !absl::IsNotFound(status)) outcome = status;
      taken = taken || status.ok();
    }
    VS_RETURN_IF_ERROR(FailedDestination(*report));
    if (!taken) return name;
  }
  return absl::AlreadyExistsError(
      absl::StrCat("all names of ", stem_, " for the next minute are taken: run again later"));
}

// The failure of a destination that ends the run: any where that was asked for, else the first when
// none is left.
absl::Status Backup::FailedDestination(const BackupReport& report) const {
  absl::Status first;
  size_t usable = 0;
  for (const DestinationOutcome& outcome : report.destinations) {
    if (outcome.status.ok()) ++usable;
    if (first.ok()) first = outcome.status;
  }
  return usable == 0 || options_.stop_on_destination_failure ? first : absl::OkStatus();
}

void Backup::RemoveStale(const BackupReport& report) {
  for (size_t i = 0; i < storages_.size(); ++i) {
    if (!report.destinations[i].status.ok()) continue;
    const absl::StatusOr<std::vector<std::string>> removed =
        storages_[i]->RemoveStale(stem_, absl::Now() - kStaleUploadAge);
    if (!removed.ok()) {
      Log(Severity::kWarning, absl::StrCat("cannot look for unfinished uploads at ",
                                           storages_[i]->Url(), ": ", removed.status().message()));
      continue;
    }
    for (const std::string& text : *removed) Log(Severity::kInfo, absl::StrCat("removed ", text));
  }
}

// Paths do not show a bind mount of the directory into the source.
void Backup::ForbidOwnDirectories(PlanOptions* plan) const {
  const auto forbid = [plan](const std::string& directory, absl::string_view what) {
    struct stat info {};
    if (stat(directory.c_str(), &info) != 0) return;
    plan->forbidden.push_back({info.st_dev, info.st_ino, absl::StrCat(what, " ", directory)});
  };
  for (const Storage* storage : storages_) {
    if (storage->kind() == StorageKind::kLocal) forbid(storage->Url(), "destination");
  }
  if (!plan->spool.directory.empty()) forbid(plan->spool.directory, "spool directory");
}

void Backup::LogPlan(const VolumePlan& plan) const {
  Log(Severity::kInfo, absl::StrFormat("%d entries, %.1f MB of files, in %s", plan.entries().size(),
                                       plan.file_bytes() / 1e6, options_.source));
  if (plan.snapshots() > 0) {
    Log(Severity::kInfo,
        absl::StrCat(plan.snapshots(), " SQLite databases are stored as consistent snapshots"));
  }
  for (const std::string& path : plan.mount_points()) {
    Log(Severity::kInfo,
        absl::StrCat(PrintablePath(path), " is a mount point: what is mounted there is left out"));
  }
  if (plan.excluded() > 0) {
    Log(Severity::kInfo, absl::StrCat(plan.excluded(),
                                      " names were left out, with all below them, as the exclude "
                                      "options say"));
  }
}

PartLimits Backup::LimitsOf(const BackupReport& report) const {
  PartLimits limits = kNoPartLimits;
  for (size_t i = 0; i < storages_.size(); ++i) {
    if (report.destinations[i].status.ok()) {
      limits = Strictest(limits, storages_[i]->part_limits());
    }
  }
  return limits;
}

absl::StatusOr<PartSizes> Backup::ChooseParts(const VolumePlan* plan, uint64_t index_bytes,
                                              const PartLimits& limits,
                                              const PipelineOptions& pipeline,
                                              size_t bound_bytes) const {
  const auto encoded_bytes = [&](uint64_t bytes) {
    return MaxEncodedBytes(bytes, pipeline.block_bytes, bound_bytes);
  };
  const PartRoom room{limits, pipeline.memory_bytes, PartMemoryBytes(pipeline, bound_bytes),
                      options_.part_bytes};
  if (plan != nullptr) return PlanParts(encoded_bytes(plan->tar_bytes()) + index_bytes, room);
  const uint64_t hint = options_.stream_bytes_hint;
  VS_ASSIGN_OR_RETURN(const PartSizes sizes,
                      PlanStreamParts(hint == 0 ? 0 : encoded_bytes(hint), room));
  if (limits.limited()) {
    Log(Severity::kInfo,
        absl::StrFormat("the length of the stream is not known: up to %.1f GB of compressed data "
                        "fit %d parts of %d to %d MiB; %s",
                        StreamCapacity(sizes, limits) / 1e9, limits.max_parts,
                        sizes.first_bytes / kMiB, sizes.largest_bytes() / kMiB,
                        options_.part_bytes != 0 ? "a larger --part-size raises that"
                                                 : "--expected-size and more --memory raise that"));
  }
  return sizes;
}

absl::Status Backup::RunPipeline(BackupReport* report) {
  Warnings warnings([this](std::string_view text) { Log(Severity::kWarning, text); });
  PlanOptions plan_options = options_.plan;
  if (options_.stream == nullptr) {
    VS_RETURN_IF_ERROR(VolumePlan::Check(options_.source, plan_options));
    ForbidOwnDirectories(&plan_options);
  }
  int level = options_.level.value_or(LevelsOf(options_.format).preferred);
  std::unique_ptr<BlockCodec> codec;
  AutoCodec* auto_codec = nullptr;
  if (options_.auto_level.has_value()) {
    level = options_.auto_level->start;
    VS_ASSIGN_OR_RETURN(std::unique_ptr<AutoCodec> made,
                        AutoCodec::Create(options_.format, *options_.auto_level));
    auto_codec = made.get();
    codec = std::move(made);
  } else {
    VS_ASSIGN_OR_RETURN(codec, MakeCodec(options_.format, level));
  }
  // Before the source has to hold still: these ask the destinations.
  VS_ASSIGN_OR_RETURN(const std::string name, ChooseName(report));
  RemoveStale(*report);
  Reading reading(options_);
  VS_RETURN_IF_ERROR(reading.Begin());
  if (cancelled_) return stopped();
  std::unique_ptr<VolumePlan> plan;  // none for a stream
  if (options_.stream == nullptr) {
    VS_ASSIGN_OR_RETURN(plan,
                        VolumePlan::Make(options_.source, &warnings, &cancelled_, plan_options));
    LogPlan(*plan);
  }
  PipelineOptions pipeline_options;
  pipeline_options.memory_bytes = options_.memory_bytes;
  pipeline_options.block_bytes =
      BlockBytesFor(options_.format, level, options_.memory_bytes, options_.workers);
  pipeline_options.workers = options_.workers;
  pipeline_options.stop_on_sink_failure = options_.stop_on_destination_failure;
  pipeline_options.on_progress = options_.on_progress;
  pipeline_options.on_source_read = [&reading] { reading.End(); };
  if (auto_codec != nullptr) {
    pipeline_options.on_pressure = [auto_codec](const Pressure& pressure) {
      auto_codec->OnPressure(pressure);
    };
  }
  std::unique_ptr<BlockSource> source;
  std::unique_ptr<IndexWriter> index;
  if (plan != nullptr) {
    auto tar_source = std::make_unique<TarSource>(plan.get(), &warnings);
    index = NewIndexWriter(plan.get(), tar_source.get(), options_.format);
    source = std::move(tar_source);
  } else {
    source = std::make_unique<StreamSource>(options_.stream);
    index = NewIndexWriter(options_.stream, options_.stream_is_tar, options_.format);
  }
  const PartLimits limits = LimitsOf(*report);
  VS_ASSIGN_OR_RETURN(pipeline_options.parts,
                      ChooseParts(plan.get(), index->MaxBytes(), limits, pipeline_options,
                                  codec->Bound(pipeline_options.block_bytes)));

  StreamHasher hasher(pipeline_options.parts, options_.stream_md5);
  std::vector<std::unique_ptr<PartSink>> sinks;
  std::vector<size_t> sink_destination;  // index into report->destinations
  for (size_t i = 0; i < storages_.size(); ++i) {
    DestinationOutcome& outcome = report->destinations[i];
    if (!outcome.status.ok()) continue;
    outcome.archive = storages_[i]->UrlOf(name);
    absl::StatusOr<std::unique_ptr<PartSink>> sink = storages_[i]->NewSink(name);
    outcome.status = sink.status();
    if (!sink.ok()) continue;
    sinks.push_back(*std::move(sink));
    sink_destination.push_back(i);
  }
  VS_RETURN_IF_ERROR(FailedDestination(*report));
  BlockSample sample(kSampleBytes / pipeline_options.block_bytes);
  SampledSource sampled(source.get(), &sample);
  BlockSource* const read = options_.time_kernels ? &sampled : source.get();
  PipelineJob job{read, codec.get(), &hasher, {&hasher}, {}};
  job.observers.push_back(index.get());
  job.tail = index.get();
  StreamLimit stream_limit(pipeline_options.parts, limits);
  if (plan == nullptr) job.observers.push_back(&stream_limit);
  for (const std::unique_ptr<PartSink>& sink : sinks) job.sinks.push_back(sink.get());

  RunReport run;
  {
    Pipeline pipeline(pipeline_options, std::move(job));
    {
      MutexLock lock(&mu_);
      pipeline_ = &pipeline;
      if (cancelled_) pipeline.Cancel(stopped_);
    }
    run = pipeline.Run();
    MutexLock lock(&mu_);
    pipeline_ = nullptr;
  }
  for (size_t i = 0; i < run.sinks.size(); ++i) {
    DestinationOutcome& outcome = report->destinations[sink_destination[i]];
    outcome.status = run.sinks[i].status;
    outcome.etag = run.sinks[i].proof;
    if (!outcome.status.ok()) continue;
    for (auto& [name, value] : sinks[i]->Facts()) outcome.facts[name] = value;
  }
  report->stats = run.stats;
  if (!run.status.ok()) return run.status;

  const StreamDigests digests = hasher.Finish();
  Receipt& receipt = report->receipt;
  receipt.archive = name;
  receipt.bytes = run.summary.bytes;
  receipt.md5 = digests.md5;
  receipt.xxh3 = digests.xxh3;
  receipt.SetParts(pipeline_options.parts);
  receipt.part_count = run.summary.parts.size();
  receipt.tar_bytes = run.stats.source_bytes;
  receipt.index_bytes = index->bytes();
  if (!index->left_out().empty()) {
    warnings.Add(options_.source, absl::StrCat("the archive has no index: ", index->left_out()));
  }
  if (plan != nullptr) {
    receipt.entries = plan->entries().size();
    receipt.excluded = plan->excluded();
    receipt.sqlite_snapshots = plan->snapshots();
  } else {
    receipt.entries = options_.stream->entries();
    for (const std::string& text : options_.stream->Warnings()) {
      warnings.Add(options_.source, text);
    }
  }
  if (run.stats.blocks_redone > 0) {
    warnings.Add(options_.source,
                 absl::StrCat(run.stats.blocks_redone,
                              " blocks did not inflate to what they were made of, and were "
                              "compressed once more by libdeflate: test this machine's memory; "
                              "VOLSTREAM_DEFLATE=libdeflate goes without the first attempt"));
  }
  receipt.blocks = run.stats.blocks;
  receipt.blocks_stored = run.stats.blocks_stored;
  receipt.codec = std::string(FormatName(options_.format));
  receipt.level = level;
  if (auto_codec != nullptr) receipt.levels = auto_codec->History();
  receipt.source = options_.source;
  receipt.host = HostName();
  receipt.version = VOLSTREAM_VERSION;
  receipt.warnings = warnings.texts();
  receipt.warning_count = warnings.count();
  receipt.missing_count = warnings.missing_count();
  receipt.finished = absl::Now();
  WriteReceipts(report);
  const bool want_sha256 =
      std::any_of(sinks.begin(), sinks.end(), [](const auto& sink) { return sink->WantsSha256(); });
  if (options_.time_kernels && !cancelled_) {
    report->kernels =
        TimeSample(&sample, codec.get(), pipeline_options, want_sha256, options_.stream_md5);
  }
  return absl::OkStatus();
}

void Backup::WriteReceipts(BackupReport* report) {
  for (size_t i = 0; i < storages_.size(); ++i) {
    DestinationOutcome& outcome = report->destinations[i];
    if (!outcome.status.ok()) continue;
    Receipt receipt = report->receipt;
    receipt.etag = outcome.etag;
    receipt.object = outcome.facts;
    outcome.status = WithContext(
        storages_[i]->Write(ReceiptNameOf(receipt.archive), receipt.ToJson()),
        absl::StrCat(outcome.archive, " is whole, but stays unproven, as its receipt failed"));
  }
}

absl::Status Backup::Verdict(const BackupReport& report, const absl::Status& run) const {
  if (!run.ok()) return run;
  absl::Status first;
  size_t proven = 0;
  for (const DestinationOutcome& outcome : report.destinations) {
    if (outcome.status.ok()) {
      ++proven;
    } else if (first.ok()) {
      first = outcome.status;
    }
  }
  const size_t failed = report.destinations.size() - proven;
  if (failed > 0 && (report.receipt.archive.empty() || proven == 0)) return first;
  if (failed > 0) {
    return MakeError(ErrorKind::kPartial, absl::StatusCode::kAborted,
                     absl::StrCat("the backup is proven at ", proven, " of ",
                                  report.destinations.size(), " destinations"));
  }
  if (report.receipt.missing_count > 0) {
    return MakeError(ErrorKind::kPartial, absl::StatusCode::kAborted,
                     absl::StrCat("the backup is whole, but ", report.receipt.missing_count,
                                  " things of the source could not be read and are not in it: see "
                                  "the warnings"));
  }
  return absl::OkStatus();
}

}  // namespace volstream
