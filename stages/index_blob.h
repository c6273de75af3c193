// IndexBlob: a piece of the index as it lies in the archive: compressed, and cut into empty gzip
// members that carry it in their FEXTRA field, so that no reader of gzip sees anything of it.
// Layout: docs/format.md, "The index". Functions without state.
#ifndef VOLSTREAM_STAGES_INDEX_BLOB_H_
#define VOLSTREAM_STAGES_INDEX_BLOB_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "engine/bytes.h"
#include "stages/index_format.h"

namespace volstream {

// A piece of the index that one member carries. busybox keeps FEXTRA in a buffer of 16 KiB, which
// the whole header must fit.
inline constexpr size_t kIndexPieceBytes = 15 * kKiB;
// What a member without data has beside its subfield's data: header (10), XLEN (2), subfield header
// (4), an empty deflate block (2), CRC-32 and ISIZE (8).
inline constexpr size_t kEmptyMemberBytes = 26;
// Of data in the footer's subfield.
inline constexpr size_t kFooterDataBytes = 88;
inline constexpr size_t kFooterBytes = kEmptyMemberBytes + kFooterDataBytes;
// Of one piece of the index, uncompressed, and of the members that carry it: what a reader takes at
// most.
inline constexpr size_t kMaxBlobBytes = 16 * kMiB;
inline constexpr size_t kMaxBlobMemberBytes = 2 * kMaxBlobBytes;

// The bytes of a piece in the archive, and what a directory says of it.
struct IndexBlob {
  std::string members;  // gzip members without data
  uint64_t xxh3 = 0;    // of the payload that they carry
};

// kResourceExhausted for more than kMaxBlobBytes.
absl::StatusOr<IndexBlob> EncodeIndexBlob(std::string_view raw);

// The raw bytes of the piece that `members` is. kDataLoss unless it is exactly such members and
// their payload has the hash and inflates to what it says.
absl::StatusOr<std::string> DecodeIndexBlob(ByteSpan members, uint64_t xxh3);

// The footer's member, kFooterBytes.
std::string EncodeIndexFooter(const IndexFooter& footer);

// From the last kFooterBytes of an archive of `archive_bytes`. kNotFound if they are no footer;
// kFailedPrecondition if it is of a version that this program does not know; kDataLoss if it is
// damaged or says what cannot be.
absl::StatusOr<IndexFooter> DecodeIndexFooter(ByteSpan tail, uint64_t archive_bytes);

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_INDEX_BLOB_H_
