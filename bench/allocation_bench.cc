// What a run asks of the heap once it is going: allocations a block and a part in the middle half
// of the stream, counted by replaced malloc and mmap (allocation_counter.h).
//
//   allocation_bench                    the engine: a copying codec, no digests, a sink that
//   forgets allocation_bench --codec gzip       the same with compression, digests and an index
//   allocation_bench --tree DIR --to DIR2   a whole backup of a tree to a directory
//
// --sites N prints the N places that allocated most; --most-per-block and --most-per-part end it
// with 1 when more was counted.
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "bench/allocation_counter.h"
#include "bench/corpus.h"
#include "bench/null_stages.h"
#include "engine/pipeline.h"
#include "engine/status_macros.h"
#include "stages/archive_codec.h"
#include "stages/backup_index.h"
#include "stages/local_sink.h"
#include "stages/part_hash.h"
#include "stages/plain_codec.h"
#include "stages/tar_source.h"
#include "stages/volume_plan.h"

namespace volstream::bench {
namespace {

struct Flags {
  uint64_t bytes = kGiB;
  uint64_t block_bytes = kMiB;
  uint64_t part_bytes = 16 * kMiB;
  int level = 1;
  int workers = 0;
  bool stream_md5 = true;
  std::string codec = "copy";
  std::string corpus = "mixed";
  std::string tree;
  std::string to;
  int sites = 0;
  double most_per_block = -1;
  double most_per_part = -1;
};

ArchiveFormat FormatOf(const Flags& flags) {
  return flags.codec == "zstd" ? ArchiveFormat::kZstd : ArchiveFormat::kGzip;
}

uint64_t PageFaults() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<uint64_t>(usage.ru_minflt + usage.ru_majflt);
}

// Counts the parts that pass.
class PartMeter : public PartHasher {
 public:
  explicit PartMeter(PartHasher* hasher) : hasher_(hasher) {}
  size_t BatchParts() const override { return hasher_->BatchParts(); }
  void Hash(std::span<const PartBytes> parts, bool want_sha256,
            std::span<PartDigest> digests) override {
    parts_.fetch_add(parts.size(), std::memory_order_relaxed);
    hasher_->Hash(parts, want_sha256, digests);
  }
  uint64_t parts() const { return parts_.load(std::memory_order_relaxed); }

 private:
  PartHasher* const hasher_;
  std::atomic<uint64_t> parts_{0};
};

// Passes a source on, and takes the counts when a quarter and three quarters of it have begun.
class MeteredSource : public BlockSource {
 public:
  struct Mark {
    AllocationCount allocations;
    uint64_t page_faults = 0;
    uint64_t blocks = 0;
    uint64_t parts = 0;
  };

  MeteredSource(BlockSource* source, const PartMeter* parts, bool note_sites)
      : source_(source), parts_(parts), note_sites_(note_sites), bytes_(source->MaxStreamBytes()) {}

  uint64_t MaxStreamBytes() const override { return bytes_; }
  absl::StatusOr<BlockTicket> Next(MutableByteSpan space) override {
    VS_ASSIGN_OR_RETURN(const BlockTicket ticket, source_->Next(space));
    ++blocks_;
    if (!begin_.has_value() && ticket.offset >= bytes_ / 4) {
      if (note_sites_) NoteAllocationSites(true);
      begin_ = Now();
    } else if (!end_.has_value() && ticket.offset >= bytes_ / 4 * 3) {
      end_ = Now();
      NoteAllocationSites(false);
    }
    return ticket;
  }
  absl::StatusOr<size_t> Fill(const BlockTicket& ticket, MutableByteSpan space) override {
    return source_->Fill(ticket, space);
  }

  bool complete() const { return end_.has_value(); }
  Mark Middle() const {
    return {end_->allocations - begin_->allocations, end_->page_faults - begin_->page_faults,
            end_->blocks - begin_->blocks, end_->parts - begin_->parts};
  }

 private:
  Mark Now() const { return {CountAllocations(), PageFaults(), blocks_, parts_->parts()}; }

