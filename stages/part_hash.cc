#include "stages/part_hash.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "engine/check.h"
#include "stages/md5_lanes.h"
#include "stages/md5_pair.h"
#include "stages/xxh3.h"

namespace volstream {
namespace {

// Twice as many would be hashed in little less time, but hold twice the memory back.
constexpr size_t kMostTogether = 8;

void AddSha256(std::span<const PartBytes> parts, std::span<PartDigest> digests) {
  for (size_t i = 0; i < parts.size(); ++i) digests[i].sha256 = Sha256Of(parts[i].bytes);
}

}  // namespace

size_t Md5PartHasher::BatchParts() const {
  return std::min(kMostTogether, Md5LaneCount(DefaultMd5Kernel()));
}

void Md5PartHasher::Hash(std::span<const PartBytes> parts, bool want_sha256,
                         std::span<PartDigest> digests) {
  std::vector<ByteSpan> messages;
  for (const PartBytes& part : parts) messages.push_back(part.bytes);
  std::vector<Md5Digest> md5s(parts.size());
  Md5OfEach(messages, md5s);
  for (size_t i = 0; i < parts.size(); ++i) digests[i].md5 = md5s[i];
  if (want_sha256) AddSha256(parts, digests);
}

struct StreamHasher::Rolling {
  explicit Rolling(bool with_md5) {
    if (with_md5) md5.emplace();
  }
  Xxh3Stream xxh3;
  std::optional<Md5Pair> md5;
};

StreamHasher::StreamHasher(const PartSizes& parts, bool stream_md5)
    : parts_(parts), rolling_(std::make_unique<Rolling>(stream_md5)) {}
StreamHasher::~StreamHasher() = default;

absl::Status StreamHasher::OnBlock(const BlockRecord& /*record*/, ByteSpan encoded) {
  rolling_->xxh3.Update(encoded);
  if (!rolling_->md5.has_value()) return absl::OkStatus();
  while (!encoded.empty()) {
    const uint64_t part_bytes = parts_.At(open_index_);
    const size_t count = std::min<uint64_t>(encoded.size(), part_bytes - open_bytes_);
    rolling_->md5->Update(encoded.first(count));
    encoded = encoded.subspan(count);
    open_bytes_ += count;
    if (open_bytes_ < part_bytes) break;
    const Md5Digest digest = rolling_->md5->Cut();
    MutexLock lock(&mu_);
    ready_[open_index_++] = digest;
    open_bytes_ = 0;
  }
  return absl::OkStatus();
}

size_t StreamHasher::BatchParts() const {
  return rolling_->md5.has_value() ? 1 : alone_.BatchParts();
}

Md5Digest StreamHasher::TakeDigest(const PartBytes& part) {
  {
    MutexLock lock(&mu_);
    if (const auto found = ready_.find(part.index); found != ready_.end()) {
      const Md5Digest digest = found->second;
      ready_.erase(found);
      return digest;
    }
  }
  VS_CHECK(part.index == open_index_ && part.bytes.size() == open_bytes_);
  return rolling_->md5->Cut();
}

void StreamHasher::Hash(std::span<const PartBytes> parts, bool want_sha256,
                        std::span<PartDigest> digests) {
  if (!rolling_->md5.has_value()) {
    alone_.Hash(parts, want_sha256, digests);
    return;
  }
  for (size_t i = 0; i < parts.size(); ++i) digests[i].md5 = TakeDigest(parts[i]);
  if (want_sha256) AddSha256(parts, digests);
}

StreamDigests StreamHasher::Finish() {
  StreamDigests digests;
  if (rolling_->md5.has_value()) digests.md5 = ToHex(rolling_->md5->Finish());
  digests.xxh3 = rolling_->xxh3.Hex();
  return digests;
}

}  // namespace volstream
