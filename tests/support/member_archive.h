// Archives in memory, member by member, as the backup engine makes them.
#ifndef VOLSTREAM_TESTS_SUPPORT_MEMBER_ARCHIVE_H_
#define VOLSTREAM_TESTS_SUPPORT_MEMBER_ARCHIVE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "stages/index_format.h"

namespace volstream {

// One gzip member with the `VS` field that holds these bytes.
std::string MemberOf(std::string_view data);
// A member without data whose extra field has one subfield: `VI` and such, as the index's have.
std::string IndexMemberOf(std::string_view id, std::string_view payload);

struct MemberArchive {
  std::string bytes;  // of the archive
  std::string tar;
  std::vector<MemberExtent> members;  // those with data

  void Add(std::string_view data);
};

// Of these blocks, one member each.
MemberArchive ArchiveOf(const std::vector<std::string>& blocks);
// Of `count` blocks of text and random bytes, of many sizes up to max_bytes, all multiples of 512.
MemberArchive RandomArchive(uint64_t seed, size_t count, size_t max_bytes);
// What a backup of the directory `path` would store, in blocks of 1 MiB; no index.
MemberArchive ArchiveOfTree(const std::string& path);

}  // namespace volstream

#endif  // VOLSTREAM_TESTS_SUPPORT_MEMBER_ARCHIVE_H_
