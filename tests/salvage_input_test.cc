// SalvageInput: of a damaged archive all members that are whole, in their places, and nothing that
// is none.
#include "stages/salvage_input.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/fake_storage.h"
#include "tests/support/member_archive.h"
#include "tests/support/tree.h"

namespace volstream {
namespace {

using Kind = SalvageItem::Kind;

// All items but the end.
std::vector<SalvageItem> ItemsOf(ArchiveFormat format, const std::string& bytes,
                                 const std::vector<MemberExtent>& extents) {
  FakeStorage storage;
  storage.Set("a", bytes);
  const std::unique_ptr<ArchiveFile> file = *ArchiveFile::Open(&storage, "a");
  SalvageInput input(file.get(), format, extents);
  std::vector<SalvageItem> items;
  while (true) {
    absl::StatusOr<SalvageItem> item = input.Next();
    EXPECT_TRUE(item.ok()) << item.status();
    if (!item.ok() || item->kind == Kind::kEnd) return items;
    items.push_back(*std::move(item));
  }
}

std::string TextOf(const SalvageItem& item) {
  return std::string(item.content.bytes.begin(), item.content.bytes.end());
}

std::vector<SalvageItem> GapsOf(const std::vector<SalvageItem>& items) {
  std::vector<SalvageItem> gaps;
  for (const SalvageItem& item : items) {
    if (item.kind == Kind::kGap) gaps.push_back(item);
  }
  return gaps;
}

class SalvageInputTest : public ::testing::TestWithParam<ArchiveFormat> {
 protected:
  // The members that come are those of the archive, with their own data; returns which.
  std::vector<size_t> MembersOf(const std::vector<SalvageItem>& items) {
    std::vector<size_t> found;
    for (const SalvageItem& item : items) {
      if (item.kind != Kind::kBytes) continue;
      const auto member = std::find_if(
          archive_.members.begin(), archive_.members.end(),
          [&](const MemberExtent& m) { return m.archive_offset == item.archive_offset; });
      if (member == archive_.members.end()) {
        ADD_FAILURE() << "no member begins at " << item.archive_offset;
        continue;
      }
      EXPECT_TRUE(TextOf(item) == archive_.tar.substr(member->tar_offset, member->tar_bytes));
      EXPECT_EQ(item.tar_offset.value_or(member->tar_offset), member->tar_offset);
      found.push_back(static_cast<size_t>(member - archive_.members.begin()));
    }
    return found;
  }
  std::vector<size_t> AllBut(const std::vector<size_t>& lost) {
    std::vector<size_t> rest;
    for (size_t i = 0; i < archive_.members.size(); ++i) {
      if (std::find(lost.begin(), lost.end(), i) == lost.end()) rest.push_back(i);
    }
    return rest;
  }
  // Byte `at` of member `index` is changed.
  void Damage(size_t index, uint64_t at) {
    char& byte = archive_.bytes[archive_.members[index].archive_offset + at];
    byte = static_cast<char>(byte ^ 0x55);
  }
  void ExpectGap(const SalvageItem& gap, size_t first, size_t last) {
    const MemberExtent& begin = archive_.members[first];
    const MemberExtent& end = archive_.members[last];
    EXPECT_EQ(gap.archive_offset, begin.archive_offset);
    EXPECT_EQ(gap.archive_offset + gap.archive_bytes, end.archive_offset + end.archive_bytes);
    EXPECT_EQ(gap.tar_offset, begin.tar_offset);
  }

  // Of its bytes, or others.
  std::vector<SalvageItem> ItemsOf(const std::string& bytes,
                                   const std::vector<MemberExtent>& extents = {}) {
    return volstream::ItemsOf(GetParam(), bytes, extents);
  }
  std::string IndexMember(std::string_view id, std::string_view payload) {
    return IndexMemberOf(id, payload, GetParam());
  }

