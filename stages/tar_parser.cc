#include "stages/tar_parser.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/status_macros.h"
#include "stages/absl_text.h"

namespace volstream {
namespace {

// Of a buffer that is kept; a larger one is given back after use.
constexpr size_t kKeptBytes = 64 * kKiB;

constexpr char kOldGnuSparse = 'S';

// Whether the header describes the entry after it, or all of them.
bool IsExtension(char type) {
  return type == 'x' || type == 'g' || type == 'X' || type == 'L' || type == 'K';
}

TarType TypeOf(char type) {
  switch (type) {
    case '1':
    case '2':
    case '3':
    case '4':
    case '5':
    case '6':
      return static_cast<TarType>(type);
    case 'D':  // GNU tar's incremental directory; its data are names
      return TarType::kDirectory;
    default:
      return TarType::kFile;
  }
}

bool IsPlainFile(char type) {
  return type == '0' || type == '\0' || type == '7';  // 7: contiguous, of no concern today
}

// A pax record's text before a global one, before what the header has.
std::string_view TextOf(const std::string& own, const std::string& global, std::string_view field) {
  return !own.empty() ? own : !global.empty() ? global : field;
}

}  // namespace

std::string_view EntryPathOf(std::string_view name) {
  while (name.substr(0, 2) == "./") {
    // ".//etc" means "etc", not "/etc".
    name.remove_prefix(std::min(name.find_first_not_of('/', 1), name.size()));
  }
  if (name == ".") return {};
  while (name.size() > 1 && name.back() == '/') name.remove_suffix(1);
  return name;
}

absl::Status TarParser::Damaged(std::string_view what) const {
  return absl::DataLossError(
      absl::StrCat("the tar stream is damaged at byte ", header_offset_, ": ", ToAbsl(what)));
}

absl::Status TarParser::OnBlock(ByteSpan block) {
  if (map_goes_on_) {
    offset_ += kTarBlockBytes;
    place_.header_bytes += kTarBlockBytes;
    map_goes_on_ = TarFields::MapGoesOn(block);
    if (!map_goes_on_) wants_ = Wants::kEntry;
    return absl::OkStatus();
  }
  header_offset_ = offset_;
  offset_ += kTarBlockBytes;
  if (block[0] == 0 && IsZero(block)) return OnZeroBlock();
  if (zero_blocks_ > 0) return Damaged("an entry after the end mark");
  const TarFields header(block);
  if (!header.HasChecksum()) return Damaged("no tar header");
  const char type = header.type();
  if (!IsExtension(type)) return OnEntry(header);
  const std::optional<int64_t> size = header.size();
  if (!size.has_value() || *size < 0) return Damaged("an impossible size");
  return BeginExtension(type, static_cast<uint64_t>(*size));
}

absl::Status TarParser::OnZeroBlock() {
  if (described_) return Damaged("an extended header without an entry behind it");
  if (++zero_blocks_ == 2) wants_ = Wants::kRest;
  return absl::OkStatus();
}

absl::Status TarParser::OnRest(ByteSpan bytes) {
  const auto first = std::find_if(bytes.begin(), bytes.end(), [](uint8_t b) { return b != 0; });
  header_offset_ = offset_ + static_cast<uint64_t>(first - bytes.begin());
  offset_ += bytes.size();
  return first == bytes.end() ? absl::OkStatus() : Damaged("bytes after the end mark");
}

absl::Status TarParser::BeginExtension(char type, uint64_t bytes) {
  // A global one belongs to no entry.
  if (type != 'g' && !std::exchange(described_, true)) first_offset_ = header_offset_;
  if (described_) described_bytes_ += std::min(bytes, kMaxPaxBytes + 1);
  if (bytes > kMaxPaxBytes || described_bytes_ > kMaxPaxBytes) {
    return Damaged("extended headers of more than 16 MiB");
  }
  extension_type_ = type;
  extension_bytes_ = bytes;
  extension_left_ = TarPadded(bytes);
  extension_.clear();
  if (bytes > 0) wants_ = Wants::kExtension;
  return absl::OkStatus();
}

absl::Status TarParser::OnExtension(ByteSpan bytes) {
  const size_t taken =
      static_cast<size_t>(std::min<uint64_t>(bytes.size(), extension_bytes_ - extension_.size()));
  extension_.append(reinterpret_cast<const char*>(bytes.data()), taken);
  offset_ += bytes.size();
  extension_left_ -= bytes.size();
  return extension_left_ > 0 ? absl::OkStatus() : EndExtension();
}

absl::Status TarParser::EndExtension() {
  wants_ = Wants::kBlock;
  if (extension_type_ == 'L') {
    long_name_ = extension_.c_str();  // a NUL ends it
  } else if (extension_type_ == 'K') {
    long_link_ = extension_.c_str();
  } else {
    const bool global = extension_type_ == 'g';
    const absl::Status status = (global ? global_ : pax_).Add(extension_, global);
    if (!status.ok())
      return Damaged(std::string_view(status.message().data(), status.message().size()));
  }
  if (extension_.capacity() > kKeptBytes) std::string().swap(extension_);
  return absl::OkStatus();
}

absl::Status TarParser::OnEntry(const TarFields& header) {
  place_.tar_offset = described_ ? first_offset_ : header_offset_;
  place_.header_bytes = offset_ - place_.tar_offset;
  place_.stored_bytes = 0;
  odd_.clear();
  entry_.type = TypeOf(header.type());
  // What pax says makes good what the field cannot hold, as do all numbers below.
  std::optional<int64_t> size = header.size();
  if (global_.size.has_value()) size = static_cast<int64_t>(*global_.size);
  if (pax_.size.has_value()) size = static_cast<int64_t>(*pax_.size);
  if (!size.has_value() || *size < 0 || *size > INT64_MAX - static_cast<int64_t>(kTarBlockBytes) ||
      offset_ > UINT64_MAX / 4) {
    return Damaged("an impossible size");
  }
  SetTexts(header);
  VS_RETURN_IF_ERROR(SetNumbers(header));
  wants_ = Wants::kEntry;
  VS_RETURN_IF_ERROR(SetContent(header, static_cast<uint64_t>(*size)));
  std::swap(entry_.attributes, pax_.attributes);
  if (!described_) return absl::OkStatus();
  described_ = false;
  described_bytes_ = 0;
  pax_.Clear();
  long_name_.clear();
  long_link_.clear();
  return absl::OkStatus();
}

void TarParser::SetTexts(const TarFields& header) {
  // The field stands for itself only where nothing longer came.
  std::string_view name = TextOf(pax_.path, global_.path, long_name_);
  if (!pax_.sparse_name.empty()) name = pax_.sparse_name;
  const bool in_field = name.empty();
  if (in_field) name = header.name();
  // Before types were, a directory was a file of such a name.
  if (IsPlainFile(header.type()) && !name.empty() && name.back() == '/') {
    entry_.type = TarType::kDirectory;
  }
  const std::string_view prefix = in_field ? header.prefix() : std::string_view();
  if (prefix.empty()) {
    entry_.path.assign(EntryPathOf(name));
  } else {
    entry_.path.assign(prefix).append("/").append(name);
    const std::string_view path = EntryPathOf(entry_.path);
    const size_t front = static_cast<size_t>(path.data() - entry_.path.data());
    entry_.path.resize(front + path.size());
    entry_.path.erase(0, front);
  }
  entry_.link_target.clear();
  if (entry_.type == TarType::kSymlink || entry_.type == TarType::kHardLink) {
    std::string_view target = TextOf(pax_.link_path, global_.link_path, long_link_);
    if (target.empty()) target = header.link_name();
    entry_.link_target.assign(entry_.type == TarType::kHardLink ? EntryPathOf(target) : target);
  }
  entry_.user_name.assign(TextOf(pax_.user_name, global_.user_name, header.user_name()));
  entry_.group_name.assign(TextOf(pax_.group_name, global_.group_name, header.group_name()));
  entry_.access_acl.assign(pax_.access_acl);
  entry_.default_acl.assign(pax_.default_acl);
  entry_.attributes.clear();
}

absl::Status TarParser::SetNumbers(const TarFields& header) {
  // The first that there is.
  const auto number32 = [](std::optional<uint32_t> own, std::optional<uint32_t> global,
                           std::optional<int64_t> field) -> std::optional<uint32_t> {
    if (own.has_value()) return own;
    if (global.has_value()) return global;
    if (!field.has_value() || *field < 0 || *field > UINT32_MAX) return std::nullopt;
    return static_cast<uint32_t>(*field);
  };
  const std::optional<int64_t> mode = header.mode();
  if (!mode.has_value()) return Damaged("an impossible mode");
  entry_.mode = static_cast<uint32_t>(*mode & 07777);
  const std::optional<uint32_t> uid = number32(pax_.uid, global_.uid, header.uid());
  if (!uid.has_value()) return Damaged("an impossible user number");
  entry_.uid = *uid;
  const std::optional<uint32_t> gid = number32(pax_.gid, global_.gid, header.gid());
  if (!gid.has_value()) return Damaged("an impossible group number");
  entry_.gid = *gid;
  if (const auto& time = pax_.mtime.has_value() ? pax_.mtime : global_.mtime; time.has_value()) {
    entry_.mtime_seconds = time->seconds;
    entry_.mtime_nanoseconds = time->nanoseconds;
  } else {
    const std::optional<int64_t> mtime = header.mtime();
    if (!mtime.has_value()) return Damaged("an impossible time");
    entry_.mtime_seconds = *mtime;
    entry_.mtime_nanoseconds = 0;
  }
  entry_.device_major = 0;
  entry_.device_minor = 0;
  if (entry_.type != TarType::kCharDevice && entry_.type != TarType::kBlockDevice) {
    return absl::OkStatus();
  }
  const auto major = number32(pax_.device_major, std::nullopt, header.device_major());
  const auto minor = number32(pax_.device_minor, std::nullopt, header.device_minor());
  if (!major.has_value() || !minor.has_value()) return Damaged("an impossible device number");
  entry_.device_major = *major;
  entry_.device_minor = *minor;
  return absl::OkStatus();
}

absl::Status TarParser::SetContent(const TarFields& header, uint64_t stored_bytes) {
  entry_.bytes = 0;
  entry_.sparse = false;
  const char type = header.type();
  if (type == '1') {
    place_.stored_bytes = stored_bytes;
    if (stored_bytes > 0) wants_ = Wants::kPeek;
    return absl::OkStatus();
  }
  if (type >= '2' && type <= '6') return absl::OkStatus();
  place_.stored_bytes = stored_bytes;
  if (entry_.type == TarType::kDirectory) return absl::OkStatus();
  entry_.bytes = stored_bytes;
  if (IsPlainFile(type)) {
    if (pax_.sparse) SetSparseContent();
    return absl::OkStatus();
  }
  if (type == 'M') {
    odd_ = "it goes on from another volume of a tar of many volumes";
  } else if (type != kOldGnuSparse) {
    odd_ = type > ' ' && type <= '~'
               ? absl::StrCat("it is of the unknown type '", std::string(1, type), "'")
               : absl::StrCat("it is of the unknown type ", static_cast<uint8_t>(type));
  } else {
    const std::optional<int64_t> bytes = header.sparse_bytes();
    if (!bytes.has_value() || *bytes < 0) return Damaged("an impossible size of a file with holes");
    entry_.bytes = static_cast<uint64_t>(*bytes);
    entry_.sparse = true;
    odd_ = "it has holes in GNU tar's old sparse format";
    map_goes_on_ = header.map_follows();
    if (map_goes_on_) wants_ = Wants::kBlock;
  }
  return absl::OkStatus();
}

void TarParser::SetSparseContent() {
  entry_.sparse = true;
  if (pax_.sparse_bytes.has_value()) entry_.bytes = *pax_.sparse_bytes;
  if (pax_.sparse_major == "1" && pax_.sparse_minor == "0") {
    if (!pax_.sparse_bytes.has_value()) odd_ = "it has holes, and its size is missing";
    return;
  }
  const std::string version = !pax_.sparse_major.empty() || !pax_.sparse_minor.empty()
                                  ? absl::StrCat(pax_.sparse_major, ".", pax_.sparse_minor)
                              : pax_.sparse_map ? "0.1"
                                                : "0.0";
  odd_ = absl::StrCat("it has holes in GNU tar's sparse format ",
                      ToAbsl(std::string_view(version).substr(0, 16)));
}

void TarParser::OnPeek(ByteSpan block) {
  if (block.empty() || IsZero(block) || TarFields(block).HasChecksum()) place_.stored_bytes = 0;
  wants_ = Wants::kEntry;
}

void TarParser::PassEntry() {
  offset_ += TarPadded(place_.stored_bytes);
  wants_ = Wants::kBlock;
}

absl::Status TarParser::OnEnd(uint64_t more, bool fragment) const {
  if (wants_ == Wants::kRest) return absl::OkStatus();
  if (fragment && wants_ == Wants::kBlock && more == 0 && !described_ && !map_goes_on_) {
    return absl::OkStatus();
  }
  return absl::DataLossError(absl::StrCat("the tar stream ended at byte ", offset_ + more,
                                          ", before its end mark: it was cut short"));
}

}  // namespace volstream
