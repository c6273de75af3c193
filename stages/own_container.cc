#include "stages/own_container.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string_view>
#include <vector>

namespace volstream {
namespace {

constexpr size_t kIdDigits = 64;
constexpr size_t kShortIdDigits = 12;
constexpr char kHexDigits[] = "0123456789abcdef";

std::string ContentsOf(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// Runs of exactly `digits` hex digits.
std::vector<std::string> HexRuns(const std::string& text, size_t digits) {
  std::vector<std::string> runs;
  for (size_t begin = text.find_first_of(kHexDigits); begin != std::string::npos;) {
    const size_t end = std::min(text.find_first_not_of(kHexDigits, begin), text.size());
    if (end - begin == digits) runs.push_back(text.substr(begin, digits));
    begin = text.find_first_of(kHexDigits, end);
  }
  return runs;
}

// What an engine mounts from the container's own directory.
bool IsEnginesFile(const std::string& mount_point) {
  return mount_point == "/etc/hostname" || mount_point == "/etc/hosts" ||
         mount_point == "/etc/resolv.conf" || mount_point == "/run/.containerenv";
}

}  // namespace

OwnContainer OwnContainer::Find(const std::string& root) {
  OwnContainer own;
  for (const std::string& id : HexRuns(ContentsOf(root + "/proc/self/cgroup"), kIdDigits)) {
    own.ids_.insert(id);
  }
  std::istringstream mounts(ContentsOf(root + "/proc/self/mountinfo"));
  for (std::string line; std::getline(mounts, line);) {
    // proc(5): number, parent, device, root within the file system, mount point, ...
    std::istringstream fields(line);
    std::string skipped;
    std::string source;
    std::string mount_point;
    fields >> skipped >> skipped >> skipped >> source >> mount_point;
    own.mount_points_.insert(mount_point);
    if (!IsEnginesFile(mount_point) || source.find("containers/") == std::string::npos) continue;
    for (const std::string& id : HexRuns(source, kIdDigits)) own.ids_.insert(id);
  }
  std::string host_name = ContentsOf(root + "/proc/sys/kernel/hostname");
  if (!host_name.empty() && host_name.back() == '\n') host_name.pop_back();
  if (host_name.size() == kShortIdDigits && !HexRuns(host_name, kShortIdDigits).empty()) {
    own.ids_.insert(host_name);
  }
  own.inside_ = !own.ids_.empty() || access((root + "/.dockerenv").c_str(), F_OK) == 0 ||
                access((root + "/run/.containerenv").c_str(), F_OK) == 0;
  return own;
}

bool OwnContainer::Is(const DockerContainer& container) const {
  return std::any_of(ids_.begin(), ids_.end(), [&container](const std::string& id) {
    return container.id.compare(0, id.size(), id) == 0;
  });
}

bool OwnContainer::MayBe(const DockerContainer& container) const {
  if (!inside_ || !ids_.empty()) return false;
  return std::all_of(
      container.mounts.begin(), container.mounts.end(),
      [this](const DockerMount& mount) { return mount_points_.count(mount.destination) > 0; });
}

}  // namespace volstream
