// The index's pieces as values: what docs/format.md, "The index", calls footer, entry and member.
#ifndef VOLSTREAM_STAGES_INDEX_FORMAT_H_
#define VOLSTREAM_STAGES_INDEX_FORMAT_H_

#include <cstdint>

#include "stages/archive_format.h"
#include "stages/entry_info.h"

namespace volstream {

struct IndexedEntry : EntryInfo {
  EntryPlace place;
  bool sparse = false;
};

// One member and the piece of the tar that it holds.
struct MemberExtent {
  uint64_t archive_offset = 0;
  uint64_t archive_bytes = 0;  // with header and trailer
  uint64_t tar_offset = 0;
  uint64_t tar_bytes = 0;

  friend bool operator==(const MemberExtent&, const MemberExtent&) = default;
};

struct IndexFooter {
  ArchiveFormat format = ArchiveFormat::kGzip;  // of the archive: how the footer itself is kept
  uint64_t index_offset = 0;                    // in the archive: where the members with data end
  uint64_t index_bytes = 0;                     // up to the footer's own member
  uint64_t directory_offset = 0;
  uint64_t directory_bytes = 0;
  uint64_t directory_xxh3 = 0;  // of the payload that its members carry
  uint64_t tar_bytes = 0;       // of the whole stream, end mark included
  uint64_t entry_count = 0;
  uint64_t member_count = 0;
  uint32_t max_member_bytes = 0;      // of the largest member
  uint32_t max_member_tar_bytes = 0;  // of the most that one holds
  // The stream is a tar made from a plan: sorted by path, each path once, of the dialect that
  // docs/format.md describes. Else it came from elsewhere and may be any tar.
  bool own_tar = false;
  // The stream is no tar; there are no entries.
  bool raw = false;
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_INDEX_FORMAT_H_
