#include "stages/archive_file.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "engine/status_macros.h"
#include "stages/error_kind.h"

namespace volstream {

absl::StatusOr<std::unique_ptr<ArchiveFile>> ArchiveFile::Open(Storage* storage, std::string name) {
  VS_ASSIGN_OR_RETURN(ObjectInfo info, storage->Stat(name));
  return std::unique_ptr<ArchiveFile>(new ArchiveFile(storage, std::move(name), std::move(info)));
}

absl::Status ArchiveFile::Located(const absl::Status& status) const {
  if (!absl::IsDataLoss(status) || absl::StrContains(status.message(), Url())) return status;
  return WithContext(status, Url());
}

absl::Status ArchiveFile::ReadAt(uint64_t offset, MutableByteSpan out) {
  if (out.empty()) return absl::OkStatus();
  reads_.fetch_add(1);
  VS_ASSIGN_OR_RETURN(const size_t bytes, storage_->ReadAt(name_, offset, out));
  bytes_read_.fetch_add(bytes);
  if (bytes == out.size()) return absl::OkStatus();
  return MakeError(ErrorKind::kIntegrity, absl::StatusCode::kDataLoss,
                   absl::StrCat(Url(), " is cut off: it ends at byte ", offset + bytes,
                                ", which lies before byte ", offset + out.size()));
}

}  // namespace volstream
