// What tests need to know of archives on disk: which are there, what their receipts say, and how
// their gzip members lie.
#ifndef VOLSTREAM_TESTS_SUPPORT_ARCHIVE_H_
#define VOLSTREAM_TESTS_SUPPORT_ARCHIVE_H_

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/cli.h"

namespace volstream {

inline constexpr std::string_view kArchiveEnding = ".tar.gz";
inline constexpr std::string_view kZstdArchiveEnding = ".tar.zst";
inline constexpr std::string_view kReceiptEnding = ".receipt.json";

// `volstream backup SOURCE --to DESTINATION EXTRA...`; fails the test unless it exits with 0.
// Returns the path of the one archive that is new in the directory DESTINATION.
std::string BackUp(const std::string& source, const std::string& destination,
                   const std::vector<std::string>& extra = {});

// Names of the archives in a directory, sorted (which is oldest first for one NAME).
std::vector<std::string> ArchivesIn(const std::string& directory);
// Names that a run leaves when it does not clean up: dot-files, and archives without a receipt.
std::vector<std::string> LeftoversIn(const std::string& directory);

// The receipt beside an archive, parsed; null, with a failure, if it is missing or not JSON.
nlohmann::json ReceiptOf(const std::string& archive_path);

// Gives the archive NAME_OLD.tar.gz (or .tar.zst), and its receipt, a second life under the
// timestamp `stamp` (YYYYMMDD_HHMMSS); the receipt names the copy. Returns the copy's name.
std::string CopyAsBackupOf(const std::string& archive_path, const std::string& stamp);

std::string Md5Hex(std::string_view bytes);
// NAME of NAME_YYYYMMDD_HHMMSS.tar.gz or .tar.zst, or empty if `archive` is not such a name.
std::string NameOfArchive(const std::string& archive);

struct GzipMember {
  uint64_t offset = 0;  // in the file
  uint64_t compressed_bytes = 0;
  uint64_t uncompressed_bytes = 0;
  uint64_t xxh3 = 0;  // of the uncompressed bytes
};

// Walks the file by nothing but the sizes in the members' VS fields (docs/format.md), up to the
// index. `problem` is empty if that, and the index's own members, lead exactly to the file's end.
struct MemberWalk {
  std::vector<GzipMember> members;
  std::string problem;
};
MemberWalk WalkMembers(std::string_view file);

}  // namespace volstream

#endif  // VOLSTREAM_TESTS_SUPPORT_ARCHIVE_H_
