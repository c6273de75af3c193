#include "stages/warnings.h"

#include <algorithm>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "engine/mutex.h"

namespace volstream {
namespace {

// Bytes of the well-formed UTF-8 sequence that `text` begins with (RFC 3629 4), if it has several
// bytes and is no C1 control character, which some terminals obey; else 0.
size_t PrintableUtf8Length(std::string_view text) {
  const auto byte = [&text](size_t i) { return static_cast<unsigned char>(text[i]); };
  const size_t length = byte(0) < 0xc2 ? 0 : byte(0) < 0xe0 ? 2 : byte(0) < 0xf0 ? 3 : 4;
  if (length == 0 || byte(0) > 0xf4 || text.size() < length) return 0;
  uint32_t code = byte(0) & (0xffu >> (length + 1));
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
    code = code << 6 | (byte(i) & 0x3fu);
  }
  constexpr uint32_t kSmallest[] = {0, 0, 0xa0, 0x800, 0x10000};
  const bool surrogate = code >= 0xd800 && code < 0xe000;
  return code < kSmallest[length] || code > 0x10ffff || surrogate ? 0 : length;
}

// What CHexEscape leaves as it is.
bool IsPlain(char c) { return c >= 0x20 && c <= 0x7e && c != '"' && c != '\'' && c != '\\'; }

}  // namespace

Warnings::Warnings(Listener listener) : listener_(std::move(listener)) {}

void Warnings::Add(std::string_view path, std::string_view what) {
  std::string text = PrintablePath(path).append(": ").append(what);
  {
    MutexLock lock(&mu_);
    ++count_;
    if (texts_.size() < kMaxKept) texts_.push_back(text);
  }
  if (listener_) listener_(text);
}

void Warnings::AddMissing(std::string_view path, std::string_view what) {
  {
    MutexLock lock(&mu_);
    ++missing_count_;
  }
  Add(path, what);
}

std::vector<std::string> Warnings::texts() const {
  MutexLock lock(&mu_);
  return texts_;
}

uint64_t Warnings::count() const {
  MutexLock lock(&mu_);
  return count_;
}

uint64_t Warnings::missing_count() const {
  MutexLock lock(&mu_);
  return missing_count_;
}

std::string PrintablePath(std::string_view path) {
  // Most names need nothing.
  if (std::all_of(path.begin(), path.end(), IsPlain)) return std::string(path);
  std::string out;
  while (!path.empty()) {
    const size_t length = PrintableUtf8Length(path);
    if (length > 1) {
      out.append(path.substr(0, length));
      path.remove_prefix(length);
    } else {
      absl::StrAppend(&out, absl::CHexEscape(absl::string_view(path.data(), 1)));
      path.remove_prefix(1);
    }
  }
  return out;
}

}  // namespace volstream
