#include "stages/restore.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <string.h>
#include <sys/stat.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "engine/status_macros.h"
#include "stages/archive_name.h"
#include "stages/archive_reader.h"
#include "stages/beneath.h"
#include "stages/error_kind.h"
#include "stages/gzip_reader.h"
#include "stages/local_file.h"
#include "stages/receipt.h"
#include "stages/restore_raw.h"
#include "stages/restore_target.h"
#include "stages/tar_header.h"
#include "stages/warnings.h"

namespace volstream {
namespace {

struct FreeRead {
  void operator()(archive* a) const { archive_read_free(a); }
};
struct FreeWrite {
  void operator()(archive* a) const { archive_write_free(a); }
};

// libarchive turns pax names from UTF-8 into the thread's locale and gives up on letters that the
// "C" locale lacks. This thread gets one that has them all, and its own back at the end.
class Utf8Locale {
 public:
  Utf8Locale() : locale_(newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr)) {
    if (locale_ != nullptr) previous_ = uselocale(locale_);
  }
  ~Utf8Locale() {
    if (locale_ == nullptr) return;
    uselocale(previous_);
    freelocale(locale_);
  }

 private:
  locale_t locale_ = nullptr;
  locale_t previous_ = nullptr;
};

// What libarchive's read callback works with.
struct ReadState {
  ArchiveReader* reader = nullptr;
  bool started = false;
  ByteSpan first;                      // read to see what it is, not yet handed on
  std::optional<GzipReader> inflater;  // where the archive is gzip
  uint64_t trailing_zeros = 0;         // of all that was handed on
  uint64_t bytes = 0;                  // handed on
  absl::Status status;

  absl::StatusOr<ByteSpan> NextRaw() {
    if (!first.empty()) return std::exchange(first, ByteSpan());
    return reader->Next();
  }
  absl::StatusOr<ByteSpan> Next() {
    if (!std::exchange(started, true)) {
      VS_ASSIGN_OR_RETURN(first, reader->Next());
      if (LooksLikeGzip(first)) inflater.emplace([this] { return NextRaw(); });
    }
    absl::StatusOr<ByteSpan> bytes = inflater.has_value() ? inflater->Next() : NextRaw();
    if (bytes.ok()) CountZeros(*bytes);
    return bytes;
  }
  void CountZeros(ByteSpan chunk) {
    const auto last = std::find_if(chunk.rbegin(), chunk.rend(), [](uint8_t b) { return b != 0; });
    const size_t zeros = static_cast<size_t>(last - chunk.rbegin());
    trailing_zeros = zeros == chunk.size() ? trailing_zeros + zeros : zeros;
    bytes += chunk.size();
  }
  // An end mark and nothing before it.
  bool IsEmptyTar() const { return bytes >= kTarEndBytes && trailing_zeros == bytes; }
};

la_ssize_t ReadChunk(archive* a, void* client, const void** out) {
  ReadState* state = static_cast<ReadState*>(client);
  const absl::StatusOr<ByteSpan> chunk = state->Next();
  if (!chunk.ok()) {
    state->status = chunk.status();
    archive_set_error(a, EIO, "%s", std::string(chunk.status().message()).c_str());
    return -1;
  }
  *out = chunk->data();
  return static_cast<la_ssize_t>(chunk->size());
}

std::string TextOf(archive* a) {
  const char* text = archive_error_string(a);
  return text == nullptr ? "unknown error" : text;
}

// True for names that stay below the directory they are put under.
bool IsContained(std::string_view name) {
  if (name.empty() || name.front() == '/') return false;
  while (!name.empty()) {
    const std::string_view component = name.substr(0, name.find('/'));
    if (component == "..") return false;
    name.remove_prefix(std::min(name.size(), component.size() + 1));
  }
  return true;
}

// Names of attributes are archived as GNU tar has them: '%' and '=' as %25 and %3D, which
// libarchive does not turn back.
void DecodeAttributeNames(archive_entry* entry) {
  std::vector<std::pair<std::string, std::string>> attributes;
  bool any_encoded = false;
  archive_entry_xattr_reset(entry);
  const char* raw_name = nullptr;
  const void* value = nullptr;
  size_t bytes = 0;
  while (archive_entry_xattr_next(entry, &raw_name, &value, &bytes) == ARCHIVE_OK) {
    const std::string name(raw_name);
    std::string decoded = absl::StrReplaceAll(name, {{"%3D", "="}, {"%25", "%"}});
    any_encoded = any_encoded || decoded != name;
    attributes.emplace_back(std::move(decoded),
                            std::string(static_cast<const char*>(value), bytes));
  }
  if (!any_encoded) return;
  archive_entry_xattr_clear(entry);
  for (const auto& [name, content] : attributes) {
    archive_entry_xattr_add_entry(entry, name.c_str(), content.data(), content.size());
  }
}

class Extraction {
 public:
  Extraction(const RestoreOptions& options, std::string url)
      : options_(options), url_(std::move(url)) {}

  absl::StatusOr<RestoreReport> Run(ArchiveReader* reader);

