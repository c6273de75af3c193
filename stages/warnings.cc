#include "stages/warnings.h"

#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "engine/mutex.h"

namespace volstream {

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
  // Utf8SafeCHexEscape keeps UTF-8 letters and escapes control bytes; invalid UTF-8 must go too.
  bool ascii = true;
  for (const char c : path) ascii = ascii && static_cast<unsigned char>(c) < 0x80;
  const absl::string_view text(path.data(), path.size());
  if (ascii) return absl::CHexEscape(text);
  std::string out;
  size_t i = 0;
  while (i < path.size()) {
    const unsigned char lead = static_cast<unsigned char>(path[i]);
    size_t length = lead < 0x80 ? 1 : lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc2 ? 2 : 0;
    bool valid = length > 0 && lead < 0xf5 && i + length <= path.size();
    for (size_t k = 1; valid && k < length; ++k) {
      valid = (static_cast<unsigned char>(path[i + k]) & 0xc0) == 0x80;
    }
    if (valid && lead >= 0x80) {
      out.append(path.substr(i, length));
    } else {
      length = 1;
      absl::StrAppend(&out, absl::CHexEscape(text.substr(i, 1)));
    }
    i += length;
  }
  return out;
}

}  // namespace volstream