  BlockSource* const source_;
  const PartMeter* const parts_;
  const bool note_sites_;
  const uint64_t bytes_;
  uint64_t blocks_ = 0;
  std::optional<Mark> begin_;
  std::optional<Mark> end_;
};

void PrintSites(int most) {
  for (const AllocationSite& site : AllocationSites(static_cast<size_t>(most))) {
    std::printf("%llu calls, %llu bytes\n", static_cast<unsigned long long>(site.calls),
                static_cast<unsigned long long>(site.bytes));
    for (void* const frame : site.frames) std::printf("    %s\n", FrameText(frame).c_str());
  }
}

// All that a run may need; what is not used stays empty.
struct Stages {
  std::unique_ptr<Corpus> corpus;
  Warnings warnings;
  std::unique_ptr<VolumePlan> plan;
  TarSource* tar = nullptr;
  std::unique_ptr<BlockSource> source;
  std::unique_ptr<BlockCodec> codec;
  NullHasher no_hasher;
  std::unique_ptr<StreamHasher> hasher;  // null: no_hasher
  std::unique_ptr<IndexWriter> index;
  std::unique_ptr<PartSink> sink;
};

absl::Status MakeStages(const Flags& flags, Stages* stages) {
  if (flags.tree.empty()) {
    VS_ASSIGN_OR_RETURN(const CorpusKind kind, ParseKind(flags.corpus));
    stages->corpus = std::make_unique<Corpus>(kind);
    stages->source = std::make_unique<CorpusSource>(stages->corpus.get(), flags.bytes);
    stages->sink = std::make_unique<NullSink>();
  } else {
    VS_ASSIGN_OR_RETURN(stages->plan, VolumePlan::Make(flags.tree, &stages->warnings));
    auto tar = std::make_unique<TarSource>(stages->plan.get(), &stages->warnings);
    stages->tar = tar.get();
    stages->source = std::move(tar);
    std::filesystem::create_directories(flags.to);
    stages->sink = std::make_unique<LocalSink>(flags.to, "allocation_bench.tar.gz");
  }
  if (flags.codec == "copy") {
    stages->codec = std::make_unique<PlainCodec>();
    return absl::OkStatus();
  }
  VS_ASSIGN_OR_RETURN(stages->codec, MakeCodec(FormatOf(flags), flags.level));
  stages->hasher = std::make_unique<StreamHasher>(EqualParts(flags.part_bytes), flags.stream_md5);
  stages->index =
      stages->tar != nullptr
          ? NewIndexWriter(stages->plan.get(), stages->tar, FormatOf(flags))
          : std::make_unique<IndexWriter>(IndexedStream::kRaw, FormatOf(flags), kMiB, nullptr);
  return absl::OkStatus();
}

absl::StatusOr<int> Main(const Flags& flags) {
  Stages stages;
  VS_RETURN_IF_ERROR(MakeStages(flags, &stages));
  PartHasher* const run_hasher =
      stages.hasher != nullptr ? static_cast<PartHasher*>(stages.hasher.get()) : &stages.no_hasher;
  PartMeter hasher(run_hasher);
  MeteredSource source(stages.source.get(), &hasher, flags.sites > 0);
  PipelineJob job;
  job.source = &source;
  job.codec = stages.codec.get();
  job.hasher = &hasher;
  if (stages.hasher != nullptr) job.observers.push_back(stages.hasher.get());
  if (stages.index != nullptr) {
    job.observers.push_back(stages.index.get());
    job.tail = stages.index.get();
  }
  job.sinks.push_back(stages.sink.get());
  PipelineOptions options;
  options.block_bytes = flags.block_bytes;
  options.parts = EqualParts(flags.part_bytes);
  options.workers = flags.workers;
  const RunReport report = Pipeline(options, job).Run();
  VS_RETURN_IF_ERROR(report.status);
  if (!flags.to.empty()) std::filesystem::remove(flags.to + "/allocation_bench.tar.gz");
  if (!source.complete()) return absl::InvalidArgumentError("the stream is too short");

  const MeteredSource::Mark middle = source.Middle();
  const double calls = static_cast<double>(middle.allocations.calls);
  const double blocks = static_cast<double>(middle.blocks);
  const double parts = std::max(1.0, static_cast<double>(middle.parts));
  std::printf("middle half: %.0f blocks, %.0f parts, %d workers\n", blocks, parts,
              report.stats.workers);
  std::printf("allocations: %.0f of %llu bytes: %.4f a block, %.2f a part\n", calls,
              static_cast<unsigned long long>(middle.allocations.bytes), calls / blocks,
              calls / parts);
  std::printf("mmap, munmap, mremap: %llu; page faults: %llu\n",
              static_cast<unsigned long long>(middle.allocations.mappings),
              static_cast<unsigned long long>(middle.page_faults));
  if (flags.sites > 0) PrintSites(flags.sites);
  const bool over = (flags.most_per_block >= 0 && calls / blocks > flags.most_per_block) ||
                    (flags.most_per_part >= 0 && calls / parts > flags.most_per_part);
  return over ? 1 : 0;
}

}  // namespace
}  // namespace volstream::bench

int main(int argc, char** argv) {
  volstream::bench::Flags flags;
  CLI::App app("Counts allocations in the middle half of a run");
  const CLI::AsSizeValue size(/*kb_is_1000=*/true);
  app.add_option("--bytes", flags.bytes, "source bytes of a generated stream")->transform(size);
  app.add_option("--block-size", flags.block_bytes)->transform(size)->check(CLI::PositiveNumber);
  app.add_option("--part-size", flags.part_bytes)->transform(size);
  app.add_option("--codec", flags.codec)->check(CLI::IsMember({"copy", "gzip", "zstd"}));
  app.add_option("--level", flags.level, "of the codec");
  app.add_option("--workers", flags.workers, "threads that compute; 0: one a core");
  app.add_flag("!--no-stream-md5", flags.stream_md5, "parts are hashed by themselves");
  app.add_option("--corpus", flags.corpus, "kind of the generated stream");
  auto* const tree = app.add_option("--tree", flags.tree, "back up this tree instead");
  app.add_option("--to", flags.to, "to a file in this directory")->needs(tree);
  app.add_option("--sites", flags.sites, "print so many places that allocated");
  app.add_option("--most-per-block", flags.most_per_block, "else the exit code is 1");
  app.add_option("--most-per-part", flags.most_per_part, "else the exit code is 1");
  CLI11_PARSE(app, argc, argv);
  if (!flags.tree.empty() && flags.to.empty()) {
    std::fprintf(stderr, "allocation_bench: --tree needs --to\n");
    return 1;
  }
  const absl::StatusOr<int> code = volstream::bench::Main(flags);
  if (code.ok()) return *code;
  std::fprintf(stderr, "allocation_bench: %s\n", code.status().ToString().c_str());
  return 1;
}
