#include "stages/foreign_tar_reader.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <locale.h>
#include <stdlib.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "engine/status_macros.h"
#include "stages/inflating_reader.h"
#include "stages/tar_header.h"
#include "stages/tar_parser.h"
#include "stages/warnings.h"

namespace volstream {
namespace {

struct FreeRead {
  void operator()(archive* a) const { archive_read_free(a); }
};

// libarchive turns pax names from UTF-8 into the thread's locale and gives up on letters that the
// "C" locale lacks. This is one that has them all; making it costs more than reading an entry.
class Utf8Locale {
 public:
  Utf8Locale() : locale_(newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr)) {}
  ~Utf8Locale() {
    if (locale_ != nullptr) freelocale(locale_);
  }
  Utf8Locale(const Utf8Locale&) = delete;
  Utf8Locale& operator=(const Utf8Locale&) = delete;

  // The thread's, while it lives.
  class Use {
   public:
    explicit Use(const Utf8Locale& locale) {
      if (locale.locale_ != nullptr) previous_ = uselocale(locale.locale_);
    }
    ~Use() {
      if (previous_ != nullptr) uselocale(previous_);
    }
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;

   private:
    locale_t previous_ = nullptr;
  };

 private:
  const locale_t locale_;
};

// What libarchive reads: the archive, inflated if it is gzip or Zstandard.
class Bytes {
 public:
  explicit Bytes(TarInput* archive) : archive_(archive) {}

  // Empty at the end. What the call before gave lives one call longer.
  absl::StatusOr<ByteSpan> Next() {
    previous_ = std::move(current_);
    VS_ASSIGN_OR_RETURN(current_, Fetch());
    CountZeros(current_.bytes);
    return current_.bytes;
  }

  // The same bytes with what keeps them alive; a copy where they lie elsewhere.
  SharedBytes Share(ByteSpan bytes) const {
    for (const SharedBytes* chunk : {&current_, &previous_}) {
      if (bytes.data() >= chunk->bytes.data() &&
          bytes.data() + bytes.size() <= chunk->bytes.data() + chunk->bytes.size()) {
        return {bytes, chunk->owner};
      }
    }
    return CopyOf(bytes);
  }

  bool inflated() const { return inflater_ != nullptr; }
  bool has_end_mark() const { return trailing_zeros_ >= kTarEndBytes; }
  bool all_end_mark() const { return has_end_mark() && trailing_zeros_ == bytes_; }
  const absl::Status& status() const { return status_; }
  void set_status(absl::Status status) { status_ = std::move(status); }

 private:
  absl::StatusOr<SharedBytes> Fetch() {
    if (!std::exchange(started_, true)) {
      VS_ASSIGN_OR_RETURN(SharedBytes first, archive_->Next());
      inflater_ = InflatingReader::For(first.bytes, [this]() -> absl::StatusOr<ByteSpan> {
        if (!std::exchange(first_taken_, true)) return compressed_.bytes;
        VS_ASSIGN_OR_RETURN(compressed_, archive_->Next());
        return compressed_.bytes;
      });
      if (inflater_ == nullptr) return first;
      compressed_ = std::move(first);
    }
    if (inflater_ == nullptr) return archive_->Next();
    VS_ASSIGN_OR_RETURN(const ByteSpan bytes, inflater_->Next());
    return bytes.empty() ? SharedBytes() : CopyOf(bytes);
  }

  void CountZeros(ByteSpan chunk) {
    const size_t zeros = TrailingZeros(chunk);
    trailing_zeros_ = zeros == chunk.size() ? trailing_zeros_ + zeros : zeros;
    bytes_ += chunk.size();
  }

