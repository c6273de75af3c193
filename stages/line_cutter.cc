#include "stages/line_cutter.h"

#include <algorithm>

namespace volstream {

void LineCutter::Feed(std::string_view bytes) {
  while (!bytes.empty()) {
    const size_t newline = bytes.find('\n');
    const size_t wanted = newline == std::string_view::npos ? bytes.size() : newline;
    const size_t taken = std::min(wanted, kMaxBytes - line_.size());
    line_.append(bytes.substr(0, taken));
    if (taken == newline) {
      Finish();
      bytes.remove_prefix(taken + 1);
    } else {
      bytes.remove_prefix(taken);
      if (line_.size() == kMaxBytes) Finish();
    }
  }
}

void LineCutter::Finish() {
  if (!line_.empty() && line_.back() == '\r') line_.pop_back();
  if (!line_.empty()) on_line_(line_);
  line_.clear();
}

}  // namespace volstream