 private:
  absl::Status RestoreEntries(archive* in, archive* out);
  absl::Status RestoreEntry(archive* in, archive_entry* entry, archive* out);
  absl::Status CopyData(archive* in, archive* out, std::string_view path);
  absl::Status CheckNotCancelled() const;
  void RestoreDirectoryTimes();
  absl::Status Damaged(archive* in) const;
  absl::Status ReadFailure(const absl::Status& status, archive* in) const;
  void Warn(std::string_view path, std::string_view what);

  const RestoreOptions& options_;
  const std::string url_;
  std::string target_;  // without symlinks, so that libarchive's own checks can be strict
  RestoreReport report_;
  // libarchive sets the times of directories that were there before, the target among them, at
  // once, and their children then change them.
  std::vector<std::pair<std::string, timespec>> directory_times_;
};

void Extraction::Warn(std::string_view path, std::string_view what) {
  ++report_.warnings;
  if (options_.on_warning) options_.on_warning(PrintablePath(path).append(": ").append(what));
}

absl::Status Extraction::Damaged(archive* in) const {
  return MakeError(ErrorKind::kIntegrity, absl::StatusCode::kDataLoss,
                   absl::StrCat(url_, " is damaged or no archive (", TextOf(in), "), after ",
                                report_.entries, " entries"));
}

// A stream that does not inflate is a damaged archive; any other failure is the storage's own.
absl::Status Extraction::ReadFailure(const absl::Status& status, archive* in) const {
  return status.ok() || absl::IsDataLoss(status) ? Damaged(in) : status;
}

absl::StatusOr<RestoreReport> Extraction::Run(ArchiveReader* reader) {
  const Utf8Locale locale;
  ReadState state;
  state.reader = reader;
  const std::unique_ptr<archive, FreeRead> in(archive_read_new());
  archive_read_support_filter_all(in.get());
  archive_read_support_format_tar(in.get());
  archive_read_support_format_gnutar(in.get());
  // Before the target is touched: a wrong object must not make one.
  if (archive_read_open(in.get(), &state, nullptr, ReadChunk, nullptr) != ARCHIVE_OK) {
    return ReadFailure(state.status, in.get());
  }
  VS_ASSIGN_OR_RETURN(RestoreTarget prepared, PrepareTarget(options_.target, options_.overwrite));
  target_ = std::move(prepared.path);
  const std::unique_ptr<archive, FreeWrite> out(archive_write_disk_new());
  int flags = ARCHIVE_EXTRACT_TIME | ARCHIVE_EXTRACT_PERM | ARCHIVE_EXTRACT_ACL |
              ARCHIVE_EXTRACT_XATTR | ARCHIVE_EXTRACT_UNLINK | ARCHIVE_EXTRACT_SECURE_SYMLINKS |
              ARCHIVE_EXTRACT_SECURE_NODOTDOT;
  if (options_.restore_owners) flags |= ARCHIVE_EXTRACT_OWNER;
  archive_write_disk_set_options(out.get(), flags);
  const absl::Status status = RestoreEntries(in.get(), out.get());
  if (!state.status.ok()) return ReadFailure(state.status, in.get());
  VS_RETURN_IF_ERROR(status);
  // Directories get their modes only now, and then their times.
  if (archive_write_close(out.get()) != ARCHIVE_OK) Warn(target_, TextOf(out.get()));
  RestoreDirectoryTimes();
  // What follows the end of the tar belongs to the archive and its digest too.
  while (true) {
    const absl::StatusOr<ByteSpan> rest = state.Next();
    if (!rest.ok()) return ReadFailure(rest.status(), in.get());
    if (rest->empty()) break;
  }
  // An empty or cut-off stream ends without any entry. So does Podman's tar of an empty volume,
  // which has not even the root; bytes lost to zeros would not be gzip.
  if (report_.entries == 0 && !(state.inflater.has_value() && state.IsEmptyTar())) {
    return Damaged(in.get());
  }
  // libarchive takes the end of the bytes for the end of the tar; only the mark says that it is.
  if (state.inflater.has_value() && state.trailing_zeros < kTarEndBytes) {
    return MakeError(ErrorKind::kIntegrity, absl::StatusCode::kDataLoss,
                     absl::StrCat(url_, " is cut off: its end mark is missing, after ",
                                  report_.entries, " entries"));
  }
  report_.archive_bytes = reader->bytes_read();
  return report_;
}

absl::Status Extraction::CheckNotCancelled() const {
  if (options_.cancelled == nullptr || !options_.cancelled->load()) return absl::OkStatus();
  return InterruptedError();
}

void Extraction::RestoreDirectoryTimes() {
  const UniqueFd target(open(target_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  for (const auto& [path, mtime] : directory_times_) {
    const UniqueFd directory = OpenBeneath(target.get(), path, O_RDONLY | O_DIRECTORY);
    const timespec times[2] = {{0, UTIME_OMIT}, mtime};
    if (!directory.valid() || futimens(directory.get(), times) != 0) {
      Warn(path, absl::StrCat("its time was not restored: ", strerror(errno)));
    }
  }
}

absl::Status Extraction::RestoreEntries(archive* in, archive* out) {
  while (true) {
    VS_RETURN_IF_ERROR(CheckNotCancelled());
    archive_entry* entry = nullptr;
    const int result = archive_read_next_header(in, &entry);
    if (result == ARCHIVE_EOF) return absl::OkStatus();
    if (result < ARCHIVE_WARN) return Damaged(in);
    if (result == ARCHIVE_WARN) Warn(archive_entry_pathname(entry), TextOf(in));
    ++report_.entries;
    VS_RETURN_IF_ERROR(RestoreEntry(in, entry, out));
  }
}

absl::Status Extraction::RestoreEntry(archive* in, archive_entry* entry, archive* out) {
  const char* raw = archive_entry_pathname(entry);
  const std::string path = raw == nullptr ? "" : raw;
  const char* hard_link = archive_entry_hardlink(entry);
  if (!IsContained(path) || (hard_link != nullptr && !IsContained(hard_link))) {
    return MakeError(ErrorKind::kIntegrity, absl::StatusCode::kDataLoss,
                     absl::StrCat(url_, ": refused entry ", PrintablePath(path),
                                  ", which points outside of the target"));
  }
  if (hard_link != nullptr) {
    archive_entry_copy_hardlink(entry, absl::StrCat(target_, "/", hard_link).c_str());
  }
  archive_entry_copy_pathname(entry, absl::StrCat(target_, "/", path).c_str());
  if (archive_entry_xattr_count(entry) > 0) DecodeAttributeNames(entry);
  const int result = archive_write_header(out, entry);
  if (result < ARCHIVE_WARN) {
    const int error = archive_errno(out);
    if (error == ENOSPC || error == EDQUOT || error == EROFS) return FileError(error, target_);
    Warn(path, absl::StrCat("not restored: ", TextOf(out)));
    ++report_.not_restored;
    return absl::OkStatus();
  }
  if (result != ARCHIVE_OK) Warn(path, TextOf(out));
  if (archive_entry_filetype(entry) == AE_IFDIR && archive_entry_mtime_is_set(entry) != 0) {
    directory_times_.emplace_back(
        path, timespec{archive_entry_mtime(entry), archive_entry_mtime_nsec(entry)});
  }
  if (archive_entry_size(entry) > 0) VS_RETURN_IF_ERROR(CopyData(in, out, path));
  if (archive_write_finish_entry(out) != ARCHIVE_OK) Warn(path, TextOf(out));
  return absl::OkStatus();
}

absl::Status Extraction::CopyData(archive* in, archive* out, std::string_view path) {
  while (true) {
    const void* data = nullptr;
    size_t bytes = 0;
    la_int64_t offset = 0;
    const int result = archive_read_data_block(in, &data, &bytes, &offset);
    if (result == ARCHIVE_EOF) return absl::OkStatus();
    if (result < ARCHIVE_WARN) return Damaged(in);
    VS_RETURN_IF_ERROR(CheckNotCancelled());
    if (archive_write_data_block(out, data, bytes, offset) < ARCHIVE_WARN) {
      return FileError(archive_errno(out),
                       absl::StrCat("cannot write ", target_, "/", PrintablePath(path)));
    }
    report_.file_bytes += bytes;
  }
}

}  // namespace

absl::StatusOr<RestoreReport> RestoreArchive(Storage* storage, const std::string& name,
                                             const RestoreOptions& options) {
  const std::string url = storage->UrlOf(name);
  VS_RETURN_IF_ERROR(storage->Stat(name).status());
  std::string expected_md5;
  const absl::StatusOr<std::string> text = storage->ReadAll(ReceiptNameOf(name));
  if (text.ok()) {
    absl::StatusOr<Receipt> receipt = Receipt::FromJson(*text);
    if (receipt.ok()) {
      expected_md5 = receipt->md5;
    } else if (options.on_warning) {
      options.on_warning(absl::StrCat(ReceiptNameOf(url), ": ", receipt.status().message(),
                                      "; restoring without it"));
    }
  } else if (!absl::IsNotFound(text.status())) {
    return text.status();
  }

  ArchiveReader reader(storage, name);
  const std::optional<ArchiveName> parsed = ArchiveName::Parse(name);
  absl::StatusOr<RestoreReport> report = parsed.has_value() && parsed->kind == ArchiveKind::kRaw
                                             ? RestoreRaw(&reader, url, parsed->stem, options)
                                             : Extraction(options, url).Run(&reader);
  if (!report.ok() || expected_md5.empty()) return report;
  const std::string md5 = reader.FinishMd5();
  if (md5 != expected_md5) {
    return MakeError(ErrorKind::kIntegrity, absl::StatusCode::kDataLoss,
                     absl::StrCat(url, ": bytes differ: its MD5 is ", md5, ", its receipt says ",
                                  expected_md5, "; what was restored cannot be trusted"));
  }
  report->md5_checked = true;
  return report;
}

}  // namespace volstream
