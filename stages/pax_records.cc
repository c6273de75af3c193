#include "stages/pax_records.h"

#include <charconv>

#include "absl/strings/str_cat.h"
#include "stages/absl_text.h"
#include "stages/tar_header.h"

namespace volstream {
namespace {

constexpr std::string_view kAttribute = "SCHILY.xattr.";
constexpr std::string_view kSparse = "GNU.sparse.";
// How GNU tar archives this one attribute.
constexpr std::string_view kSelinux = "RHT.security.selinux";
constexpr std::string_view kSelinuxAttribute = "security.selinux";

absl::Status BadValue(std::string_view keyword) {
  return absl::DataLossError(absl::StrCat("a pax record with an impossible ", ToAbsl(keyword)));
}

bool StartsWith(std::string_view text, std::string_view prefix) {
  return text.substr(0, prefix.size()) == prefix;
}

// A text that ends up in a path or name: a NUL would hide what stands behind it.
absl::Status SetText(std::string_view keyword, std::string_view value, std::string* text) {
  if (value.find('\0') != std::string_view::npos) return BadValue(keyword);
  text->assign(value);
  return absl::OkStatus();
}

template <typename Number>
absl::Status SetNumber(std::string_view keyword, std::string_view value, uint64_t max,
                       std::optional<Number>* number) {
  number->reset();
  if (value.empty()) return absl::OkStatus();
  const std::optional<uint64_t> parsed = ParsePaxNumber(value, max);
  if (!parsed.has_value()) return BadValue(keyword);
  *number = static_cast<Number>(*parsed);
  return absl::OkStatus();
}

// '%' and '=' are written as %25 and %3D (docs/format.md).
std::string DecodedName(std::string_view name) {
  std::string decoded;
  decoded.reserve(name.size());
  while (!name.empty()) {
    const bool percent = StartsWith(name, "%25");
    const bool equals = StartsWith(name, "%3D");
    decoded += percent ? '%' : equals ? '=' : name.front();
    name.remove_prefix(percent || equals ? 3 : 1);
  }
  return decoded;
}

}  // namespace

absl::StatusOr<bool> PaxRecordReader::Next() {
  if (rest_.empty() || rest_.front() == '\0') return false;
  size_t length = 0;
  const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), length);
  const size_t digits = static_cast<size_t>(end - rest_.data());
  // The shortest record behind the length: a blank, a letter, '=', and the line's end.
  if (error != std::errc() || length > rest_.size() || length < digits + 4 ||
      rest_[digits] != ' ' || rest_[length - 1] != '\n') {
    return absl::DataLossError("a bad pax record");
  }
  const std::string_view record = rest_.substr(digits + 1, length - digits - 2);
  const size_t equals = record.find('=');
  if (equals == 0 || equals == std::string_view::npos) {
    return absl::DataLossError("a bad pax record");
  }
  keyword_ = record.substr(0, equals);
  value_ = record.substr(equals + 1);
  rest_.remove_prefix(length);
  return true;
}

std::optional<uint64_t> ParsePaxNumber(std::string_view text, uint64_t max) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number > max) return std::nullopt;
  return number;
}

std::optional<PaxTime> ParsePaxTime(std::string_view text) {
  const bool negative = StartsWith(text, "-");
  if (negative) text.remove_prefix(1);
  const size_t point = text.find('.');
  const std::optional<uint64_t> whole = ParsePaxNumber(text.substr(0, point), INT64_MAX - 1);
  if (!whole.has_value()) return std::nullopt;
  uint32_t fraction = 0;
  if (point != std::string_view::npos) {
    uint32_t unit = 100'000'000;
    for (const char c : text.substr(point + 1)) {
      if (c < '0' || c > '9') return std::nullopt;
      fraction += unit * static_cast<uint32_t>(c - '0');
      unit /= 10;
    }
  }
  PaxTime time{static_cast<int64_t>(*whole), fraction};
  if (!negative) return time;
  time.seconds = -time.seconds;
  if (fraction == 0) return time;
  time.seconds -= 1;
  time.nanoseconds = 1'000'000'000 - fraction;
  return time;
}