  TarInput* const archive_;
  bool started_ = false;
  bool first_taken_ = false;
  SharedBytes compressed_;
  std::unique_ptr<InflatingReader> inflater_;
  SharedBytes current_;
  SharedBytes previous_;
  uint64_t trailing_zeros_ = 0;  // of all that was handed on
  uint64_t bytes_ = 0;           // handed on
  absl::Status status_;          // of the input
};

la_ssize_t ReadChunk(archive* a, void* client, const void** out) {
  Bytes* input = static_cast<Bytes*>(client);
  const absl::StatusOr<ByteSpan> chunk = input->Next();
  if (!chunk.ok()) {
    input->set_status(chunk.status());
    archive_set_error(a, EIO, "%s", std::string(chunk.status().message()).c_str());
    return -1;
  }
  *out = chunk->data();
  return static_cast<la_ssize_t>(chunk->size());
}

std::string TextOrEmpty(const char* text) { return text == nullptr ? "" : text; }

std::string PathOf(const char* raw) {
  return std::string(EntryPathOf(raw == nullptr ? std::string_view() : raw));
}

TarType TypeOf(archive_entry* entry) {
  if (archive_entry_hardlink(entry) != nullptr) return TarType::kHardLink;
  switch (archive_entry_filetype(entry)) {
    case AE_IFDIR:
      return TarType::kDirectory;
    case AE_IFLNK:
      return TarType::kSymlink;
    case AE_IFCHR:
      return TarType::kCharDevice;
    case AE_IFBLK:
      return TarType::kBlockDevice;
    case AE_IFIFO:
      return TarType::kFifo;
    default:
      return TarType::kFile;
  }
}

std::string AclOf(archive_entry* entry, int type) {
  if ((archive_entry_acl_types(entry) & type) == 0) return "";
  char* text = archive_entry_acl_to_text(
      entry, nullptr,
      type | ARCHIVE_ENTRY_ACL_STYLE_EXTRA_ID | ARCHIVE_ENTRY_ACL_STYLE_SEPARATOR_COMMA);
  std::string acl = TextOrEmpty(text);
  free(text);
  return acl;
}

RestoreEntry EntryFrom(archive_entry* raw) {
  RestoreEntry entry;
  entry.type = TypeOf(raw);
  entry.path = PathOf(archive_entry_pathname(raw));
  if (entry.type == TarType::kHardLink) entry.link_target = PathOf(archive_entry_hardlink(raw));
  if (entry.type == TarType::kSymlink) entry.link_target = TextOrEmpty(archive_entry_symlink(raw));
  entry.mode = archive_entry_perm(raw) & 07777;
  entry.uid = static_cast<uint32_t>(archive_entry_uid(raw));
  entry.gid = static_cast<uint32_t>(archive_entry_gid(raw));
  if (entry.type == TarType::kFile) {
    entry.bytes = static_cast<uint64_t>(std::max<int64_t>(archive_entry_size(raw), 0));
    entry.sparse = archive_entry_sparse_count(raw) > 0;
  }
  entry.mtime_seconds = archive_entry_mtime(raw);
  entry.mtime_nanoseconds = static_cast<uint32_t>(archive_entry_mtime_nsec(raw));
  entry.user_name = TextOrEmpty(archive_entry_uname(raw));
  entry.group_name = TextOrEmpty(archive_entry_gname(raw));
  entry.device_major = static_cast<uint32_t>(archive_entry_rdevmajor(raw));
  entry.device_minor = static_cast<uint32_t>(archive_entry_rdevminor(raw));
  // Names of attributes are archived as GNU tar has them: '%' and '=' as %25 and %3D, which
  // libarchive does not turn back.
  archive_entry_xattr_reset(raw);
  const char* name = nullptr;
  const void* value = nullptr;
  size_t bytes = 0;
  while (archive_entry_xattr_next(raw, &name, &value, &bytes) == ARCHIVE_OK) {
    entry.attributes.emplace_back(
        absl::StrReplaceAll(name, {{"%3D", "="}, {"%25", "%"}}),
        bytes == 0 ? "" : std::string(static_cast<const char*>(value), bytes));
  }
  entry.access_acl = AclOf(raw, ARCHIVE_ENTRY_ACL_TYPE_ACCESS);
  entry.default_acl = AclOf(raw, ARCHIVE_ENTRY_ACL_TYPE_DEFAULT);
  return entry;
}

class Reader : public ForeignTarReader {
 public:
  Reader(TarInput* archive, std::function<void(std::string_view)> on_warning, bool needs_end_mark)
      : input_(archive),
        on_warning_(std::move(on_warning)),
        needs_end_mark_(needs_end_mark),
        archive_(archive_read_new()) {}

  absl::StatusOr<const RestoreEntry*> Next() override;
  absl::StatusOr<EntryData> NextData() override;

 private:
  absl::Status Open();
  // Reads what follows the end of the tar, which belongs to the archive and its digest too.
  absl::Status ReadToEnd();
  absl::Status Damaged() const;
  // What the input said, if it has failed; else that the archive is damaged.
  absl::Status Failure() const;

