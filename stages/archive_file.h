// ArchiveFile: one archive at rest, at any destination, read at random.
#ifndef VOLSTREAM_STAGES_ARCHIVE_FILE_H_
#define VOLSTREAM_STAGES_ARCHIVE_FILE_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/bytes.h"
#include "stages/storage.h"

namespace volstream {

// Threads: safe for concurrent calls. The storage, which must outlive it, tries failed reads again
// by itself.
class ArchiveFile {
 public:
  // Asks the storage for the size. Errors: as Storage::Stat.
  static absl::StatusOr<std::unique_ptr<ArchiveFile>> Open(Storage* storage, std::string name);

  const std::string& name() const { return name_; }
  // As a person writes it, for messages.
  std::string Url() const { return storage_->UrlOf(name_); }
  Storage* storage() const { return storage_; }
  uint64_t bytes() const { return info_.bytes; }
  const ObjectInfo& info() const { return info_; }

  // What a parser says of the archive's bytes, which does not know whose they are: kDataLoss gets
  // Url() put before its message, unless that is in it. All else stays as it is.
  absl::Status Located(const absl::Status& status) const;

  // Fills all of `out` from `offset`. ErrorKind::kIntegrity, kDataLoss, if the archive ends before.
  absl::Status ReadAt(uint64_t offset, MutableByteSpan out);

  // Reads so far, and the bytes that they gave.
  uint64_t reads() const { return reads_.load(); }
  uint64_t bytes_read() const { return bytes_read_.load(); }

 private:
  ArchiveFile(Storage* storage, std::string name, ObjectInfo info)
      : storage_(storage), name_(std::move(name)), info_(std::move(info)) {}

  Storage* const storage_;
  const std::string name_;
  const ObjectInfo info_;
  std::atomic<uint64_t> reads_{0};
  std::atomic<uint64_t> bytes_read_{0};
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_ARCHIVE_FILE_H_
