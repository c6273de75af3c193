// The pages of the index: runs of entries or members, column by column, as docs/format.md, "The
// index", has them. Functions and builders without I/O; what is parsed is trusted in nothing.
#ifndef VOLSTREAM_STAGES_INDEX_PAGE_H_
#define VOLSTREAM_STAGES_INDEX_PAGE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/bytes.h"
#include "stages/index_format.h"
#include "stages/little_endian.h"

namespace volstream {

// Order of an own tar: component by component as bytes, so '/' comes before every other byte.
// Negative, zero or positive.
int ComparePaths(std::string_view a, std::string_view b);

// Whether `path` is `directory` or lies below it; everything lies below the root.
bool IsUnder(std::string_view path, std::string_view directory);

// Of one path, and of a link's target: names of any length are allowed, but no file system has one
// of this.
inline constexpr uint64_t kMaxIndexedPathBytes = kMiB;
// A reader takes pages of up to so many members; a writer makes smaller ones.
inline constexpr uint64_t kMaxPageMembers = 65'536;

// Collects entries, one after another in the tar.
class EntryPageBuilder {
 public:
  // A page is full with this many, or with this many bytes.
  static constexpr size_t kMaxEntries = 4096;
  static constexpr size_t kFullBytes = 256 * kKiB;

  // REQUIRES: !full(); the entry begins where the one before it ends, or is the page's first.
  void Add(const IndexedEntry& entry);

  size_t count() const { return count_; }
  bool full() const;
  const std::string& first_path() const { return first_path_; }
  uint64_t first_tar_offset() const { return first_tar_offset_; }
  // The page, and the builder as new.
  std::string Take();

 private:
  size_t count_ = 0;
  std::string first_path_;
  uint64_t first_tar_offset_ = 0;
  std::string last_path_;
  int64_t last_time_ns_ = 0;
  // Columns.
  std::string shared_, suffix_bytes_, suffixes_, kinds_, modes_, uids_, gids_, headers_, sizes_,
      times_, stored_, odd_times_, target_bytes_, targets_;
};

// Walks a page.
class EntryPageReader {
 public:
  // `tar_offset`: of the page's first entry. kDataLoss unless the page has `count` entries.
  static absl::StatusOr<EntryPageReader> Make(std::string page, uint64_t tar_offset,
                                              uint64_t count);
  EntryPageReader(EntryPageReader&&) = default;
  EntryPageReader& operator=(EntryPageReader&&) = default;

  // Entries that are left.
  uint64_t left() const { return left_; }
  // The next one; valid until the next call. kDataLoss for one that cannot be. REQUIRES: left() >
  // 0.
  absl::StatusOr<const IndexedEntry*> Next();
  // kDataLoss unless the columns ended with the last entry. REQUIRES: left() == 0.
  absl::Status Finish() const;
  // Of the end of the last entry.
  uint64_t tar_offset() const { return tar_offset_; }

 private:
  static constexpr size_t kColumns = 14;
  explicit EntryPageReader(std::string page) : page_(std::make_unique<std::string>(page)) {}
  absl::Status Parse();

  std::unique_ptr<const std::string> page_;  // which the columns are pieces of
  std::vector<ByteCursor> columns_;
  uint64_t left_ = 0;
  uint64_t tar_offset_ = 0;
  int64_t time_ns_ = 0;
  IndexedEntry entry_;
};

class MemberPageBuilder {
 public:
  static constexpr size_t kMaxMembers = 4096;

  void Add(uint32_t archive_bytes, uint32_t tar_bytes);

  size_t count() const { return count_; }
  bool full() const { return count_ == kMaxMembers; }
  uint64_t archive_bytes() const { return archive_sum_; }
  uint64_t tar_bytes() const { return tar_sum_; }
  std::string Take();

 private:
  size_t count_ = 0;
  uint64_t archive_sum_ = 0;
  uint64_t tar_sum_ = 0;
  std::string archive_sizes_, tar_sizes_;
};

// The members of a page whose first one begins at these offsets. kDataLoss unless there are
// `count`, none is empty, and the last one ends at the other two.
absl::StatusOr<std::vector<MemberExtent>> ParseMemberPage(ByteSpan page, uint64_t count,
                                                          uint64_t archive_offset,
                                                          uint64_t tar_offset, uint64_t archive_end,
                                                          uint64_t tar_end);

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_INDEX_PAGE_H_
