#include "stages/restore_raw.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "engine/status_macros.h"
#include "stages/beneath.h"
#include "stages/error_kind.h"
#include "stages/gzip_reader.h"
#include "stages/local_file.h"
#include "stages/restore_target.h"

namespace volstream {
namespace {

absl::Status CopyTo(int fd, ArchiveReader* reader, const std::string& url, const std::string& what,
                    const RestoreOptions& options, RestoreReport* report) {
  GzipReader inflater([reader] { return reader->Next(); });
  while (true) {
    if (options.cancelled != nullptr && options.cancelled->load()) {
      return InterruptedError();
    }
    const absl::StatusOr<ByteSpan> bytes = inflater.Next();
    if (absl::IsDataLoss(bytes.status())) {
      return MakeError(ErrorKind::kIntegrity, absl::StatusCode::kDataLoss,
                       absl::StrCat(url, " is damaged (", bytes.status().message(), "), after ",
                                    report->file_bytes, " bytes"));
    }
    VS_RETURN_IF_ERROR(bytes.status());
    if (bytes->empty()) return absl::OkStatus();
    VS_RETURN_IF_ERROR(WriteAt(fd, report->file_bytes, *bytes, what));
    report->file_bytes += bytes->size();
  }
}

}  // namespace

absl::StatusOr<RestoreReport> RestoreRaw(ArchiveReader* reader, const std::string& url,
                                         const std::string& name, const RestoreOptions& options) {
  VS_ASSIGN_OR_RETURN(const RestoreTarget prepared,
                      PrepareTarget(options.target, options.overwrite));
  const std::string& target = prepared.path;
  const std::string what = absl::StrCat("cannot write ", target, "/", name);
  const UniqueFd directory(open(target.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory.valid()) return FileError(errno, absl::StrCat("target ", target));
  const std::string partial = PartialNameOf(name);
  unlinkat(directory.get(), partial.c_str(), 0);
  const UniqueFd file(openat(directory.get(), partial.c_str(),
                             O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file.valid()) return FileError(errno, what);
  RestoreReport report;
  absl::Status status = CopyTo(file.get(), reader, url, what, options, &report);
  if (status.ok()) {
    status = Publish(directory.get(), file.get(), partial, name, options.overwrite, what);
  }
  if (!status.ok()) {
    unlinkat(directory.get(), partial.c_str(), 0);
    return status;
  }
  report.entries = 1;
  report.archive_bytes = reader->bytes_read();
  return report;
}

}  // namespace volstream
