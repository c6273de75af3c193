// Snapshots of trees and their comparison; what makes a tree is in tree.cc.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <utility>

#include "engine/bytes.h"
#include "engine/check.h"
#include "stages/beneath.h"
#include "stages/digest.h"
#include "tests/support/attributes.h"
#include "tests/support/tree.h"

namespace volstream {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kNanosecondsPerSecond = 1'000'000'000;

// Quotes what a terminal would not show.
std::string Printable(std::string_view text) {
  std::ostringstream out;
  for (const char c : text) {
    if (c >= 0x20 && c < 0x7f) {
      out << c;
    } else {
      out << "\\x" << ToHex(ByteSpan(reinterpret_cast<const uint8_t*>(&c), 1));
    }
  }
  return out.str();
}

// Where the data of an open file lie.
std::vector<std::pair<uint64_t, uint64_t>> DataOf(int fd, uint64_t bytes) {
  std::vector<std::pair<uint64_t, uint64_t>> ranges;
  for (off_t offset = 0; static_cast<uint64_t>(offset) < bytes;) {
    const off_t data = lseek(fd, offset, SEEK_DATA);
    if (data < 0) break;
    offset = lseek(fd, data, SEEK_HOLE);
    VS_CHECK(offset > data);
    ranges.emplace_back(data, offset - data);
  }
  return ranges;
}

void ReadRegularFile(const std::string& path, const struct stat& info, TreeNode* node) {
  constexpr uint64_t kBlock = 4096;
  constexpr uint64_t kStatBlock = 512;
  node->size = static_cast<uint64_t>(info.st_size);
  node->allocated_bytes = static_cast<uint64_t>(info.st_blocks) * kStatBlock;
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  VS_CHECK(fd.valid());
  node->data = DataOf(fd.get(), node->size);
  Md5Stream md5;
  std::string chunk(kMiB, '\0');
  for (const auto& [begin, bytes] : node->data) {
    for (uint64_t at = begin / kBlock * kBlock; at < begin + bytes; at += chunk.size()) {
      const uint64_t wanted = std::min<uint64_t>(chunk.size(), begin + bytes - at);
      const ssize_t got = pread(fd.get(), chunk.data(), wanted, static_cast<off_t>(at));
      VS_CHECK(got == static_cast<ssize_t>(wanted));
      for (uint64_t i = 0; i < wanted; i += kBlock) {
        const std::string_view block(chunk.data() + i, std::min(kBlock, wanted - i));
        if (block.find_first_not_of('\0') == block.npos) continue;
        const std::string place = std::to_string(at + i) + ":";
        md5.Update(AsBytes(place));
        // Without the zeros at its end, which may lie behind the end of a range.
        md5.Update(AsBytes(block.substr(0, block.find_last_not_of('\0') + 1)));
      }
    }
  }
  node->md5 = ToHex(md5.Finish());
}

char TypeOf(mode_t mode) {
  if (S_ISREG(mode)) return '-';
  if (S_ISDIR(mode)) return 'd';
  if (S_ISLNK(mode)) return 'l';
  if (S_ISFIFO(mode)) return 'p';
  if (S_ISCHR(mode)) return 'c';
  if (S_ISBLK(mode)) return 'b';
  return S_ISSOCK(mode) ? 's' : '?';
}

bool ComparesMtime(const std::string& name, char type, const DiffOptions& options) {
  if (type == 'l') return options.symlink_mtimes;
  if (type == 'd' && !options.directory_mtimes) return false;
  return name != "." || options.root_mtime;
}

// What differs between two nodes of one name: the field, and its values as text.
struct FieldDifference {
  std::string field;
  std::string expected;
  std::string actual;
};

std::vector<FieldDifference> DiffNodes(const std::string& name, const TreeNode& expected,
                                       const TreeNode& actual, const DiffOptions& options) {
  std::vector<FieldDifference> differences;
  const auto compare = [&](const char* field, std::string wanted, std::string got) {
    if (wanted != got) differences.push_back({field, std::move(wanted), std::move(got)});
  };
  const auto owner = [](const TreeNode& node) {
    return std::to_string(node.uid) + ":" + std::to_string(node.gid);
  };
  const auto octal = [](unsigned mode) {
    std::ostringstream out;
    out << "0" << std::oct << mode;
    return out.str();
  };
  compare("type", {expected.type}, {actual.type});
  compare("size", std::to_string(expected.size), std::to_string(actual.size));
  compare("MD5", expected.md5, actual.md5);
  compare("link target", Printable(expected.link_target), Printable(actual.link_target));
  compare("hard link to", Printable(expected.linked_to), Printable(actual.linked_to));
  const bool is_symlink = expected.type == 'l';
  // Linux has no modes of symlinks.
  if (!is_symlink && options.modes) compare("mode", octal(expected.mode), octal(actual.mode));
  if (!is_symlink || options.symlink_owners) compare("owner", owner(expected), owner(actual));
  const bool same_time =
      std::abs(expected.mtime_ns - actual.mtime_ns) <= options.mtime_tolerance_ns;
  if (ComparesMtime(name, expected.type, options) && !same_time) {
    compare("mtime in ns", std::to_string(expected.mtime_ns), std::to_string(actual.mtime_ns));
  }
  if (options.attributes) {
    for (const auto& [attribute, value] : expected.attributes) {
      if (options.other_attributes.contains(attribute)) continue;
      const auto found = actual.attributes.find(attribute);
      const bool is_there = found != actual.attributes.end();
      compare(attribute.c_str(), Printable(value), is_there ? Printable(found->second) : "missing");
    }
    for (const auto& [attribute, value] : actual.attributes) {
      if (options.other_attributes.contains(attribute)) continue;
      if (!expected.attributes.contains(attribute)) compare(attribute.c_str(), "none", "there");
    }
  }
  compare("device", std::to_string(expected.device), std::to_string(actual.device));
  if (options.holes && expected.type == '-') {
    const auto ranges = [](const TreeNode& node) {
      std::string text = "[";
      for (const auto& [offset, bytes] : node.data) {
        text += std::to_string(offset) + "+" + std::to_string(bytes) + " ";
      }
      return text + "]";
    };
    compare("data", ranges(expected), ranges(actual));
    // A file system's own blocks may come on top.
    constexpr uint64_t kSlack = 64 * kKiB;
    if (actual.allocated_bytes > expected.allocated_bytes + kSlack) {
      compare("allocated", std::to_string(expected.allocated_bytes),
              std::to_string(actual.allocated_bytes));
    }
  }
  return differences;
}

}  // namespace

