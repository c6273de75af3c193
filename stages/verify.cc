#include "stages/verify.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>
#include <optional>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "engine/status_macros.h"
#include "stages/absl_text.h"
#include "stages/archive_file.h"
#include "stages/archive_name.h"
#include "stages/beneath.h"
#include "stages/deep_check.h"
#include "stages/error_kind.h"
#include "stages/local_file.h"
#include "stages/private_tree.h"
#include "stages/receipt.h"
#include "stages/restore.h"
#include "stages/sqlite_check.h"
#include "stages/warnings.h"

namespace volstream {
namespace {

constexpr const char* kLevelNames[] = {"quick", "deep", "drill"};

// A directory for one drill, removed with all that is in it. It is 0700 and stays so: what is
// restored lies one below, since an archive says of which owner and mode its own root is.
class Scratch {
 public:
  static absl::StatusOr<Scratch> Make(const std::string& parent) {
    std::string path = absl::StrCat(parent, "/volstream-drill-XXXXXX");
    if (mkdtemp(path.data()) == nullptr) {
      return WithKind(FileError(errno, absl::StrCat("cannot make a scratch directory in ", parent)),
                      ErrorKind::kPrerequisite);
    }
    UniqueFd fd(open(path.c_str(), kDirectory));
    if (!fd.valid()) {
      return WithKind(FileError(errno, path), ErrorKind::kPrerequisite);
    }
    Scratch scratch(std::move(path), std::move(fd));
    VS_RETURN_IF_ERROR(scratch.CheckPrivate());
    if (mkdirat(scratch.fd_.get(), "tree", S_IRWXU) != 0) {
      return FileError(errno, absl::StrCat("cannot make ", scratch.tree()));
    }
    return scratch;
  }
  Scratch(Scratch&& other) noexcept
      : path_(std::exchange(other.path_, "")), fd_(std::move(other.fd_)) {}
  ~Scratch() {
    if (path_.empty()) return;
    // What cannot be removed keeps the directory, too.
    std::ignore = EmptyPrivateTree(fd_.get());
    std::ignore = rmdir(path_.c_str());
  }

  std::string tree() const { return path_ + "/tree"; }
  absl::StatusOr<UniqueFd> OpenTree() const {
    VS_RETURN_IF_ERROR(CheckPrivate());
    UniqueFd tree(openat(fd_.get(), "tree", O_PATH | kDirectory));
    if (!tree.valid()) return FileError(errno, absl::StrCat("cannot open ", this->tree()));
    return tree;
  }

 private:
  static constexpr int kDirectory = O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

  Scratch(std::string path, UniqueFd fd) : path_(std::move(path)), fd_(std::move(fd)) {}

  // That the path still is the directory that was made, and nobody else may enter it.
  absl::Status CheckPrivate() const {
    struct stat made {};
    struct stat there {};
    if (fstat(fd_.get(), &made) == 0 && lstat(path_.c_str(), &there) == 0 &&
        made.st_dev == there.st_dev && made.st_ino == there.st_ino && made.st_uid == geteuid() &&
        (made.st_mode & 0777) == S_IRWXU) {
      return absl::OkStatus();
    }
    return MakeError(ErrorKind::kPrerequisite, absl::StatusCode::kFailedPrecondition,
                     absl::StrCat(path_,
                                  " is not a directory of this user alone: give a "
                                  "--scratch-dir that others may not change"));
  }

  std::string path_;
  UniqueFd fd_;
};

class Verifier {
 public:
  Verifier(Storage* storage, const std::string& name, const VerifyOptions& options)
      : storage_(storage), name_(name), options_(options) {}

  absl::StatusOr<Verification> Run();

 private:
  absl::Status ReadReceipt();
  void CompareWithReceipt(const ObjectInfo& info);
  absl::Status CheckDeep(ArchiveFile* file);
  absl::Status Drill();

