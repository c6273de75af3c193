#include "tools/entry_text.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "stages/absl_text.h"
#include "stages/warnings.h"

namespace volstream {
namespace {

std::string TimeText(const EntryInfo& entry, const char* format) {
  const absl::Time time =
      absl::FromUnixSeconds(entry.mtime_seconds) + absl::Nanoseconds(entry.mtime_nanoseconds);
  return absl::FormatTime(format, time, absl::UTCTimeZone());
}

char TypeLetter(TarType type) {
  switch (type) {
    case TarType::kFile:
      return '-';
    case TarType::kHardLink:
      return 'h';
    case TarType::kSymlink:
      return 'l';
    case TarType::kCharDevice:
      return 'c';
    case TarType::kBlockDevice:
      return 'b';
    case TarType::kDirectory:
      return 'd';
    case TarType::kFifo:
      return 'p';
  }
  return '?';
}

}  // namespace

std::string_view RawPath(std::string_view path) { return path.empty() ? "." : path; }

std::string PathText(std::string_view path) { return PrintablePath(RawPath(path)); }

std::string_view TypeText(TarType type) {
  switch (type) {
    case TarType::kFile:
      return "file";
    case TarType::kHardLink:
      return "hard link";
    case TarType::kSymlink:
      return "symlink";
    case TarType::kCharDevice:
      return "character device";
    case TarType::kBlockDevice:
      return "block device";
    case TarType::kDirectory:
      return "directory";
    case TarType::kFifo:
      return "fifo";
  }
  return "unknown";
}

std::string ModeText(const EntryInfo& entry) {
  std::string text(1, TypeLetter(entry.type));
  for (int i = 8; i >= 0; --i) text += (entry.mode >> i & 1) != 0 ? "xwr"[i % 3] : '-';
  // Set-user-id, set-group-id and sticky stand in the place of x, in capitals where that is not
  // set.
  const auto mark = [&](uint32_t bit, size_t at, char letter) {
    if ((entry.mode & bit) == 0) return;
    text[at] = text[at] == 'x' ? letter : static_cast<char>(letter - 'a' + 'A');
  };
  mark(04000, 3, 's');
  mark(02000, 6, 's');
  mark(01000, 9, 't');
  return text;
}

std::string OctalText(uint32_t mode) { return absl::StrFormat("%04o", mode); }

std::string ExactTimeText(const EntryInfo& entry) {
  return TimeText(entry, "%E4Y-%m-%dT%H:%M:%E*SZ");
}

std::string LongText(const EntryInfo& entry, bool raw) {
  const auto text = [raw](std::string_view path) {
    return raw ? std::string(RawPath(path)) : PathText(path);
  };
  std::string line = absl::StrFormat("%s %11s %12d %s %s", ModeText(entry),
                                     absl::StrCat(entry.uid, "/", entry.gid), entry.bytes,
                                     TimeText(entry, "%E4Y-%m-%d %H:%M:%S"), text(entry.path));
  if (entry.type == TarType::kSymlink) {
    // An empty target is no root.
    line.append(" -> ").append(raw ? entry.link_target : PrintablePath(entry.link_target));
  } else if (entry.type == TarType::kHardLink) {
    line.append(" link to ").append(text(entry.link_target));
  }
  return line;
}

void SetPath(const char* key, std::string_view path, nlohmann::ordered_json* json) {
  std::string text = PrintablePath(path);
  const bool exact = text == path;
  (*json)[key] = std::move(text);
  if (!exact) (*json)[std::string(key) + "_hex"] = absl::BytesToHexString(ToAbsl(path));
}

nlohmann::ordered_json EntryJson(const EntryInfo& entry) {
  nlohmann::ordered_json json;
  SetPath("path", RawPath(entry.path), &json);
  json["type"] = std::string(TypeText(entry.type));
  json["mode"] = OctalText(entry.mode);
  json["uid"] = entry.uid;
  json["gid"] = entry.gid;
  json["bytes"] = entry.bytes;
  json["mtime"] = ExactTimeText(entry);
  if (entry.type == TarType::kSymlink) SetPath("target", entry.link_target, &json);
  if (entry.type == TarType::kHardLink) SetPath("target", RawPath(entry.link_target), &json);
  return json;
}

std::string JsonLine(const nlohmann::ordered_json& json) {
  return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace volstream
