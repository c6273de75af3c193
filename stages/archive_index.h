// ArchiveIndex reads the index behind an archive's tar stream: which entries there are, and which
// members hold which bytes of the tar. Reads only the pages that a question needs.
// Layout: docs/format.md, "The index".
//
// Nothing in it is trusted: pages carry hashes, every length and offset is checked against what
// surrounds it, and who restores compares what the index says with the tar.
//
// Threads: one at a time. Memory: the directory (about 50 bytes for 1,000 entries), one window of
// pages of at most kWindowBytes, one page inflated.
// Errors: ErrorKind::kIntegrity, naming the archive, for an index that is damaged; what the storage
// says, unchanged, where that fails.
#ifndef VOLSTREAM_STAGES_ARCHIVE_INDEX_H_
#define VOLSTREAM_STAGES_ARCHIVE_INDEX_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "stages/archive_file.h"
#include "stages/entry_info.h"
#include "stages/index_directory.h"
#include "stages/index_format.h"
#include "stages/index_page.h"

namespace volstream {

// Visitors end the walk with any error; this one, kCancelled without a kind, is how a visitor says
// that it has seen enough, and makes the walk return OK.
absl::Status StopVisiting();

class ArchiveIndex {
 public:
  static constexpr size_t kWindowBytes = kMiB;
  using EntryVisitor = std::function<absl::Status(const IndexedEntry& entry)>;

  // Reads the footer and the directory, by one request for most archives. kNotFound if the archive
  // has no index: a foreign one, or one that was cut off. The file must outlive it.
  static absl::StatusOr<std::unique_ptr<ArchiveIndex>> Open(ArchiveFile* file);

  // Walks entries in the order of the tar. One at a time of an index, as it uses the index's
  // window.
  class Cursor {
   public:
    // The next entry, null at the end; valid until the next call.
    absl::StatusOr<const IndexedEntry*> Next();

   private:
    friend class ArchiveIndex;
    Cursor(ArchiveIndex* index, size_t first, size_t last, std::string path)
        : index_(index), page_(first), last_(last), path_(std::move(path)) {}
    absl::StatusOr<const IndexedEntry*> Read();
    absl::Status OpenPage();
    absl::Status ClosePage();

    ArchiveIndex* const index_;
    size_t page_;  // the next one
    const size_t last_;
    const std::string path_;  // under which entries are given
    std::optional<EntryPageReader> reader_;
    bool first_ = false;  // of a page
  };

  const IndexFooter& footer() const { return footer_; }
  ArchiveFile* file() const { return file_; }

  // All entries, or those that ForEachUnder visits.
  Cursor Entries(std::string_view path = {});

  // All entries, in the order of the tar.
  absl::Status ForEach(const EntryVisitor& visit);
  // The entry of this path and all that lie below it, in the order of the tar; all of them for an
  // empty path. Where the tar is sorted (footer), only the pages that may have some are read.
  absl::Status ForEachUnder(std::string_view path, const EntryVisitor& visit);
  // The last entry of exactly this path.
  absl::StatusOr<std::optional<IndexedEntry>> Find(std::string_view path);

  // The members that hold the tar's bytes from `begin` to `end`, in their order; none for an empty
  // range. REQUIRES: begin <= end <= footer().tar_bytes.
  absl::StatusOr<std::vector<MemberExtent>> MembersOf(uint64_t begin, uint64_t end);
  // All members, in their order.
  absl::Status ForEachMember(const std::function<absl::Status(const MemberExtent&)>& visit);

 private:
  ArchiveIndex(ArchiveFile* file, IndexFooter footer) : file_(file), footer_(footer) {}
  absl::Status ReadDirectory();
  // The archive's bytes of the index, from what was read last where they are in it; else up to
  // `ahead` bytes are read at once. Valid until the next call.
  absl::StatusOr<ByteSpan> Read(uint64_t offset, uint64_t bytes, uint64_t ahead);
  // A page's raw bytes. `window_end`: up to which offset pages will be asked for.
  absl::StatusOr<std::string> ReadPage(const IndexDirectory::Page& page, uint64_t window_end);
  absl::StatusOr<std::vector<MemberExtent>> ReadMemberPage(size_t index, uint64_t window_end);
  // kDataLoss of the parsers, with the archive's name and kind of error.
  absl::Status Located(const absl::Status& status) const;

  ArchiveFile* const file_;
  const IndexFooter footer_;
  IndexDirectory directory_;
  std::vector<uint8_t> window_;  // a piece of the archive
  uint64_t window_offset_ = 0;
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_ARCHIVE_INDEX_H_
