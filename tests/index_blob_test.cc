#include "stages/index_blob.h"

#include <gtest/gtest.h>

#include <string>

#include "stages/digest.h"
#include "tests/support/tree.h"

namespace volstream {
namespace {

constexpr ArchiveFormat kFormats[] = {ArchiveFormat::kGzip, ArchiveFormat::kZstd};

TEST(IndexBlob, GivesBackWhatWasEncoded) {
  for (const std::string& raw :
       {std::string(), std::string("x"), std::string(100'000, 'a'), RandomBytes(1, 100'000),
        RandomBytes(2, kIndexPieceBytes - 5), RandomBytes(3, kIndexPieceBytes - 4)}) {
    for (const ArchiveFormat format : kFormats) {
      const auto blob = EncodeIndexBlob(raw, format);
      ASSERT_TRUE(blob.ok()) << blob.status();
      const auto decoded = DecodeIndexBlob(AsBytes(blob->members), blob->xxh3);
      ASSERT_TRUE(decoded.ok()) << decoded.status();
      EXPECT_EQ(*decoded, raw);
    }
  }
}

TEST(IndexBlob, RefusesEveryChangedByteAndEveryCut) {
  for (const ArchiveFormat format : kFormats) {
    const auto blob = EncodeIndexBlob("a page of some bytes, a page of some bytes", format);
    ASSERT_TRUE(blob.ok());
    const ByteSpan members = AsBytes(blob->members);
    for (size_t i = 0; i < members.size(); ++i) {
      std::string changed = blob->members;
      changed[i] = static_cast<char>(changed[i] ^ 0x55);
      EXPECT_TRUE(absl::IsDataLoss(DecodeIndexBlob(AsBytes(changed), blob->xxh3).status())) << i;
      EXPECT_TRUE(absl::IsDataLoss(DecodeIndexBlob(members.first(i), blob->xxh3).status()));
    }
    EXPECT_TRUE(absl::IsDataLoss(DecodeIndexBlob(members, blob->xxh3 + 1).status()));
  }
}

// Of 15 KiB of noise, which is two pieces with what stands before it.
TEST(IndexBlob, CutsWhatOneMemberDoesNotHold) {
  const std::string raw = RandomBytes(4, kIndexPieceBytes);
  for (const ArchiveFormat format : kFormats) {
    const auto blob = EncodeIndexBlob(raw, format);
    ASSERT_TRUE(blob.ok());
    EXPECT_EQ(blob->members.size(), 5 + raw.size() + 2 * PieceOverheadBytes(format));
  }
}

IndexFooter SomeFooter(ArchiveFormat format) {
  IndexFooter footer;
  footer.format = format;
  footer.index_offset = 1000;
  footer.index_bytes = 500;
  footer.directory_offset = 1400;
  footer.directory_bytes = 100;
  footer.directory_xxh3 = 0x0123456789abcdef;
  footer.tar_bytes = 20'000;
  footer.entry_count = 7;
  footer.member_count = 3;
  footer.max_member_bytes = 600;
  footer.max_member_tar_bytes = 9000;
  footer.own_tar = true;
  return footer;
}

class IndexFooterMember : public ::testing::TestWithParam<ArchiveFormat> {
 protected:
  const size_t bytes_ = FooterBytes(GetParam());
  const IndexFooter footer_ = SomeFooter(GetParam());
  const std::string member_ = EncodeIndexFooter(footer_);
};

TEST_P(IndexFooterMember, GivesBackWhatWasEncoded) {
  ASSERT_EQ(member_.size(), bytes_);
  const auto decoded = DecodeIndexFooter(AsBytes(member_), 1500 + bytes_);
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(EncodeIndexFooter(*decoded), member_);
  EXPECT_EQ(decoded->format, GetParam());
  EXPECT_EQ(decoded->directory_offset, 1400u);
  EXPECT_EQ(decoded->entry_count, 7u);
  EXPECT_EQ(decoded->max_member_tar_bytes, 9000u);
  EXPECT_TRUE(decoded->own_tar);
  EXPECT_FALSE(decoded->raw);
}

TEST_P(IndexFooterMember, IsFoundBehindOtherBytes) {
  const std::string tail = RandomBytes(1, 1500) + member_;
  const auto decoded = DecodeIndexFooter(AsBytes(tail), tail.size());
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(decoded->format, GetParam());
  EXPECT_TRUE(absl::IsNotFound(DecodeIndexFooter(AsBytes(tail + "x"), tail.size() + 1).status()));
}

TEST_P(IndexFooterMember, RefusesEveryChangedByte) {
  for (size_t i = 0; i < member_.size(); ++i) {
    std::string changed = member_;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    EXPECT_FALSE(DecodeIndexFooter(AsBytes(changed), 1500 + bytes_).ok()) << i;
  }
}

TEST_P(IndexFooterMember, RefusesAnotherArchivesSize) {
  EXPECT_TRUE(absl::IsDataLoss(DecodeIndexFooter(AsBytes(member_), 1501 + bytes_).status()));
  IndexFooter outside = footer_;
  outside.directory_offset = 900;
  EXPECT_TRUE(absl::IsDataLoss(
      DecodeIndexFooter(AsBytes(EncodeIndexFooter(outside)), 1500 + bytes_).status()));
}

INSTANTIATE_TEST_SUITE_P(Formats, IndexFooterMember, ::testing::ValuesIn(kFormats));

TEST(IndexFooter, IsNotFoundInOtherBytes) {
  EXPECT_TRUE(absl::IsNotFound(
      DecodeIndexFooter(AsBytes(std::string(kMaxFooterBytes, '\0')), 10'000).status()));
  EXPECT_TRUE(absl::IsNotFound(DecodeIndexFooter(AsBytes(std::string("short")), 5).status()));
}

}  // namespace
}  // namespace volstream