  Storage* const storage_;
  const std::string& name_;
  const VerifyOptions& options_;
  std::optional<Receipt> receipt_;
  Verification result_;
};

absl::Status Verifier::ReadReceipt() {
  const absl::StatusOr<std::string> text = storage_->ReadAll(ReceiptNameOf(name_));
  if (absl::IsNotFound(text.status())) {
    if (options_.level != VerifyLevel::kQuick) return absl::OkStatus();
    return absl::FailedPreconditionError(
        absl::StrCat(storage_->UrlOf(name_),
                     " has no receipt to compare it with: --deep checks it "
                     "by itself"));
  }
  VS_RETURN_IF_ERROR(text.status());
  absl::StatusOr<Receipt> receipt = Receipt::FromJson(*text);
  if (receipt.ok()) {
    receipt_ = *std::move(receipt);
  } else {
    result_.AddError(
        absl::StrCat(ReceiptNameOf(storage_->UrlOf(name_)), ": ", receipt.status().message()));
  }
  return absl::OkStatus();
}

void Verifier::CompareWithReceipt(const ObjectInfo& info) {
  if (!receipt_.has_value()) return;
  const std::string url = storage_->UrlOf(name_);
  if (receipt_->archive != name_) {
    result_.AddError(absl::StrCat("the receipt beside ", url, " is that of ", receipt_->archive));
  }
  if (receipt_->bytes != info.bytes) {
    result_.AddError(
        absl::StrCat(url, " has ", info.bytes, " bytes, its receipt says ", receipt_->bytes));
  }
  // A copy made by another tool, in other parts, has another ETag and may still be sound.
  if (!receipt_->etag.empty() && !info.etag.empty() && receipt_->etag != info.etag) {
    result_.AddError(absl::StrCat(url, " has the ETag ", info.etag, ", its receipt says ",
                                  receipt_->etag,
                                  "; if it was copied in other parts, --deep tells"));
  }
}

absl::Status Verifier::CheckDeep(ArchiveFile* file) {
  const std::optional<ArchiveName> parsed = ArchiveName::Parse(name_);
  DeepCheckOptions options;
  options.memory_bytes = options_.memory_bytes;
  options.workers = options_.workers;
  options.connections = options_.connections;
  options.is_tar = !parsed.has_value() || parsed->kind == ArchiveKind::kTar;
  options.want_md5 = !receipt_.has_value() || !receipt_->md5.empty();
  options.cancelled = options_.cancelled;
  VS_ASSIGN_OR_RETURN(const DeepCheckResult deep, CheckDeeply(file, options, &result_));
  result_.archive_md5 = deep.md5;
  result_.archive_xxh3 = deep.xxh3;
  result_.bytes_read = file->bytes_read();
  if (!receipt_.has_value() || !deep.complete) return absl::OkStatus();
  const bool by_md5 = !receipt_->md5.empty();
  const std::string& found = by_md5 ? deep.md5 : deep.xxh3;
  const std::string& expected = by_md5 ? receipt_->md5 : receipt_->xxh3;
  if (found.empty()) {
    result_.AddError(
        absl::StrCat(file->Url(), " is not made of volstream's members, as its receipt says"));
  } else if (found != expected) {
    result_.AddError(absl::StrCat(file->Url(), ": bytes differ: its ", by_md5 ? "MD5" : "XXH3",
                                  " is ", found, ", its receipt says ", expected));
  }
  if (deep.tar_bytes != receipt_->tar_bytes) {
    result_.AddError(absl::StrCat(file->Url(), " holds ", deep.tar_bytes,
                                  " bytes of tar, its receipt says ", receipt_->tar_bytes));
  }
  return absl::OkStatus();
}

absl::Status Verifier::Drill() {
  VS_ASSIGN_OR_RETURN(const Scratch scratch, Scratch::Make(options_.scratch_directory));
  RestoreOptions restore;
  restore.target = scratch.tree();
  restore.owners = geteuid() == 0 ? Owners::kByNumber : Owners::kOwn;
  restore.cancelled = options_.cancelled;
  restore.memory_bytes = options_.memory_bytes;
  restore.connections = options_.connections;
  restore.on_warning = [this](std::string_view text) {
    if (options_.on_event) options_.on_event(Severity::kWarning, text);
  };
  const absl::Time begin = absl::Now();
  const absl::StatusOr<RestoreReport> report = RestoreArchive(storage_, name_, restore);
  result_.restore_seconds = absl::ToDoubleSeconds(absl::Now() - begin);
  if (!report.ok()) {
    if (KindOf(report.status()) != ErrorKind::kIntegrity) return report.status();
    result_.AddError(std::string(report.status().message()));
    return absl::OkStatus();
  }
  result_.bytes_read += report->archive_bytes;
  if (report->not_restored > 0) {
    result_.AddError(absl::StrCat(report->not_restored, " of ", report->entries,
                                  " entries could not be restored"));
  }
  VS_ASSIGN_OR_RETURN(const UniqueFd tree, scratch.OpenTree());
  return CheckSqliteDatabases(
             tree.get(), options_.cancelled,
             [this](std::string_view path, std::string_view what) {
               result_.AddError(absl::StrCat("the SQLite database ", PrintablePath(path),
                                             " does not pass integrity_check: ", ToAbsl(what)));
             })
      .status();
}

absl::StatusOr<Verification> Verifier::Run() {
  const absl::Time begin = absl::Now();
  result_.archive = name_;
  result_.level = kLevelNames[static_cast<int>(options_.level)];
  result_.version = VOLSTREAM_VERSION;
  VS_ASSIGN_OR_RETURN(const std::unique_ptr<ArchiveFile> file, ArchiveFile::Open(storage_, name_));
  result_.bytes = file->info().bytes;
  result_.etag = file->info().etag;
  result_.modified = file->info().modified;
  VS_RETURN_IF_ERROR(ReadReceipt());
  CompareWithReceipt(file->info());
  if (options_.level != VerifyLevel::kQuick) VS_RETURN_IF_ERROR(CheckDeep(file.get()));
  // What is damaged need not be tried.
  if (options_.level == VerifyLevel::kDrill && result_.error_count == 0) {
    VS_RETURN_IF_ERROR(Drill());
  }
  result_.ok = result_.error_count == 0;
  result_.checked = absl::Now();
  result_.seconds = absl::ToDoubleSeconds(result_.checked - begin);
  return std::move(result_);
}

}  // namespace

absl::StatusOr<Verification> VerifyArchive(Storage* storage, const std::string& name,
                                           const VerifyOptions& options) {
  return Verifier(storage, name, options).Run();
}

absl::StatusOr<std::optional<Verification>> RecordVerification(Storage* storage,
                                                               const Verification& verification) {
  const std::string name = VerificationNameOf(verification.archive);
  const absl::StatusOr<std::string> text = storage->ReadAll(name);
  if (text.ok()) {
    absl::StatusOr<Verification> before = Verification::FromJson(*text);
    if (before.ok() && before->OutweighsNewer(verification)) return *std::move(before);
  }
  // It may have been pruned meanwhile.
  VS_RETURN_IF_ERROR(storage->Stat(verification.archive).status());
  VS_RETURN_IF_ERROR(storage->Write(name, verification.ToJson()));
  return std::nullopt;
}

}  // namespace volstream