  const Utf8Locale locale_;
  Bytes input_;
  const std::function<void(std::string_view)> on_warning_;
  const bool needs_end_mark_;
  const std::unique_ptr<archive, FreeRead> archive_;
  bool opened_ = false;
  bool ended_ = false;
  uint64_t entries_ = 0;
  RestoreEntry entry_;
};

absl::Status Reader::Damaged() const {
  const std::string text = TextOrEmpty(archive_error_string(archive_.get()));
  return absl::DataLossError(absl::StrCat("damaged or no archive (",
                                          text.empty() ? "unknown error" : text, "), after ",
                                          entries_, " entries"));
}

absl::Status Reader::Failure() const {
  return input_.status().ok() || absl::IsDataLoss(input_.status()) ? Damaged() : input_.status();
}

absl::Status Reader::Open() {
  // By name: "all" would run other programs (lrzip, grzip) on what somebody sent.
  archive_read_support_filter_bzip2(archive_.get());
  archive_read_support_filter_compress(archive_.get());
  archive_read_support_filter_lz4(archive_.get());
  archive_read_support_filter_lzip(archive_.get());
  archive_read_support_filter_lzma(archive_.get());
  archive_read_support_filter_xz(archive_.get());
  archive_read_support_format_tar(archive_.get());
  archive_read_support_format_gnutar(archive_.get());
  const int result = archive_read_open(archive_.get(), &input_, nullptr, ReadChunk, nullptr);
  return result == ARCHIVE_OK ? absl::OkStatus() : Failure();
}

absl::StatusOr<const RestoreEntry*> Reader::Next() {
  if (ended_) return nullptr;
  const Utf8Locale::Use utf8(locale_);
  if (!std::exchange(opened_, true)) VS_RETURN_IF_ERROR(Open());
  archive_entry* raw = nullptr;
  const int result = archive_read_next_header(archive_.get(), &raw);
  if (!input_.status().ok()) return Failure();
  if (result == ARCHIVE_EOF) {
    ended_ = true;
    VS_RETURN_IF_ERROR(ReadToEnd());
    return nullptr;
  }
  if (result < ARCHIVE_WARN) return Failure();
  ++entries_;
  entry_ = EntryFrom(raw);
  if (result == ARCHIVE_WARN && on_warning_) {
    on_warning_(absl::StrCat(PrintablePath(entry_.path), ": ",
                             TextOrEmpty(archive_error_string(archive_.get()))));
  }
  return &entry_;
}

absl::StatusOr<EntryData> Reader::NextData() {
  while (true) {
    const void* data = nullptr;
    size_t bytes = 0;
    la_int64_t offset = 0;
    const int result = archive_read_data_block(archive_.get(), &data, &bytes, &offset);
    if (result == ARCHIVE_EOF) return EntryData();
    if (result < ARCHIVE_WARN) return Failure();
    if (bytes == 0) continue;
    return EntryData{static_cast<uint64_t>(offset),
                     input_.Share(ByteSpan(static_cast<const uint8_t*>(data), bytes))};
  }
}

absl::Status Reader::ReadToEnd() {
  while (true) {
    const absl::StatusOr<ByteSpan> rest = input_.Next();
    if (!rest.ok()) {
      input_.set_status(rest.status());
      return Failure();
    }
    if (rest->empty()) break;
  }
  // An empty or cut-off stream ends without any entry. So does Podman's tar of an empty volume,
  // which has not even the root; bytes lost to zeros would not inflate.
  const bool needs_end_mark = needs_end_mark_ || input_.inflated();
  if (entries_ == 0 && !(needs_end_mark && input_.all_end_mark())) return Damaged();
  if (needs_end_mark && !input_.has_end_mark()) {
    return absl::DataLossError(
        absl::StrCat("cut off: its end mark is missing, after ", entries_, " entries"));
  }
  return absl::OkStatus();
}

}  // namespace

std::unique_ptr<ForeignTarReader> ForeignTarReader::Make(
    TarInput* archive, std::function<void(std::string_view)> on_warning, bool needs_end_mark) {
  return std::make_unique<Reader>(archive, std::move(on_warning), needs_end_mark);
}

}  // namespace volstream
