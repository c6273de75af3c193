#include "stages/tree_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/hash/hash.h"
#include "absl/strings/str_cat.h"
#include "engine/mutex.h"
#include "engine/status_macros.h"
#include "stages/absl_text.h"
#include "stages/beneath.h"
#include "stages/entry_path.h"
#include "stages/error_kind.h"
#include "stages/file_metadata.h"
#include "stages/file_queue.h"
#include "stages/file_write.h"
#include "stages/local_file.h"
#include "stages/new_name.h"
#include "stages/restore_target.h"
#include "stages/tree_directories.h"
#include "stages/tree_problems.h"
#include "stages/warnings.h"

namespace volstream {
namespace {

// Of directories in which files are being written, and of large files.
constexpr int kMaxOpen = 256;
// The path of each level is kept, so that a hostile path costs their product.
constexpr size_t kMaxPathBytes = 64 * kKiB;
constexpr ptrdiff_t kMaxPathLevels = 4096;

class Writer : public TreeWriter {
 public:
  Writer(TreeWriterOptions options, RestoreTarget target, UniqueFd root);
  ~Writer() override;

  absl::Status Begin(const RestoreEntry& entry) override;
  absl::Status Write(EntryData data) override;
  absl::StatusOr<TreeWriterReport> Finish() override;

 private:
  // The file whose data comes; small ones are kept until they are whole.
  struct Current {
    std::shared_ptr<FileWrite> file;
    bool large = false;
    bool counts_data = false;  // toward max_file_bytes: as it comes, not as it was announced
    std::vector<EntryData> pieces;
  };
  using SharedDirectory = TreeDirectories::SharedDirectory;

  // The error that ends the restore, if there is one.
  absl::Status Ended() const { return error_.failed() ? error_.status() : absl::OkStatus(); }
  absl::Status EndEntry();
  absl::Status BeginAt(const RestoreEntry& entry, const std::string& path,
                       const std::string& link_target);
  absl::Status BeginFile(const RestoreEntry& entry, const std::string& path,
                         SharedDirectory directory);
  // Opens the current file, whose pieces are written as they come from now on. What cannot be made
  // is not written: its data are passed over.
  absl::Status BecomeLarge();
  absl::Status MakeHardLink(const RestoreEntry& entry, const std::string& path,
                            const std::string& link_target, const OpenDirectory& directory);
  absl::Status MakeSpecial(const RestoreEntry& entry, const std::string& path,
                           const OpenDirectory& directory);
  absl::Status MakeName(const RestoreEntry& entry, const std::string& path,
                        const OpenDirectory& directory, const NewName::Maker& maker,
                        std::string_view what);
  // False if a directory of that path, made or used before, stays there.
  bool RemoveDirectory(const std::string& path);
  // Whether what is there stays, where that can be known before the data come.
  bool IsKept(const OpenDirectory& directory, const std::string& path, const NameRules& rules);
  absl::Status CountBytes(uint64_t bytes);

  NameRules RulesFor(const RestoreEntry& entry, std::string_view path) const;
  bool IsOurs(std::string_view path) const ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(&mu_);
    return made_.contains(absl::Hash<absl::string_view>()(ToAbsl(path)));
  }
  // Of what is there under its name: what could not be made leaves the rights of what was there.
  void NoteMade(std::string_view path) ABSL_LOCKS_EXCLUDED(mu_);

