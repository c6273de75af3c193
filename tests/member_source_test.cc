// MemberSource: blocks are members, found without inflating; the index is passed over.
#include "stages/member_source.h"

#include <gtest/gtest.h>
#include <xxhash.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_format.h"
#include "stages/digest.h"
#include "stages/little_endian.h"
#include "stages/zstd_member.h"
#include "tests/support/fake_storage.h"
#include "tests/support/member_archive.h"
#include "tests/support/tree.h"

namespace volstream {
namespace {

struct Found {
  std::vector<MemberExtent> members;  // without their tar
  absl::Status status;
  std::string md5;
  std::string xxh3;
};

// What the source finds in `extents` of these bytes; in all of them by default.
Found MembersIn(ArchiveFormat format, const std::string& bytes,
                std::vector<ReadExtent> extents = {}, size_t space_bytes = 2 * kMiB) {
  FakeStorage storage;
  storage.Set("a", bytes);
  const std::unique_ptr<ArchiveFile> file = *ArchiveFile::Open(&storage, "a");
  if (extents.empty()) extents.push_back(ReadExtent{0, bytes.size()});
  RangeReader reader(file.get(), extents, {2, 4'096, 65'536});
  MemberSource source(&reader, MemberFraming::Of(format), extents, {true, true});
  std::vector<uint8_t> space(space_bytes);
  Found found;
  while (true) {
    const absl::StatusOr<BlockTicket> ticket = source.Next(space);
    found.status = ticket.status();
    if (!ticket.ok() || ticket->bytes == 0) break;
    EXPECT_TRUE(ticket->filled);
    EXPECT_EQ(std::string(space.begin(), space.begin() + static_cast<long>(ticket->bytes)),
              bytes.substr(ticket->offset, ticket->bytes));
    found.members.push_back(MemberExtent{ticket->offset, ticket->bytes, 0, 0});
  }
  found.md5 = source.md5();
  found.xxh3 = source.xxh3();
  return found;
}

std::vector<MemberExtent> WithoutTar(std::vector<MemberExtent> members) {
  for (MemberExtent& member : members) member.tar_offset = member.tar_bytes = 0;
  return members;
}

// "at offset N: ..." with these words.
void ExpectDamage(const absl::Status& status, uint64_t offset, std::string_view what) {
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  const std::string message(status.message());
  EXPECT_EQ(message.find("at offset " + std::to_string(offset) + ": "), 0u) << message;
  EXPECT_NE(message.find(what), std::string::npos) << message;
}

class MemberSourceTest : public ::testing::TestWithParam<ArchiveFormat> {};

INSTANTIATE_TEST_SUITE_P(Formats, MemberSourceTest,
                         ::testing::Values(ArchiveFormat::kGzip, ArchiveFormat::kZstd),
                         kFormatTestName);

TEST_P(MemberSourceTest, FindsAllMembers) {
  const MemberArchive archive = RandomArchive(1, 40, 100'000, GetParam());
  const Found found = MembersIn(GetParam(), archive.bytes);
  EXPECT_TRUE(found.status.ok()) << found.status;
  EXPECT_EQ(found.members, WithoutTar(archive.members));
}

TEST_P(MemberSourceTest, PassesOverTheIndexAndItsFooter) {
  const MemberArchive archive = RandomArchive(2, 5, 10'000, GetParam());
  const std::string index = IndexMemberOf("VI", RandomBytes(1, 65'531), GetParam()) +
                            IndexMemberOf("VI", "", GetParam()) +
                            IndexMemberOf("VF", RandomBytes(2, 64), GetParam());
  const Found found = MembersIn(GetParam(), archive.bytes + index);
  EXPECT_TRUE(found.status.ok()) << found.status;
  EXPECT_EQ(found.members, WithoutTar(archive.members));
}

TEST_P(MemberSourceTest, DigestsAllBytesThoseOfTheIndexToo) {
  const std::string bytes = RandomArchive(3, 9, 50'000, GetParam()).bytes +
                            IndexMemberOf("VI", "page", GetParam()) +
                            IndexMemberOf("VF", "footer", GetParam());
  const Found found = MembersIn(GetParam(), bytes);
  EXPECT_EQ(found.md5, ToHex(Md5Of(AsBytes(bytes))));
  EXPECT_EQ(found.xxh3, absl::StrFormat("%016x", XXH3_64bits(bytes.data(), bytes.size())));
}

TEST_P(MemberSourceTest, FindsMembersOfExtentsWithTheirPlaces) {
  const MemberArchive archive = RandomArchive(4, 10, 20'000, GetParam());
  const std::vector<MemberExtent>& all = archive.members;
  const std::vector<size_t> picks = {7, 2, 3, 9};
  std::vector<ReadExtent> extents;
  std::vector<MemberExtent> wanted;
  for (const size_t i : picks) {
    extents.push_back(ReadExtent{all[i].archive_offset, all[i].archive_bytes});
    wanted.push_back(all[i]);
  }
  const Found found = MembersIn(GetParam(), archive.bytes, extents);
  EXPECT_TRUE(found.status.ok()) << found.status;
  EXPECT_EQ(found.members, WithoutTar(wanted));
}

TEST_P(MemberSourceTest, EmptyArchiveHasNoMembers) {
  const Found found = MembersIn(GetParam(), "");
  EXPECT_TRUE(found.status.ok());
  EXPECT_TRUE(found.members.empty());
}

TEST_P(MemberSourceTest, RefusesBytesThatAreNoMember) {
  const MemberArchive archive = RandomArchive(5, 3, 10'000, GetParam());
  ExpectDamage(MembersIn(GetParam(), archive.bytes + std::string(100, 'x')).status,
               archive.bytes.size(), "no member begins here");
}

TEST_P(MemberSourceTest, RefusesAMemberThatIsCutOff) {
  const MemberArchive archive = RandomArchive(6, 3, 10'000, GetParam());
  const uint64_t last = archive.members[2].archive_offset;
  for (const uint64_t bytes : {1, 11, 12, 31, 32, 100}) {
    ExpectDamage(MembersIn(GetParam(), archive.bytes.substr(0, last + bytes)).status, last,
                 "cut off");
  }
}

TEST_P(MemberSourceTest, RefusesAMemberThatLiesAcrossTheEndOfAnExtent) {
  const MemberArchive archive = RandomArchive(7, 3, 10'000, GetParam());
  const MemberExtent& second = archive.members[1];
  ExpectDamage(
      MembersIn(GetParam(), archive.bytes, {{0, second.archive_offset + second.archive_bytes - 1}})
          .status,
      second.archive_offset, "cut off");
}

TEST_P(MemberSourceTest, RefusesAMemberOfMoreBytesThanABlock) {
  const MemberArchive archive =
      ArchiveOf({RandomBytes(1, 512), RandomBytes(2, 100'000)}, GetParam());
  ExpectDamage(MembersIn(GetParam(), archive.bytes, {}, kMaxIndexMemberBytes).status,
               archive.members[1].archive_offset, "more than any");
}

TEST(MemberSource, RefusesAMemberOfFewerBytesThanItsHeader) {
  std::string member = MemberOf("data");
  member[16] = 39;
  ExpectDamage(MembersIn(ArchiveFormat::kGzip, member).status, 0, "fewer than its header");
}

TEST(MemberSource, RefusesEveryChangeToTheFormOfAnIndexMember) {
  const MemberArchive archive = ArchiveOf({RandomBytes(1, 512)});
  const std::string index = IndexMemberOf("VI", "page");
  for (size_t i = 0; i < index.size(); ++i) {
    // MTIME, XFL, OS, and what hashes of the index's own protect.
    if ((i >= 4 && i < 10) || (i >= 14 && i < 20)) continue;
    std::string damaged = index;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x20);
    EXPECT_TRUE(absl::IsDataLoss(MembersIn(ArchiveFormat::kGzip, archive.bytes + damaged).status))
        << i;
  }
}

// As a later version, or `zstd --seekable` and the like, may add.
TEST(MemberSource, PassesOverSkippableFramesOfAnyKindAndLength) {
  const auto skippable = [](int kind, size_t bytes) {
    std::string frame{static_cast<char>(0x50 + kind), '\x2a', '\x4d', '\x18'};
    AppendLittleEndian<uint32_t>(static_cast<uint32_t>(bytes), &frame);
    return frame + RandomBytes(bytes, bytes);
  };
  const std::vector<std::string> blocks = {RandomBytes(1, 512), RandomBytes(2, 5'000)};
  std::string bytes;
  std::vector<MemberExtent> wanted;
  for (const std::string& block : blocks) {
    for (int kind = 0; kind < 16; ++kind) bytes += skippable(kind, static_cast<size_t>(kind) * 7);
    bytes += skippable(5, 3 * kMiB);
    const std::string member = MemberOf(block, ArchiveFormat::kZstd);
    wanted.push_back(MemberExtent{bytes.size(), member.size(), 0, 0});
    bytes += member;
  }
  bytes += skippable(3, 100);
  const Found found = MembersIn(ArchiveFormat::kZstd, bytes);
  EXPECT_TRUE(found.status.ok()) << found.status;
  EXPECT_EQ(found.members, wanted);
  EXPECT_EQ(found.md5, ToHex(Md5Of(AsBytes(bytes))));
  ExpectDamage(MembersIn(ArchiveFormat::kZstd, bytes.substr(0, bytes.size() - 1)).status,
               bytes.size() - 108, "cut off");
}

TEST(MemberSource, RefusesAFrameThatDoesNotSayHowLongItIs) {
  const std::string member = MemberOf("data", ArchiveFormat::kZstd);
  ExpectDamage(MembersIn(ArchiveFormat::kZstd, member.substr(kZstdHeaderBytes) + member).status, 0,
               "does not say how long it is");
  std::string small = member;
  small[kZstdHeaderBytes - 16] = static_cast<char>(kZstdHeaderBytes);
  ExpectDamage(MembersIn(ArchiveFormat::kZstd, small).status, 0, "fewer than its header");
}

TEST(MemberSource, RefusesAMemberOfAnotherWriter) {
  ExpectDamage(MembersIn(ArchiveFormat::kGzip, IndexMemberOf("BC", "ab")).status, 0,
               "does not say how long it is");
}

}  // namespace
}  // namespace volstream
