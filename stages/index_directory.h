// IndexDirectory: where the pages of the index are and what is in each; the last piece of the index
// but the footer. Layout: docs/format.md, "The index".
#ifndef VOLSTREAM_STAGES_INDEX_DIRECTORY_H_
#define VOLSTREAM_STAGES_INDEX_DIRECTORY_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/bytes.h"
#include "stages/index_format.h"

namespace volstream {

struct IndexDirectory {
  // What a reader takes at most: with full pages, 500 million entries.
  static constexpr uint64_t kMaxPages = uint64_t{1} << 18;
  static constexpr uint64_t kMaxPathBytes = 16 * kMiB;  // of all first paths together

  // Pages follow one another from the index's offset on: those of entries, then those of members.
  struct Page {
    uint64_t offset = 0;      // in the archive; not written, as it follows from the sizes
    uint64_t bytes = 0;       // of the members that carry it
    uint64_t xxh3 = 0;        // of what they carry
    uint64_t count = 0;       // of what it lists
    uint64_t tar_offset = 0;  // of the first of these
  };
  struct EntryPage : Page {
    std::string first_path;
  };
  struct MemberPage : Page {
    uint64_t archive_offset = 0;  // of its first member
    uint64_t archive_bytes = 0;   // of all its members
    uint64_t tar_bytes = 0;
  };
  std::vector<EntryPage> entry_pages;
  std::vector<MemberPage> member_pages;

  std::string Encode() const;
  // kDataLoss unless it fits the footer: counts, sums and extents.
  static absl::StatusOr<IndexDirectory> Decode(ByteSpan raw, const IndexFooter& footer);
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_INDEX_DIRECTORY_H_
