#include "stages/tar_source.h"

#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/status_macros.h"

namespace volstream {

absl::StatusOr<BlockTicket> TarSource::Next(MutableByteSpan space) {
  BlockTicket ticket;
  ticket.offset = next_offset_;
  uint64_t end = std::min(next_offset_ + space.size(), plan_->tar_bytes());
  const Chunked<VolumePlan::Entry>& entries = plan_->entries();
  for (; next_large_ < entries.size(); ++next_large_) {
    const VolumePlan::Entry& entry = entries[next_large_];
    if (entry.data_offset() >= end) break;
    if (entry.bytes >= space.size() && entry.data_offset() > next_offset_) {
      end = entry.data_offset();
      break;
    }
  }
  ticket.bytes = static_cast<size_t>(end - next_offset_);
  next_offset_ = end;
  return ticket;
}

absl::StatusOr<size_t> TarSource::Fill(const BlockTicket& ticket, MutableByteSpan space) {
  const Chunked<VolumePlan::Entry>& entries = plan_->entries();
  const uint64_t end = ticket.offset + ticket.bytes;
  uint64_t offset = ticket.offset;
  size_t written = 0;
  std::unique_ptr<Work> work = idle_.Take();
  if (work == nullptr) work = std::make_unique<Work>(&files_);
  for (size_t index = plan_->IndexAt(offset); index < entries.size() && offset < end; ++index) {
    const size_t range = static_cast<size_t>(std::min(entries[index].end_offset(), end) - offset);
    written +=
        FillEntry(static_cast<uint32_t>(index), offset, range, space.subspan(written), work.get());
    offset += range;
  }
  work->batch.Collect();
  const absl::Status status = std::exchange(work->status, absl::OkStatus());
  idle_.Return(std::move(work));
  VS_RETURN_IF_ERROR(status);
  // The end mark, or what of it falls into this block.
  const size_t mark = static_cast<size_t>(end - offset);
  std::memset(space.data() + written, 0, mark);
  return written + mark;
}

void TarSource::LeaveOut(uint32_t index) {
  MutexLock lock(&mu_);
  left_out_.push_back(index);
}

std::vector<uint32_t> TarSource::LeftOut() const {
  MutexLock lock(&mu_);
  return left_out_;
}

size_t TarSource::FillWholeFile(uint32_t index, MutableByteSpan out, Work* work) {
  const VolumePlan::Entry& entry = plan_->entries()[index];
  if (!work->batch.Read(index, out.subspan(entry.header_bytes, entry.bytes))) {
    LeaveOut(index);
    return 0;
  }
  const std::string_view header = plan_->HeaderOf(index, &work->header);
  std::memcpy(out.data(), header.data(), header.size());
  const size_t data_end = header.size() + entry.bytes;
  const size_t end = header.size() + TarPadded(entry.bytes);
  std::memset(out.data() + data_end, 0, end - data_end);
  return end;
}

size_t TarSource::FillEntry(uint32_t index, uint64_t offset, size_t range_bytes,
                            MutableByteSpan out, Work* work) {
  const VolumePlan::Entry& entry = plan_->entries()[index];
  std::shared_ptr<VolumeFiles::File> file;
  const bool links_to_file =
      entry.link_to != VolumePlan::kNone && S_ISREG(plan_->entries()[entry.link_to].mode);
  const SpoolFile* const snapshot = plan_->SnapshotOf(entry);
  // Empty files too: one may have got its content since.
  if (snapshot == nullptr && S_ISREG(entry.mode) && entry.link_to == VolumePlan::kNone) {
    const bool whole = range_bytes == entry.end_offset() - entry.tar_offset;
    if (whole && !entry.has_links && plan_->SparseOf(entry) == nullptr) {
      return FillWholeFile(index, out, work);
    }
    file = files_.Open(index);
    if (!file->present()) {
      if (offset == entry.tar_offset) LeaveOut(index);
      files_.Produced(index, file, range_bytes);
      return 0;
    }
  } else if (links_to_file && !files_.IsPresent(entry.link_to)) {
    // Once, though its header may lie in several blocks.
    if (offset == entry.tar_offset) {
      LeaveOut(index);
      warnings_->Add(plan_->PathOf(index),
                     "is a hard link to a file that was left out; left out too");
    }
    return 0;
  }
  size_t written = 0;
  uint64_t in_entry = offset - entry.tar_offset;
  if (in_entry < entry.header_bytes) {
    const std::string_view header = plan_->HeaderOf(index, &work->header);
    const size_t count = std::min<uint64_t>(header.size() - in_entry, range_bytes);
    std::memcpy(out.data(), header.data() + in_entry, count);
    written += count;
    in_entry += count;
  }
  const uint64_t in_data = in_entry - entry.header_bytes;
  if (written < range_bytes && in_data < entry.bytes) {
    const size_t count = std::min<uint64_t>(entry.bytes - in_data, range_bytes - written);
    if (snapshot != nullptr) {
      const absl::Status status = snapshot->Read(in_data, out.subspan(written, count));
      if (work->status.ok()) work->status = WithContext(status, plan_->PathOf(index));
    } else {
      files_.Read(index, file.get(), in_data, out.subspan(written, count));
    }
    written += count;
  }
  std::memset(out.data() + written, 0, range_bytes - written);
  if (file != nullptr) files_.Produced(index, file, range_bytes);
  return range_bytes;
}

}  // namespace volstream
