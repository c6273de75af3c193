// ArchiveFormat: what an archive's members are. Both formats carry the same `VS`, `VI` and `VF`
// data (docs/format.md); they differ in how another reader is made to pass over it.
#ifndef VOLSTREAM_STAGES_ARCHIVE_FORMAT_H_
#define VOLSTREAM_STAGES_ARCHIVE_FORMAT_H_

#include <string_view>

namespace volstream {

enum class ArchiveFormat {
  kGzip,  // gzip members (RFC 1952); the data lies in FEXTRA fields
  kZstd,  // Zstandard frames (RFC 8878); the data lies in skippable frames
};

// "gzip" or "zstd", as --codec and the receipt have it.
constexpr std::string_view FormatName(ArchiveFormat format) {
  return format == ArchiveFormat::kGzip ? "gzip" : "zstd";
}

// ".gz" or ".zst", the last part of an archive's name.
constexpr std::string_view FormatSuffix(ArchiveFormat format) {
  return format == ArchiveFormat::kGzip ? ".gz" : ".zst";
}

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_ARCHIVE_FORMAT_H_
