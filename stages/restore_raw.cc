#include "stages/restore_raw.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "engine/status_macros.h"
#include "stages/beneath.h"
#include "stages/error_kind.h"
#include "stages/local_file.h"
#include "stages/new_name.h"
#include "stages/restore_target.h"

namespace volstream {
namespace {

// Nowhere if fd is negative.
absl::Status CopyTo(int fd, TarInput* input, const std::string& url, const std::string& what,
                    const RestoreOptions& options, RestoreReport* report) {
  while (true) {
    if (options.cancelled != nullptr && options.cancelled->load()) {
      return InterruptedError();
    }
    const absl::StatusOr<SharedBytes> piece = input->Next();
    if (absl::IsDataLoss(piece.status())) {
      return MakeError(ErrorKind::kIntegrity, absl::StatusCode::kDataLoss,
                       absl::StrCat(url, " is damaged (", piece.status().message(), "), after ",
                                    report->file_bytes, " bytes"));
    }
    VS_RETURN_IF_ERROR(piece.status());
    const ByteSpan bytes = piece->bytes;
    if (bytes.empty()) return absl::OkStatus();
    if (bytes.size() > options.max_file_bytes - report->file_bytes) {
      return absl::ResourceExhaustedError(absl::StrCat("the file is more than the ",
                                                       options.max_file_bytes,
                                                       " bytes that --max-size allows: raise it"));
    }
    if (fd >= 0) VS_RETURN_IF_ERROR(WriteAt(fd, report->file_bytes, bytes, what));
    report->file_bytes += bytes.size();
  }
}

// Whether the file that is there, if there is one, stays.
bool IsKept(int directory_fd, const ArchiveName& name, Overwrite overwrite) {
  struct stat there {};
  if (fstatat(directory_fd, name.stem.c_str(), &there, AT_SYMLINK_NOFOLLOW) != 0) return false;
  const NameRules rules{.overwrite = overwrite, .mtime = absl::ToTimespec(name.time)};
  return Decide(rules, there) == Precedence::kKeep;
}

// Only reads, so that what is damaged is found.
absl::StatusOr<RestoreReport> DryRun(TarInput* input, const std::string& url,
                                     const ArchiveName& name, const RestoreOptions& options) {
  RestoreReport report;
  VS_RETURN_IF_ERROR(CopyTo(-1, input, url, "", options, &report));
  if (options.on_entry) VS_RETURN_IF_ERROR(options.on_entry(name.stem));
  report.file_bytes = 0;
  report.entries = 1;
  return report;
}

absl::StatusOr<RestoreReport> WriteFile(TarInput* input, const std::string& url,
                                        const ArchiveName& name, const RestoreOptions& options,
                                        const std::function<absl::Status()>& check) {
  if (options.before_write) VS_RETURN_IF_ERROR(options.before_write());
  VS_ASSIGN_OR_RETURN(const RestoreTarget target,
                      PrepareTarget(options.target, options.overwrite != Overwrite::kRefuse));
  const std::string what = absl::StrCat("cannot write ", target.path, "/", name.stem);
  const UniqueFd directory(open(target.path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory.valid()) return FileError(errno, absl::StrCat("target ", target.path));
  RestoreReport report;
  report.entries = 1;
  if (IsKept(directory.get(), name, options.overwrite)) {
    report.kept = 1;
    VS_RETURN_IF_ERROR(CopyTo(-1, input, url, "", options, &report));
    VS_RETURN_IF_ERROR(check());
    report.file_bytes = 0;
    return report;
  }
  const std::string partial = PartialNameOf(name.stem);
  unlinkat(directory.get(), partial.c_str(), 0);
  const UniqueFd file(openat(directory.get(), partial.c_str(),
                             O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file.valid()) return FileError(errno, what);
  absl::Status status = CopyTo(file.get(), input, url, what, options, &report);
  if (status.ok()) status = check();
  if (status.ok()) {
    status = Publish(directory.get(), file.get(), partial, name.stem,
                     options.overwrite != Overwrite::kRefuse, what);
  }
  if (!status.ok()) {
    unlinkat(directory.get(), partial.c_str(), 0);
    return status;
  }
  if (options.on_entry) VS_RETURN_IF_ERROR(options.on_entry(name.stem));
  return report;
}

}  // namespace

absl::StatusOr<RestoreReport> RestoreRaw(TarInput* input, const std::string& url,
                                         const ArchiveName& name, const RestoreOptions& options,
                                         const std::function<absl::Status()>& check) {
  if (!options.patterns.empty() || options.strip_components > 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(url, " is one file and no tree: restore it without PATH and --strip"));
  }
  if (options.open_writer && !options.dry_run) {
    return absl::UnimplementedError(absl::StrCat(url, " is one file and no tree, which ",
                                                 options.target,
                                                 " cannot be given: restore it into a directory"));
  }
  return options.dry_run ? DryRun(input, url, name, options)
                         : WriteFile(input, url, name, options, check);
}

}  // namespace volstream