Tree SnapshotTree(const std::string& path) {
  Tree tree;
  std::vector<std::string> relative = {"."};
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(path)) {
    relative.push_back(entry.path().string().substr(path.size() + 1));
  }
  std::sort(relative.begin(), relative.end());
  std::map<std::pair<dev_t, ino_t>, std::string> first_names;
  for (const std::string& name : relative) {
    const std::string full = path + "/" + name;
    struct stat info;
    VS_CHECK(lstat(full.c_str(), &info) == 0);
    TreeNode node;
    node.type = TypeOf(info.st_mode);
    node.mode = info.st_mode & 07777;
    node.uid = info.st_uid;
    node.gid = info.st_gid;
    node.mtime_ns = info.st_mtim.tv_sec * kNanosecondsPerSecond + info.st_mtim.tv_nsec;
    node.attributes = AttributesOf(full);
    if (node.type == '-') ReadRegularFile(full, info, &node);
    if (node.type == 'c' || node.type == 'b') node.device = info.st_rdev;
    if (node.type == 'l') node.link_target = fs::read_symlink(full).string();
    if (node.type != 'd' && info.st_nlink > 1) {
      node.linked_to = first_names.try_emplace({info.st_dev, info.st_ino}, name).first->second;
    }
    tree.emplace(name, std::move(node));
  }
  return tree;
}

std::string DiffTrees(const Tree& expected, const Tree& actual, const DiffOptions& options) {
  std::vector<std::string> lines;
  for (const auto& [name, node] : expected) {
    const auto found = actual.find(name);
    if (found == actual.end()) {
      lines.push_back(Printable(name) + ": missing");
      continue;
    }
    for (const FieldDifference& difference : DiffNodes(name, node, found->second, options)) {
      lines.push_back(Printable(name) + ": " + difference.field + " is " + difference.actual +
                      ", should be " + difference.expected);
    }
  }
  for (const auto& [name, node] : actual) {
    if (!expected.contains(name)) lines.push_back(Printable(name) + ": not in the source");
  }
  constexpr size_t kMostLines = 20;
  std::string text;
  for (size_t i = 0; i < std::min(lines.size(), kMostLines); ++i) text += lines[i] + "\n";
  if (lines.size() > kMostLines) {
    text += "and " + std::to_string(lines.size() - kMostLines) + " more\n";
  }
  return text;
}

}  // namespace volstream
