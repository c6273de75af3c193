// Archives in memory, member by member, as the backup engine makes them.
#ifndef VOLSTREAM_TESTS_SUPPORT_MEMBER_ARCHIVE_H_
#define VOLSTREAM_TESTS_SUPPORT_MEMBER_ARCHIVE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "stages/archive_format.h"
#include "stages/index_format.h"

namespace volstream {

// One member with the `VS` data that holds these bytes.
std::string MemberOf(std::string_view data, ArchiveFormat format = ArchiveFormat::kGzip);
// A member without data whose extra field has one subfield, or whose frame is skippable: `VI` and
// such, as the index's have.
std::string IndexMemberOf(std::string_view id, std::string_view payload,
                          ArchiveFormat format = ArchiveFormat::kGzip);
// For the names of tests that run over both formats.
inline constexpr auto kFormatTestName = [](const auto& info) {
  return std::string(FormatName(info.param));
};

struct MemberArchive {
  ArchiveFormat format = ArchiveFormat::kGzip;
  std::string bytes = {};  // of the archive
  std::string tar = {};
  std::vector<MemberExtent> members = {};  // those with data

  void Add(std::string_view data);
};

// Of these blocks, one member each.
MemberArchive ArchiveOf(const std::vector<std::string>& blocks,
                        ArchiveFormat format = ArchiveFormat::kGzip);
// Of `count` blocks of text and random bytes, of many sizes up to max_bytes, all multiples of 512.
MemberArchive RandomArchive(uint64_t seed, size_t count, size_t max_bytes,
                            ArchiveFormat format = ArchiveFormat::kGzip);
// What a backup of the directory `path` would store, in blocks of 1 MiB; no index.
MemberArchive ArchiveOfTree(const std::string& path, ArchiveFormat format = ArchiveFormat::kGzip);

}  // namespace volstream

#endif  // VOLSTREAM_TESTS_SUPPORT_MEMBER_ARCHIVE_H_