  MemberArchive archive_ = RandomArchive(1, 40, 100'000, GetParam());
};

INSTANTIATE_TEST_SUITE_P(Formats, SalvageInputTest,
                         ::testing::Values(ArchiveFormat::kGzip, ArchiveFormat::kZstd),
                         kFormatTestName);

TEST_P(SalvageInputTest, GivesAllOfAnArchiveThatIsSound) {
  for (const auto& extents : {std::vector<MemberExtent>(), archive_.members}) {
    const std::vector<SalvageItem> items =
        ItemsOf(archive_.bytes + IndexMember("VI", "page") + IndexMember("VF", "end"), extents);
    EXPECT_EQ(MembersOf(items), AllBut({}));
    EXPECT_EQ(items.size(), archive_.members.size());
    EXPECT_TRUE(items.back().tar_offset.has_value());
  }
}

TEST_P(SalvageInputTest, KnowsWhatIsLostOfAMemberWhoseHeaderIsWhole) {
  Damage(5, 700);
  const std::vector<SalvageItem> items = ItemsOf(archive_.bytes);
  EXPECT_EQ(MembersOf(items), AllBut({5}));
  ASSERT_EQ(GapsOf(items).size(), 1u);
  ExpectGap(items[5], 5, 5);
  EXPECT_EQ(items[5].tar_bytes, archive_.members[5].tar_bytes);
  EXPECT_EQ(items[6].tar_offset, archive_.members[6].tar_offset);
}

TEST_P(SalvageInputTest, JoinsWhatIsLostInARow) {
  for (const size_t i : {5, 6, 7}) Damage(i, 700);
  const std::vector<SalvageItem> items = ItemsOf(archive_.bytes);
  EXPECT_EQ(MembersOf(items), AllBut({5, 6, 7}));
  ASSERT_EQ(GapsOf(items).size(), 1u);
  ExpectGap(items[5], 5, 7);
  EXPECT_EQ(items[5].tar_bytes, archive_.members[8].tar_offset - archive_.members[5].tar_offset);
}

TEST_P(SalvageInputTest, DoesNotTrustALengthThatIsSaidInTwoWays) {
  // In the `VS` data; in the trailer, or the frame's header.
  const bool gzip = GetParam() == ArchiveFormat::kGzip;
  for (const uint64_t at :
       {uint64_t{gzip ? 20u : 25u}, gzip ? archive_.members[5].archive_bytes - 4 : 42}) {
    MemberArchive sound = archive_;
    Damage(5, at);
    const std::vector<SalvageItem> items = ItemsOf(archive_.bytes);
    EXPECT_EQ(MembersOf(items), AllBut({5}));
    EXPECT_EQ(items[5].tar_bytes, std::nullopt) << at;
    EXPECT_EQ(items[6].tar_offset, std::nullopt);
    archive_ = std::move(sound);
  }
}

TEST_P(SalvageInputTest, FindsTheNextMemberWhereAHeaderIsDamaged) {
  Damage(5, 3);
  const std::vector<SalvageItem> items = ItemsOf(archive_.bytes);
  EXPECT_EQ(MembersOf(items), AllBut({5}));
  ExpectGap(items[5], 5, 5);
  EXPECT_EQ(items[5].tar_bytes, std::nullopt);
  const std::vector<SalvageItem> by_index = ItemsOf(archive_.bytes, archive_.members);
  EXPECT_EQ(MembersOf(by_index), AllBut({5}));
  EXPECT_EQ(by_index[5].tar_bytes, archive_.members[5].tar_bytes);
  EXPECT_EQ(by_index[6].tar_offset, archive_.members[6].tar_offset);
}

TEST_P(SalvageInputTest, GivesWhatLiesBeforeACut) {
  const std::string cut = archive_.bytes.substr(0, archive_.members[30].archive_offset + 50);
  const std::vector<SalvageItem> items = ItemsOf(cut);
  EXPECT_EQ(items.size(), 31u);
  EXPECT_EQ(MembersOf(items).size(), 30u);
  EXPECT_EQ(items[30].kind, Kind::kGap);
  EXPECT_EQ(items[30].archive_offset + items[30].archive_bytes, cut.size());
  EXPECT_EQ(MembersOf(ItemsOf(cut, archive_.members)).size(), 30u);
}

TEST_P(SalvageInputTest, BeginsInTheMiddleWhereTheFirstBytesAreGone) {
  const uint64_t gone = archive_.members[3].archive_offset + 7;
  archive_.bytes.erase(0, gone);
  const std::vector<SalvageItem> items = ItemsOf(archive_.bytes);
  ASSERT_EQ(items.size(), archive_.members.size() - 4 + 1);
  EXPECT_EQ(items[0].kind, Kind::kGap);
  for (size_t i = 1; i < items.size(); ++i) {
    const MemberExtent& member = archive_.members[i + 3];
    EXPECT_EQ(items[i].archive_offset, member.archive_offset - gone);
    EXPECT_TRUE(TextOf(items[i]) == archive_.tar.substr(member.tar_offset, member.tar_bytes));
  }
}

TEST_P(SalvageInputTest, IsNotDeceivedByAnArchiveInsideOfAMember) {
  MemberArchive inner{.format = GetParam()};
  for (uint64_t i = 0; i < 12; ++i) inner.Add(RandomBytes(100 + i, 4'096));
  inner.bytes.resize(TarPadded(inner.bytes.size()));
  archive_ = MemberArchive{.format = GetParam()};
  archive_.Add(RandomBytes(1, 51'200));
  // So much noise that the block is stored, as the inner archive has to stand there as it is.
  archive_.Add(RandomBytes(2, 512) + inner.bytes + RandomBytes(3, 921'600));
  for (int i = 0; i < 3; ++i) archive_.Add(RandomBytes(4, 102'400));
  ASSERT_NE(archive_.bytes.find(inner.bytes.substr(0, 500)), std::string::npos);
  Damage(1, 3);  // the header that would tell where the member ends
  EXPECT_EQ(MembersOf(ItemsOf(archive_.bytes)), AllBut({1}));
}

TEST_P(SalvageInputTest, LosesNothingOfTheTarWhereOnlyTheIndexIsDamaged) {
  std::string index = IndexMember("VI", RandomBytes(1, 500));
  index[100] ^= 1;
  index[2] ^= 1;
  const std::vector<SalvageItem> items = ItemsOf(archive_.bytes + index);
  EXPECT_EQ(MembersOf(items), AllBut({}));
  ASSERT_EQ(GapsOf(items).size(), 1u);
  EXPECT_EQ(items.back().archive_offset, archive_.bytes.size());
}

// Where holes of zeros lie, in any place and number.
TEST_P(SalvageInputTest, FindsAllThatHolesLeaveOver) {
  archive_ = RandomArchive(2, 300, 60'000, GetParam());
  const std::string sound = archive_.bytes;
  std::mt19937_64 random(7);
  for (int round = 0; round < 12; ++round) {
    archive_.bytes = sound;
    std::vector<size_t> touched;
    for (int hole = 0; hole < 1 + round % 4; ++hole) {
      const uint64_t bytes = 1 + random() % 40'000;
      const uint64_t begin = random() % (sound.size() - bytes);
      archive_.bytes.replace(begin, bytes, bytes, '\0');
    }
    std::vector<size_t> whole;
    for (size_t i = 0; i < archive_.members.size(); ++i) {
      const MemberExtent& m = archive_.members[i];
      if (archive_.bytes.compare(m.archive_offset, m.archive_bytes, sound, m.archive_offset,
                                 m.archive_bytes) == 0) {
        whole.push_back(i);
      }
    }
    EXPECT_EQ(MembersOf(ItemsOf(archive_.bytes, archive_.members)), whole);
    const std::vector<size_t> found = MembersOf(ItemsOf(archive_.bytes));
    EXPECT_TRUE(std::includes(whole.begin(), whole.end(), found.begin(), found.end()));
    // Only what stands alone between two holes may be missing.
    EXPECT_GE(found.size() + static_cast<size_t>(5 * (round % 4)), whole.size()) << round;
  }
}

TEST_P(SalvageInputTest, EndsWithTheStoragesErrorWhereThatFails) {
  FakeStorage storage;
  storage.Set("a", archive_.bytes);
  storage.faults.read_at = absl::UnavailableError("no answer");
  const std::unique_ptr<ArchiveFile> file = *ArchiveFile::Open(&storage, "a");
  SalvageInput input(file.get(), GetParam());
  EXPECT_EQ(input.Next().status(), storage.faults.read_at);
}

TEST_P(SalvageInputTest, GivesAGapForWhatIsNoArchive) {
  const std::vector<SalvageItem> items = ItemsOf(RandomBytes(5, 100'000));
  ASSERT_EQ(items.size(), 1u);
  EXPECT_EQ(items[0].kind, Kind::kGap);
  EXPECT_EQ(items[0].archive_bytes, 100'000u);
  EXPECT_TRUE(ItemsOf("").empty());
}

}  // namespace
}  // namespace volstream
