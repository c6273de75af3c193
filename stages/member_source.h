// MemberSource: BlockSource whose blocks are the members of an archive, found by their `VS` sizes
// without inflating (docs/format.md, "Members"). What holds no data, as the index does, is passed
// over: gzip members of the index's form, and skippable frames of any.
//
// Threads: as BlockSource; the digests once the pipeline has ended.
// Errors: kDataLoss, "at offset N: ...", for bytes that are no member, or lie across the end of
// what is read; what the storage says, unchanged, where that fails.
#ifndef VOLSTREAM_STAGES_MEMBER_SOURCE_H_
#define VOLSTREAM_STAGES_MEMBER_SOURCE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/stage.h"
#include "stages/digest.h"
#include "stages/member_framing.h"
#include "stages/range_reader.h"

namespace volstream {

class Xxh3Stream;

struct MemberSourceOptions {
  bool want_xxh3 = false;  // of all bytes that were read, those of the index included
  bool want_md5 = false;   // the same; slower than inflating on many cores
};

class MemberSource : public BlockSource {
 public:
  // Blocks must be offered kMaxIndexMemberBytes at least. Extents of an archive, each made of whole
  // members; the reader, which must outlive it, reads just those.
  MemberSource(RangeReader* reader, const MemberFraming& framing,
               const std::vector<ReadExtent>& extents, MemberSourceOptions options);
  ~MemberSource() override;

  uint64_t MaxStreamBytes() const override { return total_bytes_; }
  absl::StatusOr<BlockTicket> Next(MutableByteSpan space) override;
  absl::StatusOr<size_t> Fill(const BlockTicket& ticket, MutableByteSpan space) override;
  void Cancel() override { reader_->Cancel(); }

  // After the end, lower-case hexadecimal; empty unless wanted.
  std::string xxh3() const;
  std::string md5() const { return md5_hex_; }

 private:
  // Bytes of the member that the extent does not have are an error.
  absl::Status CheckLeft(uint64_t bytes) const;
  // The next bytes of the member, all of `out`.
  absl::Status Read(MutableByteSpan out);
  // Reads on so that the block has `bytes` of the member at its front.
  absl::Status Extend(size_t bytes, MutableByteSpan space);
  // Reads on to the end of what has `bytes`, and keeps none of it.
  absl::Status PassOver(uint64_t bytes, MutableByteSpan space);
  // The whole of one member at the front of `space`; 0 for what holds no data.
  absl::StatusOr<size_t> ReadMember(MutableByteSpan space);
  absl::Status Damaged(std::string_view what) const;

  RangeReader* const reader_;
  const MemberFraming& framing_;
  const std::vector<ReadExtent> extents_;
  const uint64_t total_bytes_;
  size_t extent_ = 0;
  uint64_t member_offset_ = 0;  // in the archive
  uint64_t have_ = 0;           // bytes of the member that were read
  const std::unique_ptr<Xxh3Stream> xxh3_;
  std::optional<Md5Stream> md5_;
  std::string md5_hex_;
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_MEMBER_SOURCE_H_
