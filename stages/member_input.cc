#include "stages/member_input.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "engine/guarded.h"
#include "engine/pipeline.h"
#include "engine/start_threads.h"
#include "engine/status_macros.h"
#include "stages/error_kind.h"
#include "stages/member_framing.h"
#include "stages/member_source.h"
#include "stages/part_queue.h"
#include "stages/range_reader.h"

namespace volstream {
namespace {

constexpr size_t kPartBytes = 4 * kMiB;
constexpr size_t kRangeBytes = 8 * kMiB;
constexpr size_t kMinRangeBytes = 64 * kKiB;
// Below this, a request costs more than its bytes: fewer connections are better.
constexpr size_t kGoodRangeBytes = kMiB;
// More readers of one disk only get in each other's way.
constexpr int kLocalConnections = 4;
// Enough for the `VS` field behind other subfields.
constexpr size_t kProbeBytes = 4 * kKiB;

// Nobody asks for digests of these parts.
class NoHasher : public PartHasher {
 public:
  void Hash(std::span<const PartBytes> /*parts*/, bool /*want_sha256*/,
            std::span<PartDigest> /*digests*/) override {}
};

class MemberObserver : public StreamObserver {
 public:
  explicit MemberObserver(std::function<void(const MemberExtent&)> hear) : hear_(std::move(hear)) {}
  // What the pipeline encodes are members, and what comes out is the tar.
  absl::Status OnBlock(const BlockRecord& record, ByteSpan /*encoded*/) override {
    if (hear_) {
      hear_(
          {record.source_offset, record.source_bytes, record.encoded_offset, record.encoded_bytes});
    }
    return absl::OkStatus();
  }

 private:
  const std::function<void(const MemberExtent&)> hear_;
};

struct Sizes {
  size_t member_bytes = 0;
  size_t member_tar_bytes = 0;
  RangeReaderOptions ranges;
  PipelineOptions pipeline;
};

// The memory of which a quarter and a pool for such members are made.
uint64_t SmallestMemory(uint64_t member_bytes, uint64_t member_tar_bytes) {
  const uint64_t smallest_pool = member_bytes + 3 * member_tar_bytes;
  return (smallest_pool + 2) / 3 * 4;
}

// Where no index says how much a member holds: what the format allows, or else, down to a MiB, what
// the memory is enough for.
size_t UsualTarBytes(const MemberFraming& framing, uint64_t memory_bytes) {
  size_t tar_bytes = framing.usual_member_tar_bytes();
  while (tar_bytes > kMiB &&
         SmallestMemory(framing.MaxMemberBytes(tar_bytes), tar_bytes) > memory_bytes) {
    tar_bytes /= 2;
  }
  return tar_bytes;
}

// A quarter of the memory is for reading ahead, the rest the pipeline's.
absl::StatusOr<Sizes> SizesOf(const MemberInputOptions& options, StorageKind kind) {
  const MemberFraming& framing = MemberFraming::Of(options.format);
  Sizes sizes;
  sizes.member_tar_bytes = options.max_member_tar_bytes == 0
                               ? UsualTarBytes(framing, options.memory_bytes)
                               : static_cast<size_t>(options.max_member_tar_bytes);
  sizes.member_bytes = options.max_member_bytes == 0
                           ? framing.MaxMemberBytes(sizes.member_tar_bytes)
                           : static_cast<size_t>(options.max_member_bytes);
  // Room for more than any data could need is not asked for by a sound index.
  if (sizes.member_tar_bytes > kMaxMemberTarBytes || sizes.member_bytes > 2 * kMaxMemberTarBytes) {
    return absl::DataLossError(absl::StrCat("its index speaks of members of ", sizes.member_bytes,
                                            " bytes that hold ", sizes.member_tar_bytes,
                                            ", more than volstream reads"));
  }
  sizes.member_bytes = std::max(sizes.member_bytes, kMaxIndexMemberBytes);

  const uint64_t smallest = SmallestMemory(sizes.member_bytes, sizes.member_tar_bytes);
  if (options.memory_bytes < smallest) {
    return absl::InvalidArgumentError(
        absl::StrCat("a memory budget of ", options.memory_bytes / kMiB,
                     " MiB is too small to inflate this archive: at least ",
                     (smallest + kMiB - 1) / kMiB, " MiB are needed"));
  }
  const uint64_t ahead_bytes = options.memory_bytes / 4;
  int connections = std::max(1, options.connections);
  if (kind == StorageKind::kLocal) connections = std::min(connections, kLocalConnections);
  const uint64_t good = ahead_bytes / kGoodRangeBytes;
  connections = static_cast<int>(
      std::clamp<uint64_t>(static_cast<uint64_t>(connections), 1, good > 2 ? good - 1 : 1));
  sizes.ranges.connections = connections;
  sizes.ranges.range_bytes = static_cast<size_t>(std::clamp<uint64_t>(
      ahead_bytes / (static_cast<uint64_t>(connections) + 1), kMinRangeBytes, kRangeBytes));

  // Of runs every byte is wanted.
  if (!options.runs.empty()) sizes.ranges.first_range_bytes = sizes.ranges.range_bytes;

  sizes.pipeline.memory_bytes = options.memory_bytes - ahead_bytes;
  sizes.pipeline.block_bytes = sizes.member_bytes;
  sizes.pipeline.workers = options.workers;
  sizes.pipeline.stop_on_sink_failure = true;
  // Small, as a piece that is written slowly pins a whole part.
  sizes.pipeline.parts = EqualParts(static_cast<size_t>(
      std::clamp<uint64_t>(sizes.pipeline.memory_bytes / 16, sizes.member_tar_bytes,
                           std::max(kPartBytes, sizes.member_tar_bytes))));
  return sizes;
}

// Keeps the pool, which is the pipeline's, until its part is back: members go in reverse order.
struct PinnedPart {
  std::shared_ptr<const Pipeline> pipeline;
  std::shared_ptr<const Part> part;
};

class PipelineMemberInput : public MemberInput {
 public:
  PipelineMemberInput(ArchiveFile* file, const Sizes& sizes, const std::vector<ReadExtent>& extents,
                      const MemberInputOptions& options)
      : file_(file),
        bound_bytes_(sizes.pipeline.memory_bytes),
        reader_(file, extents, sizes.ranges),
        source_(&reader_, MemberFraming::Of(options.format), extents,
                {options.want_xxh3, options.want_md5}),
        codec_(MemberFraming::Of(options.format).MakeInflater(sizes.member_tar_bytes)),
        observer_(options.on_member),
        pipeline_(std::make_shared<Pipeline>(
            sizes.pipeline,
            PipelineJob{&source_, codec_.get(), &hasher_, {&observer_}, {&queue_}})) {}

