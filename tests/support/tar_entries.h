// What TarReader finds in a tar that is cut into chunks of any length, kept and put into words.
#ifndef VOLSTREAM_TESTS_SUPPORT_TAR_ENTRIES_H_
#define VOLSTREAM_TESTS_SUPPORT_TAR_ENTRIES_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "stages/entry_reader.h"

namespace volstream {

// A tar in chunks. Each lies in memory of its own and of just its size, and is gone with its last
// owner, so that a sanitizer sees who reads beyond or too late.
class CutInput : public TarInput {
 public:
  // Ends with `end`, if that is an error. The text must outlive it. REQUIRES: chunk_bytes > 0.
  CutInput(std::string_view tar, size_t chunk_bytes, absl::Status end = absl::OkStatus())
      : rest_(tar), chunk_bytes_(chunk_bytes), end_(std::move(end)) {}
  absl::StatusOr<SharedBytes> Next() override;
  void Cancel() override {}

 private:
  std::string_view rest_;
  const size_t chunk_bytes_;
  const absl::Status end_;
};

struct FoundEntry {
  RestoreEntry entry;
  EntryPlace place;
  std::string odd;
  // The content's pieces by their offsets; those that touch are one.
  std::vector<std::pair<uint64_t, std::string>> content;
};

// All that one may want to compare, a line; contents by their MD5.
std::string TextOf(const FoundEntry& found);
std::vector<std::string> TextsOf(const std::vector<FoundEntry>& entries);

struct FoundTar {
  std::vector<FoundEntry> entries;
  absl::Status status;  // what ended it
};

struct TarReading {
  size_t chunk_bytes = 4096;
  uint64_t tar_offset = 0;
  bool fragment = false;
  bool with_content = true;
};

// Fails the test where pieces do not rise, are empty or go beyond the file's end.
FoundTar FindEntries(std::string_view tar, const TarReading& how = {});

}  // namespace volstream

#endif  // VOLSTREAM_TESTS_SUPPORT_TAR_ENTRIES_H_