absl::Status PaxFields::Add(std::string_view data, bool global) {
  clear_ = false;
  PaxRecordReader reader(data);
  while (true) {
    const absl::StatusOr<bool> more = reader.Next();
    if (!more.ok()) return more.status();
    if (!*more) return absl::OkStatus();
    const std::string_view keyword = reader.keyword();
    const bool of_one_file = StartsWith(keyword, "SCHILY.") || StartsWith(keyword, "RHT.") ||
                             StartsWith(keyword, kSparse);
    if (global && of_one_file) continue;
    if (absl::Status status = AddRecord(keyword, reader.value()); !status.ok()) return status;
  }
}

absl::Status PaxFields::AddRecord(std::string_view keyword, std::string_view value) {
  if (keyword == "path") return SetText(keyword, value, &path);
  if (keyword == "linkpath") return SetText(keyword, value, &link_path);
  if (keyword == "uname") return SetText(keyword, value, &user_name);
  if (keyword == "gname") return SetText(keyword, value, &group_name);
  if (keyword == "size") return SetNumber(keyword, value, INT64_MAX, &size);
  if (keyword == "uid") return SetNumber(keyword, value, UINT32_MAX, &uid);
  if (keyword == "gid") return SetNumber(keyword, value, UINT32_MAX, &gid);
  if (keyword == "SCHILY.devmajor") return SetNumber(keyword, value, UINT32_MAX, &device_major);
  if (keyword == "SCHILY.devminor") return SetNumber(keyword, value, UINT32_MAX, &device_minor);
  if (keyword == "SCHILY.acl.access") return SetText(keyword, value, &access_acl);
  if (keyword == "SCHILY.acl.default") return SetText(keyword, value, &default_acl);
  if (keyword == "mtime") {
    mtime = ParsePaxTime(value);
    return mtime.has_value() || value.empty() ? absl::OkStatus() : BadValue(keyword);
  }
  if (StartsWith(keyword, kSparse)) return AddSparseRecord(keyword, value);
  const bool selinux = keyword == kSelinux;
  if (!selinux && !StartsWith(keyword, kAttribute)) return absl::OkStatus();
  const std::string_view name = selinux ? kSelinuxAttribute : keyword.substr(kAttribute.size());
  if (name.empty() || name.find('\0') != std::string_view::npos) return BadValue("attribute name");
  if (attributes.size() >= kMaxAttributes) {
    return absl::DataLossError(
        absl::StrCat("an entry with more than ", kMaxAttributes, " extended attributes"));
  }
  attributes.emplace_back(DecodedName(name), value);
  return absl::OkStatus();
}

absl::Status PaxFields::AddSparseRecord(std::string_view keyword, std::string_view value) {
  sparse = true;
  const std::string_view what = keyword.substr(kSparse.size());
  if (what == "map") sparse_map = true;
  if (what == "major") return SetText(keyword, value, &sparse_major);
  if (what == "minor") return SetText(keyword, value, &sparse_minor);
  if (what == "name") return SetText(keyword, value, &sparse_name);
  if (what == "realsize" || what == "size") {
    return SetNumber(keyword, value, INT64_MAX, &sparse_bytes);
  }
  return absl::OkStatus();
}

void PaxFields::Clear() {
  if (clear_) return;
  for (std::string* text : {&path, &link_path, &user_name, &group_name, &access_acl, &default_acl,
                            &sparse_major, &sparse_minor, &sparse_name}) {
    if (text->capacity() > kTarBlockBytes * 16) std::string().swap(*text);
    text->clear();
  }
  size.reset();
  uid.reset();
  gid.reset();
  mtime.reset();
  device_major.reset();
  device_minor.reset();
  attributes.clear();
  sparse = false;
  sparse_map = false;
  sparse_bytes.reset();
  clear_ = true;
}

}  // namespace volstream
