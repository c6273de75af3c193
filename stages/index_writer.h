// IndexWriter makes an archive's index: it notes the members as they pass, and writes pages,
// directory and footer behind them. Layout: docs/format.md, "The index".
//
// Memory: the finished pages of members (about 3 bytes a MiB of tar), one page of entries, and,
// where entries come while the stream passes, their finished pages (about 13 bytes an entry).
// Threads: as the interfaces say; Add is the source thread's.
#ifndef VOLSTREAM_STAGES_INDEX_WRITER_H_
#define VOLSTREAM_STAGES_INDEX_WRITER_H_

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/stage.h"
#include "stages/archive_format.h"
#include "stages/index_directory.h"
#include "stages/index_format.h"
#include "stages/index_page.h"

namespace volstream {

// What kind of stream the archive holds; see IndexFooter.
enum class IndexedStream { kOwnTar, kForeignTar, kRaw };

class IndexWriter : public StreamObserver, public StreamTail {
 public:
  // Puts the next entry of the tar into *entry; false after the last.
  using NextEntry = std::function<absl::StatusOr<bool>(IndexedEntry* entry)>;

  // `format` is the archive's. `max_bytes` is what MaxBytes returns. `next_entry` is asked when the
  // stream has ended, for entries behind those that were added; may be empty.
  IndexWriter(IndexedStream stream, ArchiveFormat format, uint64_t max_bytes, NextEntry next_entry);

  // Adds an entry, in the order of the tar, while the stream passes. What lies between it and the
  // one before counts as its header. kInternal if it begins before the other ends.
  absl::Status Add(IndexedEntry entry);

  absl::Status OnBlock(const BlockRecord& record, ByteSpan encoded) override;

  uint64_t MaxBytes() const override { return max_bytes_; }
  absl::StatusOr<size_t> Next(uint64_t encoded_offset, MutableByteSpan out) override;

  // Of the index with its footer, once it is written; 0 if there is none.
  uint64_t bytes() const { return left_out_.empty() ? bytes_ : 0; }
  // Why there is no index, as it would have what no reader takes; empty if there is one.
  const std::string& left_out() const { return left_out_; }
  uint64_t entries() const { return footer_.entry_count; }

 private:
  enum class Step { kEntries, kMembers, kDirectory, kFooter, kDone };

  // Keeps kResourceExhausted as the reason for no index.
  absl::Status LeaveOut(const absl::Status& status);
  // Appends a page to *pages, and notes in *page where it lies.
  absl::Status AppendPage(std::string_view raw, IndexDirectory::Page* page,
                          std::string* pages) const;
  absl::Status FinishEntryPage();
  absl::Status FinishMemberPage();
  absl::Status CheckDirectory() const;
  // Puts what comes next into ready_.
  absl::Status Refill();
  absl::Status RefillEntries();

  const uint64_t max_bytes_;
  const NextEntry next_entry_;
  IndexFooter footer_;
  IndexDirectory directory_;
  EntryPageBuilder entries_;
  MemberPageBuilder members_;
  uint64_t entries_end_ = 0;  // in the tar: of the last entry
  std::string entry_pages_;   // finished, not yet handed on
  std::string member_pages_;  // the same
  Step step_ = Step::kEntries;
  std::string ready_;
  size_t ready_used_ = 0;
  uint64_t bytes_ = 0;
  std::string left_out_;
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_INDEX_WRITER_H_
