#include "stages/archive_reader.h"

#include <utility>

namespace volstream {

ArchiveReader::ArchiveReader(Storage* storage, std::string name)
    : storage_(storage), name_(std::move(name)), current_(kChunkBytes), ahead_(kChunkBytes) {
  Fetch();
}

ArchiveReader::~ArchiveReader() {
  if (fetch_.valid()) fetch_.wait();
}

void ArchiveReader::Fetch() {
  fetch_ = std::async(std::launch::async, [this, offset = next_offset_] {
    return storage_->ReadAt(name_, offset, MutableByteSpan(ahead_));
  });
}

absl::StatusOr<ByteSpan> ArchiveReader::Next() {
  if (ended_) return ByteSpan();
  absl::StatusOr<size_t> bytes = fetch_.get();
  if (!bytes.ok()) {
    ended_ = true;
    return bytes.status();
  }
  std::swap(current_, ahead_);
  next_offset_ += *bytes;
  bytes_read_ += *bytes;
  ended_ = *bytes < kChunkBytes;
  if (!ended_) Fetch();
  const ByteSpan chunk = ByteSpan(current_).first(*bytes);
  md5_.Update(chunk);
  return chunk;
}

}  // namespace volstream