  const TreeWriterOptions options_;
  const std::string target_;
  const int max_open_ = std::clamp(DescriptorLimit() / 4, 4, kMaxOpen);
  mutable Mutex mu_;
  TreeProblems problems_;
  FirstError error_{[] {}};
  // Hashes of the paths that were made, where that must be told from what was there before.
  absl::flat_hash_set<size_t> made_ ABSL_GUARDED_BY(mu_);
  FileWriteContext context_;
  MetadataMaker metadata_;
  TreeDirectories directories_;
  FileQueue queue_;  // ends before what its files use
  std::optional<Current> current_;
  uint64_t entries_ = 0;
  uint64_t counted_bytes_ = 0;
};

int ThreadsFor(int wanted) {
  if (wanted > 0) return wanted;
  return std::max(2, static_cast<int>(std::thread::hardware_concurrency()));
}

Writer::Writer(TreeWriterOptions options, RestoreTarget target, UniqueFd root)
    : options_(std::move(options)),
      target_(std::move(target.path)),
      problems_(target_, options_.on_warning),
      metadata_(options_.owners),
      directories_(
          std::move(root),
          {.overwrite = options_.overwrite,
           .root_is_ours = target.empty,
           .problems = &problems_,
           .wait_for = [this](std::string_view path) { queue_.WaitFor(path); },
           .wait_for_descriptors =
               [this] {
                 if (directories_.open_count() < max_open_) return;
                 queue_.WaitUntil([this] { return directories_.open_count() < max_open_ / 2; });
               },
           .is_ours = [this](std::string_view path) { return IsOurs(path); }}),
      queue_(ThreadsFor(options_.threads), options_.max_pending_bytes, &error_) {
  context_.problems = &problems_;
  context_.error = &error_;
  context_.umask = ReadUmask();
  context_.on_made = [this](std::string_view path) { NoteMade(path); };
}

Writer::~Writer() {
  // What is not whole yet is not to be completed.
  error_.Set(absl::CancelledError("the restore has ended"));
}

void Writer::NoteMade(std::string_view path) {
  if (options_.overwrite == Overwrite::kNever || options_.overwrite == Overwrite::kOlder) {
    MutexLock lock(&mu_);
    made_.insert(absl::Hash<absl::string_view>()(ToAbsl(path)));
  }
}

NameRules Writer::RulesFor(const RestoreEntry& entry, std::string_view path) const {
  return {.overwrite = options_.overwrite,
          .is_ours = IsOurs(path),
          .mtime = {static_cast<time_t>(entry.mtime_seconds),
                    static_cast<long>(entry.mtime_nanoseconds)}};
}

absl::Status Writer::CountBytes(uint64_t bytes) {
  if (bytes > options_.max_file_bytes - counted_bytes_) {
    return OverMaxSize(options_.max_file_bytes);
  }
  counted_bytes_ += bytes;
  return absl::OkStatus();
}

absl::Status Writer::EndEntry() {
  if (!current_.has_value()) return Ended();
  Current current = *std::exchange(current_, std::nullopt);
  if (current.large) {
    queue_.EndLarge();
  } else {
    queue_.AddSmall(std::move(current.file), std::move(current.pieces));
  }
  return Ended();
}

absl::Status Writer::Begin(const RestoreEntry& entry) {
  VS_RETURN_IF_ERROR(EndEntry());
  const std::optional<std::string> path = ContainedPath(entry.path);
  std::optional<std::string> link_target = "";
  if (entry.type == TarType::kHardLink) link_target = ContainedPath(entry.link_target);
  if (!path.has_value() || !link_target.has_value()) return LeadsOutside(entry.path);
  if (path->empty() && entry.type != TarType::kDirectory) {
    return MakeError(ErrorKind::kIntegrity, absl::StatusCode::kDataLoss,
                     "refused an entry without a name, which would replace the target");
  }
  ++entries_;
  return BeginAt(entry, *path, *link_target);
}

absl::Status Writer::BeginAt(const RestoreEntry& entry, const std::string& path,
                             const std::string& link_target) {
  if (path.size() > kMaxPathBytes || std::count(path.begin(), path.end(), '/') >= kMaxPathLevels) {
    problems_.NotRestored(std::string_view(path).substr(0, 64),
                          absl::StrCat("its path, of ", path.size(), " bytes, is too long"));
    return absl::OkStatus();
  }
  if (entry.type == TarType::kDirectory) {
    VS_ASSIGN_OR_RETURN(const bool made, directories_.Make(path, metadata_.Make(entry)));
    if (!made) problems_.NotRestored();
    return absl::OkStatus();
  }
  if (directories_.Knows(path) && !RemoveDirectory(path)) return absl::OkStatus();
  queue_.WaitFor(path);
  VS_ASSIGN_OR_RETURN(SharedDirectory directory, directories_.Enter(Split(path).parent));
  if (directory == nullptr) {
    problems_.NotRestored();
    return absl::OkStatus();
  }
  switch (entry.type) {
    case TarType::kFile:
      return BeginFile(entry, path, std::move(directory));
    case TarType::kHardLink:
      return MakeHardLink(entry, path, link_target, *directory);
    default:
      return MakeSpecial(entry, path, *directory);
  }
}

bool Writer::RemoveDirectory(const std::string& path) {
  // Files below it may not be there yet.
  queue_.WaitForAll();
  const int error = directories_.Remove(path);
  if (error == 0) return true;
  if (error == EEXIST) {
    context_.kept.fetch_add(1);
  } else {
    problems_.NotRestored(path, absl::StrCat("a directory that cannot be replaced is there: ",
                                             strerrordesc_np(error)));
  }
  return false;
}

bool Writer::IsKept(const OpenDirectory& directory, const std::string& path,
                    const NameRules& rules) {
  if (options_.overwrite != Overwrite::kNever && options_.overwrite != Overwrite::kOlder) {
    return false;
  }
  struct stat there {};
  const std::string name(Split(path).name);
  if (fstatat(directory.fd(), name.c_str(), &there, AT_SYMLINK_NOFOLLOW) != 0) return false;
  if (S_ISDIR(there.st_mode)) return options_.overwrite == Overwrite::kNever && !rules.is_ours;
  return Decide(rules, there) == Precedence::kKeep;
}

absl::Status Writer::BeginFile(const RestoreEntry& entry, const std::string& path,
                               SharedDirectory directory) {
  const NameRules rules = RulesFor(entry, path);
  if (IsKept(*directory, path, rules)) {
    context_.kept.fetch_add(1);
    return absl::OkStatus();
  }
  if (!entry.sparse) VS_RETURN_IF_ERROR(CountBytes(entry.bytes));
  auto file =
      std::make_shared<FileWrite>(&context_, FileWrite::Plan{.path = path,
                                                             .directory = std::move(directory),
                                                             .bytes = entry.bytes,
                                                             .metadata = metadata_.Make(entry),
                                                             .rules = rules});
  Current current{.file = std::move(file),
                  .large = entry.sparse || entry.bytes > FileQueue::kMaxSmallBytes,
                  .counts_data = entry.sparse,
                  .pieces = {}};
  const bool large = std::exchange(current.large, false);
  current_ = std::move(current);
  return large ? BecomeLarge() : absl::OkStatus();
}

absl::Status Writer::Write(EntryData data) {
  if (!current_.has_value() || data.content.bytes.empty()) return Ended();
  if (current_->counts_data) VS_RETURN_IF_ERROR(CountBytes(data.content.bytes.size()));
  if (current_->large) {
    queue_.AddPiece(std::move(data));
    return Ended();
  }
  if (data.offset >= current_->file->bytes()) return Ended();
  current_->pieces.push_back(std::move(data));
  const EntryData& first = current_->pieces.front();
  const EntryData& last = current_->pieces.back();
  // Whether more of the file comes or not: only bytes of one owner may wait for further calls.
  queue_.ReleaseOthers(last.content);
  if (last.offset + last.content.bytes.size() >= current_->file->bytes()) return EndEntry();
  if (last.content.owner == first.content.owner) return Ended();
  return BecomeLarge();
}

absl::Status Writer::BecomeLarge() {
  std::vector<EntryData> pieces = std::move(current_->pieces);
  if (context_.open_files >= max_open_) {
    queue_.WaitUntil([this] { return context_.open_files < max_open_ / 2; });
  }
  if (!current_->file->Open()) {
    current_ = std::nullopt;
    return Ended();
  }
  current_->large = true;
  queue_.BeginLarge(current_->file);
  for (EntryData& piece : pieces) queue_.AddPiece(std::move(piece));
  return Ended();
}

absl::Status Writer::MakeName(const RestoreEntry& entry, const std::string& path,
                              const OpenDirectory& directory, const NewName::Maker& maker,
                              std::string_view what) {
  NewName name(directory.fd(), std::string(Split(path).name));
  switch (name.Make(RulesFor(entry, path), maker)) {
    case NewName::Outcome::kKept:
      context_.kept.fetch_add(1);
      return absl::OkStatus();
    case NewName::Outcome::kFailed:
      return problems_.Failed(path, what, name.error());
    case NewName::Outcome::kMade:
      break;
  }
  std::string problems;
  if (entry.type != TarType::kHardLink) {
    problems = ApplyMetadataAt(
        directory.fd(), name.made_name(), metadata_.Make(entry),
        MetadataSubject{.is_new = true, .inherits = directory.inherits(), .mode_is_set = false},
        entry.type == TarType::kSymlink);
  }
  if (!name.Commit()) return problems_.Failed(path, "cannot replace", name.error());
  NoteMade(path);
  if (!problems.empty()) problems_.Warn(path, problems);
  return absl::OkStatus();
}

absl::Status Writer::MakeHardLink(const RestoreEntry& entry, const std::string& path,
                                  const std::string& link_target, const OpenDirectory& directory) {
  queue_.WaitFor(link_target);
  const SplitPath target = Split(link_target);
  const UniqueFd parent = OpenBeneath(directories_.root_fd(), target.parent, O_PATH | O_DIRECTORY);
  const std::string target_name(target.name);
  struct stat info {};
  if (!parent.valid() || target_name.empty() ||
      fstatat(parent.get(), target_name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
    problems_.NotRestored(
        path, absl::StrCat("it is a link to ", PrintablePath(link_target), ", which is not there"));
    return absl::OkStatus();
  }
  // A link to itself, or one that was there before.
  struct stat there {};
  if (fstatat(directory.fd(), std::string(Split(path).name).c_str(), &there, AT_SYMLINK_NOFOLLOW) ==
          0 &&
      there.st_ino == info.st_ino && there.st_dev == info.st_dev) {
    return absl::OkStatus();
  }
  return MakeName(
      entry, path, directory,
      [&](const std::string& name) {
        // Without AT_SYMLINK_FOLLOW: a link to a symlink is that symlink again.
        return linkat(parent.get(), target_name.c_str(), directory.fd(), name.c_str(), 0) == 0
                   ? 0
                   : errno;
      },
      "cannot link");
}

absl::Status Writer::MakeSpecial(const RestoreEntry& entry, const std::string& path,
                                 const OpenDirectory& directory) {
  if (entry.type == TarType::kSymlink) {
    return MakeName(
        entry, path, directory,
        [&](const std::string& name) {
          return symlinkat(entry.link_target.c_str(), directory.fd(), name.c_str()) == 0 ? 0
                                                                                         : errno;
        },
        "cannot make");
  }
  const mode_t type = entry.type == TarType::kCharDevice    ? S_IFCHR
                      : entry.type == TarType::kBlockDevice ? S_IFBLK
                                                            : S_IFIFO;
  const dev_t device = type == S_IFIFO ? 0 : makedev(entry.device_major, entry.device_minor);
  return MakeName(
      entry, path, directory,
      [&](const std::string& name) {
        return mknodat(directory.fd(), name.c_str(), type | 0600, device) == 0 ? 0 : errno;
      },
      "cannot make");
}

absl::StatusOr<TreeWriterReport> Writer::Finish() {
  VS_RETURN_IF_ERROR(EndEntry());
  queue_.WaitForAll();
  VS_RETURN_IF_ERROR(Ended());
  directories_.Complete();
  return TreeWriterReport{.entries = entries_,
                          .file_bytes = context_.file_bytes.load(),
                          .kept = context_.kept.load(),
                          .warnings = problems_.warnings(),
                          .not_restored = problems_.not_restored()};
}

}  // namespace

absl::Status OverMaxSize(uint64_t max_file_bytes) {
  return absl::ResourceExhaustedError(
      absl::StrCat("the files are more than the ", max_file_bytes,
                   " bytes that --max-size allows: raise it, or select less"));
}

absl::StatusOr<std::unique_ptr<TreeWriter>> TreeWriter::Open(TreeWriterOptions options) {
  VS_ASSIGN_OR_RETURN(RestoreTarget target,
                      PrepareTarget(options.target, options.overwrite != Overwrite::kRefuse));
  UniqueFd root(open(target.path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!root.valid()) return FileError(errno, absl::StrCat("target ", target.path));
  try {
    return std::make_unique<Writer>(std::move(options), std::move(target), std::move(root));
  } catch (const std::system_error& e) {
    return absl::ResourceExhaustedError(absl::StrCat("no thread to write files with: ", e.what()));
  }
}

}  // namespace volstream
