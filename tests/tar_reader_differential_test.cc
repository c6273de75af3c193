// TarReader against libarchive, which shares no code with it, on the tar of a tree that has all
// that a volume can hold.
#include <archive.h>
#include <archive_entry.h>
#include <gtest/gtest.h>
#include <locale.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "stages/tar_parser.h"
#include "stages/tar_source.h"
#include "tests/support/source_driver.h"
#include "tests/support/tar_entries.h"
#include "tests/support/tree.h"

namespace volstream {
namespace {

std::string Text(const char* text) { return text == nullptr ? "" : text; }

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

// What libarchive says, as FoundEntry says it, but for the place.
FoundEntry FoundOf(archive* reader, archive_entry* entry) {
  FoundEntry found;
  RestoreEntry& e = found.entry;
  e.type = TypeOf(entry);
  e.path = EntryPathOf(Text(archive_entry_pathname(entry)));
  e.link_target = e.type == TarType::kHardLink
                      ? std::string(EntryPathOf(archive_entry_hardlink(entry)))
                      : Text(archive_entry_symlink(entry));
  e.mode = archive_entry_perm(entry);
  e.uid = static_cast<uint32_t>(archive_entry_uid(entry));
  e.gid = static_cast<uint32_t>(archive_entry_gid(entry));
  e.user_name = Text(archive_entry_uname(entry));
  e.group_name = Text(archive_entry_gname(entry));
  e.bytes = static_cast<uint64_t>(archive_entry_size(entry));
  e.mtime_seconds = archive_entry_mtime(entry);
  e.mtime_nanoseconds = static_cast<uint32_t>(archive_entry_mtime_nsec(entry));
  e.device_major = static_cast<uint32_t>(archive_entry_rdevmajor(entry));
  e.device_minor = static_cast<uint32_t>(archive_entry_rdevminor(entry));
  archive_entry_xattr_reset(entry);
  const char* name = nullptr;
  const void* value = nullptr;
  size_t bytes = 0;
  while (archive_entry_xattr_next(entry, &name, &value, &bytes) == ARCHIVE_OK) {
    // libarchive leaves names encoded.
    e.attributes.emplace_back(absl::StrReplaceAll(name, {{"%3D", "="}, {"%25", "%"}}),
                              std::string(static_cast<const char*>(value), bytes));
  }
  std::sort(e.attributes.begin(), e.attributes.end());
  la_int64_t offset = 0;
  while (archive_read_data_block(reader, &value, &bytes, &offset) == ARCHIVE_OK) {
    if (bytes == 0) continue;
    const uint64_t at = static_cast<uint64_t>(offset);
    auto& content = found.content;
    if (content.empty() || content.back().first + content.back().second.size() != at) {
      content.emplace_back(at, "");
    }
    content.back().second.append(static_cast<const char*>(value), bytes);
  }
  return found;
}

std::vector<FoundEntry> LibarchiveEntries(const std::string& tar) {
  struct FreeRead {
    void operator()(archive* a) const { archive_read_free(a); }
  };
  // It needs a locale that has all letters of UTF-8 names.
  const locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
  const locale_t before = uselocale(utf8);
  std::vector<FoundEntry> entries;
  const std::unique_ptr<archive, FreeRead> reader(archive_read_new());
  archive_read_support_format_tar(reader.get());
  EXPECT_EQ(archive_read_open_memory(reader.get(), tar.data(), tar.size()), ARCHIVE_OK);
  archive_entry* entry = nullptr;
  int result = ARCHIVE_OK;
  while ((result = archive_read_next_header(reader.get(), &entry)) >= ARCHIVE_WARN &&
         result != ARCHIVE_EOF) {
    entries.push_back(FoundOf(reader.get(), entry));
  }
  EXPECT_EQ(result, ARCHIVE_EOF) << Text(archive_error_string(reader.get()));
  uselocale(before);
  freelocale(utf8);
  return entries;
}

TEST(TarReaderDifferential, AgreesWithLibarchiveOnATreeOfRareFiles) {
  TempDir directory;
  MakeTree(directory / "volume", {.rare_files = true});
  Warnings warnings;
  absl::StatusOr<std::unique_ptr<VolumePlan>> plan =
      VolumePlan::Make(directory / "volume", &warnings);
  ASSERT_TRUE(plan.ok()) << plan.status();
  TarSource source(plan->get(), &warnings);
  const std::string tar = StreamOf(&source, kMiB);

  std::vector<FoundEntry> expected = LibarchiveEntries(tar);
  const FoundTar found = FindEntries(tar, {.chunk_bytes = 100'000});
  ASSERT_TRUE(found.status.ok()) << found.status;
  ASSERT_EQ(found.entries.size(), expected.size());
  ASSERT_EQ(found.entries.size(), (*plan)->entries().size());
  uint64_t end = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    FoundEntry ours = found.entries[i];
    std::sort(ours.entry.attributes.begin(), ours.entry.attributes.end());
    FoundEntry& theirs = expected[i];
    EXPECT_EQ(ours.place.tar_offset, end);
    EXPECT_EQ(ours.place.data_offset(), (*plan)->entries()[i].data_offset());
    end = ours.place.end_offset();
    EXPECT_EQ(ours.odd, "");
    // It hands out no ACLs as text and puts their group's rights into the mode; it tells no places,
    // and takes the fraction of a time before 1970 for one towards the future.
    if (!ours.entry.access_acl.empty()) theirs.entry.mode = ours.entry.mode;
    theirs.entry.access_acl = ours.entry.access_acl;
    theirs.entry.default_acl = ours.entry.default_acl;
    theirs.entry.sparse = ours.entry.sparse;
    theirs.place = ours.place;
    if (ours.entry.mtime_seconds < 0 && ours.entry.mtime_nanoseconds != 0) {
      theirs.entry.mtime_seconds = ours.entry.mtime_seconds;
      theirs.entry.mtime_nanoseconds = ours.entry.mtime_nanoseconds;
    }
    EXPECT_EQ(TextOf(ours), TextOf(theirs));
  }
  EXPECT_EQ(end + kTarEndBytes, tar.size());
}

}  // namespace
}  // namespace volstream
