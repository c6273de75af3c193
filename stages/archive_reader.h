// ArchiveReader reads one object of a storage from its first byte to its last and keeps its MD5.
#ifndef VOLSTREAM_STAGES_ARCHIVE_READER_H_
#define VOLSTREAM_STAGES_ARCHIVE_READER_H_

#include <cstdint>
#include <future>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/bytes.h"
#include "stages/digest.h"
#include "stages/storage.h"

namespace volstream {

// Reads one chunk ahead on a thread of its own, so that the network and the reader's work overlap.
// Memory: two chunks. Threads: one at a time. The storage must outlive it.
class ArchiveReader {
 public:
  static constexpr size_t kChunkBytes = 8 * kMiB;

  ArchiveReader(Storage* storage, std::string name);
  ~ArchiveReader();

  // The next bytes; empty at the end. Valid until the next call.
  absl::StatusOr<ByteSpan> Next();

  uint64_t bytes_read() const { return bytes_read_; }
  // Lower-case hexadecimal MD5 of all that was read. Ends the reading.
  std::string FinishMd5() { return ToHex(md5_.Finish()); }

 private:
  void Fetch();

  Storage* const storage_;
  const std::string name_;
  std::vector<uint8_t> current_;
  std::vector<uint8_t> ahead_;
  std::future<absl::StatusOr<size_t>> fetch_;  // fills ahead_
  uint64_t next_offset_ = 0;
  uint64_t bytes_read_ = 0;
  bool ended_ = false;
  Md5Stream md5_;
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_ARCHIVE_READER_H_
