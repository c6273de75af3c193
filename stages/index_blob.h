// IndexBlob: a piece of the index as it lies in the archive: compressed, and cut into members that
// other readers pass over: empty gzip members that carry it in their FEXTRA field, or skippable
// frames of Zstandard.
// Layout: docs/format.md, "The index". Functions without state.
#ifndef VOLSTREAM_STAGES_INDEX_BLOB_H_
#define VOLSTREAM_STAGES_INDEX_BLOB_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "engine/bytes.h"
#include "stages/archive_format.h"
#include "stages/gzip_member.h"
#include "stages/index_format.h"
#include "stages/zstd_member.h"

namespace volstream {

// A piece of the index that one member carries. busybox keeps FEXTRA in a buffer of 16 KiB, which
// the whole header must fit; frames have the same pieces.
inline constexpr size_t kIndexPieceBytes = 15 * kKiB;
// What such a member has beside the piece.
constexpr size_t PieceOverheadBytes(ArchiveFormat format) {
  return format == ArchiveFormat::kGzip ? kGzipPieceOverheadBytes : kZstdPieceHeaderBytes;
}
// Of data in the footer's member.
inline constexpr size_t kFooterDataBytes = 88;
constexpr size_t FooterBytes(ArchiveFormat format) {
  return PieceOverheadBytes(format) + kFooterDataBytes;
}
inline constexpr size_t kMaxFooterBytes = FooterBytes(ArchiveFormat::kGzip);
static_assert(kMaxFooterBytes >= FooterBytes(ArchiveFormat::kZstd));
// Of one piece of the index, uncompressed, and of the members that carry it: what a reader takes at
// most.
inline constexpr size_t kMaxBlobBytes = 16 * kMiB;
inline constexpr size_t kMaxBlobMemberBytes = 2 * kMaxBlobBytes;

// The bytes of a piece in the archive, and what a directory says of it.
struct IndexBlob {
  std::string members;  // without data of the archive's
  uint64_t xxh3 = 0;    // of the payload that they carry
};

// kResourceExhausted for more than kMaxBlobBytes.
absl::StatusOr<IndexBlob> EncodeIndexBlob(std::string_view raw, ArchiveFormat format);

// The raw bytes of the piece that `members` is, of either format. kDataLoss unless it is exactly
// such members and their payload has the hash and inflates to what it says.
absl::StatusOr<std::string> DecodeIndexBlob(ByteSpan members, uint64_t xxh3);

// The footer's member, FooterBytes(footer.format).
std::string EncodeIndexFooter(const IndexFooter& footer);

// From the end of an archive of `archive_bytes`: at least its last kMaxFooterBytes, or all of it.
// Says which format it found. kNotFound if there is no footer; kFailedPrecondition if it is of a
// version that this program does not know; kDataLoss if it is damaged or says what cannot be.
absl::StatusOr<IndexFooter> DecodeIndexFooter(ByteSpan tail, uint64_t archive_bytes);

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_INDEX_BLOB_H_
