#include "tests/support/archive.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <set>

#include "absl/strings/str_cat.h"
#include "engine/bytes.h"
#include "stages/absl_text.h"
#include "stages/digest.h"
#include "tests/support/tree.h"

namespace volstream {
namespace {

constexpr size_t kStampLength = std::string_view("_YYYYMMDD_HHMMSS").size();

bool EndsWith(std::string_view text, std::string_view suffix) {
  return text.size() >= suffix.size() && text.substr(text.size() - suffix.size()) == suffix;
}

// The ending that makes it an archive's name; empty if it is none.
std::string_view EndingOf(std::string_view name) {
  for (const std::string_view ending : {kArchiveEnding, kZstdArchiveEnding}) {
    if (EndsWith(name, ending)) return ending;
  }
  return {};
}

bool IsArchive(std::string_view name) { return !EndingOf(name).empty(); }

uint64_t LittleEndian(std::string_view bytes) {
  uint64_t value = 0;
  for (size_t i = bytes.size(); i > 0; --i) {
    value = value << 8 | static_cast<uint8_t>(bytes[i - 1]);
  }
  return value;
}

// The VS subfield of the member that begins `rest` (RFC 1952, 2.3: ten fixed bytes, XLEN, then
// subfields of two id bytes, a length and so many bytes); empty if there is none.
std::string_view VsField(std::string_view rest) {
  constexpr size_t kFixedBytes = 12;
  constexpr uint8_t kFlagExtra = 4;
  if (rest.size() < kFixedBytes || rest.substr(0, 3) != "\x1f\x8b\x08") return {};
  if ((static_cast<uint8_t>(rest[3]) & kFlagExtra) == 0) return {};
  const size_t extra_bytes = LittleEndian(rest.substr(10, 2));
  std::string_view extra = rest.substr(kFixedBytes, extra_bytes);
  while (extra.size() >= 4) {
    const size_t length = LittleEndian(extra.substr(2, 2));
    if (extra.size() < 4 + length) return {};
    if (extra.substr(0, 2) == "VS") return extra.substr(4, length);
    extra.remove_prefix(4 + length);
  }
  return {};
}

}  // namespace

std::vector<std::string> ArchivesIn(const std::string& directory) {
  std::vector<std::string> archives;
  for (const std::string& name : NamesIn(directory)) {
    if (IsArchive(name) && name.front() != '.') archives.push_back(name);
  }
  return archives;
}

std::vector<std::string> LeftoversIn(const std::string& directory) {
  std::vector<std::string> leftovers;
  const std::vector<std::string> names = NamesIn(directory);
  const std::set<std::string> all(names.begin(), names.end());
  for (const std::string& name : names) {
    const bool unproven = IsArchive(name) && !all.contains(name + std::string(kReceiptEnding));
    if (name.front() == '.' || unproven) leftovers.push_back(name);
  }
  return leftovers;
}

std::string BackUp(const std::string& source, const std::string& destination,
                   const std::vector<std::string>& extra) {
  std::vector<std::string> before;
  if (Exists(destination)) before = ArchivesIn(destination);
  Command command = Volstream({"backup", source, "--to", destination});
  for (const std::string& arg : extra) command.Arg(arg);
  const CommandResult result = command.Run();
  EXPECT_EQ(result.exit_code, 0) << result;
  if (!Exists(destination)) return "";
  for (const std::string& name : ArchivesIn(destination)) {
    if (std::find(before.begin(), before.end(), name) == before.end()) {
      return destination + "/" + name;
    }
  }
  ADD_FAILURE() << "no new archive in " << destination << "\n" << result;
  return "";
}

nlohmann::json ReceiptOf(const std::string& archive_path) {
  const std::string path = archive_path + std::string(kReceiptEnding);
  nlohmann::json receipt = nlohmann::json::parse(ReadFile(path), nullptr, false);
  if (receipt.is_discarded()) {
    ADD_FAILURE() << path << " is missing or not JSON: " << ReadFile(path);
    return nlohmann::json();
  }
  return receipt;
}

std::string CopyAsBackupOf(const std::string& archive_path, const std::string& stamp) {
  const std::filesystem::path archive(archive_path);
  const std::string old_name = archive.filename().string();
  const std::string name =
      absl::StrCat(NameOfArchive(old_name), "_", stamp, ToAbsl(EndingOf(old_name)));
  const std::string copy = (archive.parent_path() / name).string();
  std::filesystem::copy_file(archive, copy);
  nlohmann::json receipt = ReceiptOf(archive_path);
  receipt["archive"] = name;
  WriteFile(copy + std::string(kReceiptEnding), receipt.dump(2));
  return name;
}

std::string Md5Hex(std::string_view bytes) { return ToHex(Md5Of(AsBytes(bytes))); }

std::string NameOfArchive(const std::string& archive) {
  if (!IsArchive(archive)) return "";
  const std::string stem = archive.substr(0, archive.size() - EndingOf(archive).size());
  if (stem.size() <= kStampLength) return "";
  const std::string stamp = stem.substr(stem.size() - kStampLength);
  for (size_t i = 0; i < stamp.size(); ++i) {
    const bool underscore = i == 0 || i == std::string_view("_YYYYMMDD").size();
    const bool fits = underscore ? stamp[i] == '_' : std::isdigit(stamp[i]) != 0;
    if (!fits) return "";
  }
  return stem.substr(0, stem.size() - kStampLength);
}

// Bytes of a member of the index or of the footer at the front of `file`; 0 if there is none.
size_t IndexMemberBytes(std::string_view file) {
  constexpr std::string_view kHeader("\x1f\x8b\x08\x04\0\0\0\0\0\xff", 10);
  if (file.size() < 26 || !file.starts_with(kHeader) || file[12] != 'V' ||
      (file[13] != 'I' && file[13] != 'F')) {
    return 0;
  }
  const size_t bytes = 26 + LittleEndian(file.substr(14, 2));
  return bytes <= file.size() ? bytes : 0;
}

MemberWalk WalkMembers(std::string_view file) {
  constexpr size_t kVsBytes = 16;
  MemberWalk walk;
  uint64_t offset = 0;
  while (offset < file.size() && IndexMemberBytes(file.substr(offset)) == 0) {
    const std::string_view field = VsField(file.substr(offset));
    if (field.size() != kVsBytes) {
      walk.problem = "no VS field of 16 bytes at offset " + std::to_string(offset);
      return walk;
    }
    GzipMember member;
    member.offset = offset;
    member.compressed_bytes = LittleEndian(field.substr(0, 4));
    member.uncompressed_bytes = LittleEndian(field.substr(4, 4));
    member.xxh3 = LittleEndian(field.substr(8, 8));
    if (member.compressed_bytes == 0 || member.compressed_bytes > file.size() - offset) {
      walk.problem = "the member at offset " + std::to_string(offset) + " claims " +
                     std::to_string(member.compressed_bytes) + " bytes";
      return walk;
    }
    offset += member.compressed_bytes;
    walk.members.push_back(member);
  }
  while (offset < file.size()) {
    const size_t bytes = IndexMemberBytes(file.substr(offset));
    if (bytes == 0) {
      walk.problem = "no member of the index at offset " + std::to_string(offset);
      return walk;
    }
    offset += bytes;
  }
  return walk;
}

}  // namespace volstream