  absl::Status Start() {
    return StartThreads(
        1, [this] { Run(); }, &thread_);
  }

  ~PipelineMemberInput() override {
    Cancel();
    for (std::thread& thread : thread_) thread.join();
  }

  absl::StatusOr<SharedBytes> Next() override {
    while (true) {
      VS_ASSIGN_OR_RETURN(std::shared_ptr<const Part> part, queue_.Pop());
      if (part == nullptr) return SharedBytes();
      const ByteSpan bytes = part->data();
      // An archive without any data has one part, an empty one.
      if (bytes.empty()) continue;
      auto owner = std::make_shared<const PinnedPart>(PinnedPart{pipeline_, std::move(part)});
      return SharedBytes{bytes, std::move(owner)};
    }
  }

  void Cancel() override {
    // Before the pipeline, whose end may take as long as a block.
    queue_.End(InterruptedError());
    pipeline_->Cancel(InterruptedError());
  }

  std::string archive_md5() const override { return source_.md5(); }
  std::string archive_xxh3() const override { return source_.xxh3(); }
  MemberInputUsage usage() const override {
    return MemberInputUsage{bound_bytes_ + reader_.max_buffer_bytes(), reader_.peak_buffer_bytes()};
  }

 private:
  void Run() {
    queue_.End(Guarded([this] { return WithPlace(pipeline_->Run().status); }));
  }

  // What the source and the codec say of damage begins with its offset.
  absl::Status WithPlace(const absl::Status& status) const {
    if (!absl::IsDataLoss(status) || !absl::StartsWith(status.message(), "at offset ")) {
      return status;
    }
    return MakeError(ErrorKind::kIntegrity, absl::StatusCode::kDataLoss,
                     absl::StrCat(file_->Url(), " is damaged ", status.message(),
                                  "; --salvage reads what is left"));
  }

  ArchiveFile* const file_;
  const uint64_t bound_bytes_;  // of the pipeline
  RangeReader reader_;
  MemberSource source_;
  const std::unique_ptr<BlockCodec> codec_;
  MemberObserver observer_;
  NoHasher hasher_;
  PartQueue queue_;
  const std::shared_ptr<Pipeline> pipeline_;
  std::vector<std::thread> thread_;  // one, once it is started
};

}  // namespace

absl::StatusOr<std::optional<ArchiveFormat>> MemberInput::FormatOf(ArchiveFile* file) {
  std::vector<uint8_t> head(std::min<uint64_t>(file->bytes(), kProbeBytes));
  VS_RETURN_IF_ERROR(file->ReadAt(0, head));
  return MemberFraming::FormatAt(head);
}

absl::StatusOr<std::unique_ptr<MemberInput>> MemberInput::Open(ArchiveFile* file,
                                                               MemberInputOptions options) {
  const absl::StatusOr<Sizes> sizes = SizesOf(options, file->storage()->kind());
  if (!sizes.ok()) return WithContext(sizes.status(), file->Url());
  std::vector<ReadExtent> extents;
  for (const MemberRun& run : options.runs) {
    extents.push_back(ReadExtent{run.archive_offset, run.archive_bytes});
  }
  if (extents.empty()) extents.push_back(ReadExtent{0, file->bytes()});
  auto input = std::make_unique<PipelineMemberInput>(file, *sizes, extents, options);
  VS_RETURN_IF_ERROR(input->Start());
  return input;
}

}  // namespace volstream
