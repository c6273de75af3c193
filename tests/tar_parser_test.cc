// TarParser through TarReader: the dialects, and what is refused.
#include "stages/tar_parser.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/support/raw_tar.h"
#include "tests/support/tar_entries.h"

namespace volstream {
using std::string_literals::operator""s;
namespace {

// The entries, read in small and in large chunks.
std::vector<FoundEntry> Entries(const std::string& tar) {
  const FoundTar found = FindEntries(tar, {.chunk_bytes = 100});
  EXPECT_TRUE(found.status.ok()) << found.status;
  EXPECT_EQ(TextsOf(FindEntries(tar, {.chunk_bytes = kMiB}).entries), TextsOf(found.entries));
  return found.entries;
}

// The one entry of the tar that these bytes begin; one without an end mark and another entry
// behind it would not tell whether its data were passed over.
FoundEntry OnlyEntry(const std::string& entry) {
  std::vector<FoundEntry> found = Entries(entry + FileEntry("behind", "data") + TarEnd());
  if (found.size() != 2 || found[1].entry.path != "behind") {
    ADD_FAILURE() << found.size() << " entries";
    return FoundEntry();
  }
  EXPECT_EQ(found[0].place.tar_offset, 0u);
  EXPECT_EQ(found[0].place.end_offset(), entry.size());
  return found[0];
}

// What is wrong with the tar that these bytes begin.
std::string Refusal(const std::string& entry) {
  const FoundTar found = FindEntries(entry + FileEntry("behind", "data") + TarEnd());
  EXPECT_TRUE(absl::IsDataLoss(found.status)) << found.status;
  EXPECT_NE(found.status.message().find("byte "), absl::string_view::npos) << found.status;
  return std::string(found.status.message());
}

TEST(EntryPathOf, LeavesOutOnlyWhatSaysNothing) {
  EXPECT_EQ(EntryPathOf("./a/b"), "a/b");
  EXPECT_EQ(EntryPathOf("a/b//"), "a/b");
  EXPECT_EQ(EntryPathOf("././/a"), "a");
  EXPECT_EQ(EntryPathOf("./"), "");
  EXPECT_EQ(EntryPathOf("."), "");
  EXPECT_EQ(EntryPathOf(""), "");
  EXPECT_EQ(EntryPathOf(".hidden"), ".hidden");
  EXPECT_EQ(EntryPathOf("./..."), "...");
  // Who writes to disk must see that these are outside.
  EXPECT_EQ(EntryPathOf("/"), "/");
  EXPECT_EQ(EntryPathOf("/etc/"), "/etc");
  EXPECT_EQ(EntryPathOf("./../a"), "../a");
}

TEST(TarParser, TakesAFileWhoseNameEndsInASlashForADirectory) {
  for (const char type : {'0', '\0'}) {
    const FoundEntry found = OnlyEntry(RawEntry("dir/", type, ""));
    EXPECT_EQ(found.entry.type, TarType::kDirectory);
    EXPECT_EQ(found.entry.path, "dir");
  }
}

TEST(TarParser, ReadsContiguousFiles) {
  const FoundEntry found = OnlyEntry(RawEntry("a", '7', "data"));
  EXPECT_EQ(found.entry.type, TarType::kFile);
  EXPECT_EQ(found.odd, "");
  EXPECT_EQ(found.content[0].second, "data");
}

TEST(TarParser, ReadsGnuLongNamesAndLinks) {
  const std::string name = "./" + std::string(300, 'n') + "/";
  const std::string link = std::string(5000, 'l');
  const std::string nul(1, '\0');
  const FoundEntry found =
      OnlyEntry(RawEntry("././@LongLink", 'K', link + nul) +
                RawEntry("././@LongLink", 'L', name + nul) + RawHeader("./short", '2', 0));
  EXPECT_EQ(found.entry.path, std::string(300, 'n'));
  EXPECT_EQ(found.entry.link_target, link);
  // Only of the one entry.
  const std::vector<FoundEntry> two =
      Entries(RawEntry("@", 'L', name) + RawEntry("@", 'K', link) + RawHeader("a", '2', 0) +
              WithField(RawHeader("b", '2', 0), 157, "target") + TarEnd());
  ASSERT_EQ(two.size(), 2u);
  EXPECT_EQ(two[1].entry.path, "b");
  EXPECT_EQ(two[1].entry.link_target, "target");
}

TEST(TarParser, ReadsNumbersInBase256) {
  std::string header = WithField(RawHeader("a", '0', 0), 108, "\x80\0\0\0\xff\xff\xff\xfe"s);
  header = WithField(header, 136, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfb"s);
  const FoundEntry found = OnlyEntry(header);
  EXPECT_EQ(found.entry.uid, 4'294'967'294u);
  EXPECT_EQ(found.entry.mtime_seconds, -5);
}

TEST(TarParser, KnowsNoPrefixAndNoNamesInV7Headers) {
  std::string header = RawHeader("name", '0', 0);
  header.replace(257, 255, std::string(255, 'g'));
  const FoundEntry found = OnlyEntry(WithChecksum(header));
  EXPECT_EQ(found.entry.path, "name");
  EXPECT_EQ(found.entry.user_name, "");
}

TEST(TarParser, TakesPaxBeforeWhatTheHeaderSays) {
  const std::string records =
      PaxRecord("path", "./long/") + PaxRecord("uid", "4000000000") + PaxRecord("gid", "7") +
      PaxRecord("uname", "u\xc3\xa9") + PaxRecord("gname", "g") + PaxRecord("mtime", "-1.25") +
      PaxRecord("SCHILY.xattr.user.a%25b%3Dc%41", std::string("\0=\n", 3)) +
      PaxRecord("RHT.security.selinux", "label") + PaxRecord("SCHILY.acl.access", "user::rw-") +
      PaxRecord("SCHILY.acl.default", "user::r--") + PaxRecord("comment", "x");
  const FoundEntry found = OnlyEntry(PaxHeader(records) + RawHeader("short", '5', 0));
  const RestoreEntry& entry = found.entry;
  EXPECT_EQ(entry.path, "long");
  EXPECT_EQ(entry.uid, 4'000'000'000u);
  EXPECT_EQ(entry.gid, 7u);
  EXPECT_EQ(entry.user_name, "u\xc3\xa9");
  EXPECT_EQ(entry.mtime_seconds, -2);
  EXPECT_EQ(entry.mtime_nanoseconds, 750'000'000u);
  ASSERT_EQ(entry.attributes.size(), 2u);
  EXPECT_EQ(entry.attributes[0].first, "user.a%b=c%41");
  EXPECT_EQ(entry.attributes[0].second, std::string("\0=\n", 3));
  EXPECT_EQ(entry.attributes[1].first, "security.selinux");
  EXPECT_EQ(entry.access_acl, "user::rw-");
  EXPECT_EQ(entry.default_acl, "user::r--");
}

TEST(TarParser, TakesGlobalPaxWhereTheEntrySaysNothing) {
  const std::string global =
      PaxHeader(PaxRecord("uid", "5") + PaxRecord("mtime", "9.5") + PaxRecord("gname", "all") +
                    PaxRecord("SCHILY.xattr.user.a", "x") + PaxRecord("GNU.sparse.map", "0,1"),
                'g');
  const std::string own = PaxHeader(PaxRecord("uid", "6") + PaxRecord("gname", ""));
  const std::vector<FoundEntry> found =
      Entries(global + FileEntry("a", "") + own + FileEntry("b", "") + TarEnd());
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].entry.uid, 5u);
  EXPECT_EQ(found[0].entry.mtime_nanoseconds, 500'000'000u);
  EXPECT_EQ(found[0].entry.group_name, "all");
  EXPECT_TRUE(found[0].entry.attributes.empty());
  EXPECT_FALSE(found[0].entry.sparse);
  EXPECT_EQ(found[1].entry.uid, 6u);
  EXPECT_EQ(found[1].entry.mtime_seconds, 9);
  // A global header is no part of the entry that happens to come next.
  EXPECT_EQ(found[0].place.tar_offset, global.size());
  EXPECT_EQ(found[1].place.header_bytes, own.size() + 512);
}

TEST(TarParser, FindsOutWhetherAHardLinkHasData) {
  const std::string with = WithField(RawEntry("link", '1', std::string(1500, 'x')), 157, "./file");
  const FoundEntry found = OnlyEntry(with);
  EXPECT_EQ(found.entry.type, TarType::kHardLink);
  EXPECT_EQ(found.entry.link_target, "file");
  EXPECT_EQ(found.place.stored_bytes, 1500u);
  EXPECT_EQ(found.entry.bytes, 0u);
  EXPECT_TRUE(found.content.empty());
  const FoundEntry without = OnlyEntry(with.substr(0, 512));
  EXPECT_EQ(without.place.stored_bytes, 0u);
  EXPECT_EQ(Entries(with.substr(0, 512) + with.substr(0, 512) + with + TarEnd()).size(), 3u);
  EXPECT_EQ(FindEntries(with.substr(0, 512), {.fragment = true}).entries.size(), 1u);
}

TEST(TarParser, LetsNothingButFilesHaveData) {
  for (const char type : {'2', '3', '4', '5', '6'}) {
    const FoundEntry found = OnlyEntry(RawHeader("a", type, 5000));
    EXPECT_EQ(found.entry.bytes, 0u) << type;
    EXPECT_EQ(found.place.stored_bytes, 0u) << type;
  }
}

TEST(TarParser, SaysWhatIsOddAndPassesOverIt) {
  for (const char type : {'M', 'V', 'N', '9'}) {
    const FoundEntry found = OnlyEntry(RawEntry("a", type, "data"));
    EXPECT_NE(found.odd, "") << type;
    EXPECT_TRUE(found.content.empty()) << type;
    EXPECT_EQ(found.place.stored_bytes, 4u) << type;
  }
  // Names of files, which GNU tar's incremental archives keep with a directory.
  const FoundEntry directory = OnlyEntry(RawEntry("d/", 'D', "Yfile\0\0"s));
  EXPECT_EQ(directory.entry.type, TarType::kDirectory);
  EXPECT_EQ(directory.place.stored_bytes, 7u);
}

TEST(TarParser, PassesOverOldGnuSparseFilesAndTheirMaps) {
  std::string header = WithField(RawHeader("a", 'S', 1000), 483, "00000010000\0"s);
  const std::string data(1024, 'x');
  const FoundEntry plain = OnlyEntry(header + data);
  EXPECT_NE(plain.odd, "");
  EXPECT_TRUE(plain.entry.sparse);
  EXPECT_EQ(plain.entry.bytes, 4096u);
  EXPECT_EQ(plain.place.header_bytes, 512u);
  header = WithField(header, 482, "\1");
  std::string map(512, '7');
  map[504] = '\1';
  std::string last_map = map;
  last_map[504] = '\0';
  const FoundEntry found = OnlyEntry(header + map + last_map + data);
  EXPECT_EQ(found.place.header_bytes, 3 * 512u);
  EXPECT_EQ(found.place.stored_bytes, 1000u);
}

TEST(TarParser, PassesOverPaxSparseFilesOfOtherVersions) {
  const std::string old =
      PaxRecord("GNU.sparse.size", "5000") + PaxRecord("GNU.sparse.numblocks", "1") +
      PaxRecord("GNU.sparse.offset", "0") + PaxRecord("GNU.sparse.numbytes", "4");
  const std::string mapped = PaxRecord("GNU.sparse.size", "5000") +
                             PaxRecord("GNU.sparse.map", "0,4") + PaxRecord("GNU.sparse.name", "b");
  const std::string later = PaxRecord("GNU.sparse.major", "2") +
                            PaxRecord("GNU.sparse.minor", "0") +
                            PaxRecord("GNU.sparse.realsize", "5000");
  for (const std::string& records : {old, mapped, later}) {
    const FoundEntry found = OnlyEntry(PaxHeader(records) + FileEntry("a", "data"));
    EXPECT_NE(found.odd, "");
    EXPECT_TRUE(found.entry.sparse);
    EXPECT_EQ(found.entry.bytes, 5000u);
    EXPECT_EQ(found.entry.path, records == mapped ? "b" : "a");
    EXPECT_TRUE(found.content.empty());
  }
}

TEST(TarParser, RefusesImpossibleNumbers) {
  const std::string header = RawHeader("a", '0', 0);
  EXPECT_NE(Refusal(WithField(header, 124, "9")).find("size"), std::string::npos);
  EXPECT_NE(Refusal(WithField(header, 124, std::string(12, '\xff'))).find("size"),
            std::string::npos);
  EXPECT_NE(Refusal(WithField(header, 124, "\x80" + std::string(11, '\xff'))).find("size"),
            std::string::npos);
  EXPECT_NE(Refusal(WithField(header, 100, "x")).find("mode"), std::string::npos);
  EXPECT_NE(Refusal(WithField(header, 108, std::string(8, '\xff'))).find("user"),
            std::string::npos);
  EXPECT_NE(Refusal(WithField(header, 116, "-1")).find("group"), std::string::npos);
  EXPECT_NE(Refusal(WithField(header, 136, "1.5")).find("time"), std::string::npos);
  EXPECT_NE(Refusal(WithField(RawHeader("a", '3', 0), 329, "z")).find("device"), std::string::npos);
  EXPECT_NE(Refusal(WithField(RawHeader("a", 'x', 0), 124, "z")).find("size"), std::string::npos);
  EXPECT_NE(Refusal(WithField(RawHeader("a", 'S', 0), 483, "z")).find("holes"), std::string::npos);
}

TEST(TarParser, RefusesExtendedHeadersWithoutBound) {
  EXPECT_NE(Refusal(RawHeader("a", 'x', kMaxPaxBytes + 1)).find("16 MiB"), std::string::npos);
  EXPECT_NE(Refusal(RawHeader("a", 'g', kMaxPaxBytes + 1)).find("16 MiB"), std::string::npos);
  std::string many;
  for (int i = 0; i < 5; ++i) {
    many +=
        PaxHeader(PaxRecord("SCHILY.xattr.user." + std::to_string(i), std::string(4 * kMiB, 'x')));
  }
  EXPECT_NE(Refusal(many).find("16 MiB"), std::string::npos);
}

TEST(TarParser, BoundsTheExtendedHeadersOfEachEntryAndNotOfAll) {
  std::string tar;
  for (int i = 0; i < 5; ++i) {
    tar += PaxHeader(PaxRecord("comment", std::string(4 * kMiB, 'x'))) + FileEntry("a", "");
  }
  EXPECT_TRUE(FindEntries(tar + TarEnd(), {.chunk_bytes = kMiB}).status.ok());
}

TEST(TarParser, RefusesBadPaxRecords) {
  for (const std::string& records :
       {"x"s, "12 path=\n"s, "11 path=abc"s, "+11 path=ab\n"s, "5 ab\n"s, "5 =a\n"s, " 9 path=\n"s,
        PaxRecord("path", "a\0b"s), PaxRecord("size", "1x"), PaxRecord("uid", "4294967296"),
        PaxRecord("mtime", "1e9"), PaxRecord("SCHILY.xattr.", "x")}) {
    EXPECT_NE(Refusal(PaxHeader(records) + FileEntry("a", "")).find("pax record"),
              std::string::npos);
  }
}

TEST(TarParser, RefusesAnExtendedHeaderThatDescribesNothing) {
  EXPECT_TRUE(absl::IsDataLoss(FindEntries(PaxHeader(PaxRecord("uid", "1")) + TarEnd()).status));
  EXPECT_TRUE(FindEntries(PaxHeader(PaxRecord("uid", "1"), 'g') + TarEnd()).status.ok());
}

}  // namespace
}  // namespace volstream
