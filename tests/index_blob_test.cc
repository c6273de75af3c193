#include "stages/index_blob.h"

#include <gtest/gtest.h>

#include <string>

#include "stages/digest.h"
#include "tests/support/tree.h"

namespace volstream {
namespace {

TEST(IndexBlob, GivesBackWhatWasEncoded) {
  for (const std::string& raw :
       {std::string(), std::string("x"), std::string(100'000, 'a'), RandomBytes(1, 100'000),
        RandomBytes(2, kIndexPieceBytes - 5), RandomBytes(3, kIndexPieceBytes - 4)}) {
    const auto blob = EncodeIndexBlob(raw);
    ASSERT_TRUE(blob.ok()) << blob.status();
    const auto decoded = DecodeIndexBlob(AsBytes(blob->members), blob->xxh3);
    ASSERT_TRUE(decoded.ok()) << decoded.status();
    EXPECT_EQ(*decoded, raw);
  }
}

TEST(IndexBlob, RefusesEveryChangedByteAndEveryCut) {
  const auto blob = EncodeIndexBlob("a page of some bytes, a page of some bytes");
  ASSERT_TRUE(blob.ok());
  for (size_t i = 0; i < blob->members.size(); ++i) {
    std::string changed = blob->members;
    changed[i] = static_cast<char>(changed[i] ^ 0x55);
    EXPECT_TRUE(absl::IsDataLoss(DecodeIndexBlob(AsBytes(changed), blob->xxh3).status())) << i;
    EXPECT_TRUE(
        absl::IsDataLoss(DecodeIndexBlob(AsBytes(blob->members).first(i), blob->xxh3).status()));
  }
  EXPECT_TRUE(absl::IsDataLoss(DecodeIndexBlob(AsBytes(blob->members), blob->xxh3 + 1).status()));
}

IndexFooter SomeFooter() {
  IndexFooter footer;
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

TEST(IndexFooterMember, GivesBackWhatWasEncoded) {
  const IndexFooter footer = SomeFooter();
  const std::string member = EncodeIndexFooter(footer);
  ASSERT_EQ(member.size(), kFooterBytes);
  const auto decoded = DecodeIndexFooter(AsBytes(member), 1500 + kFooterBytes);
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(EncodeIndexFooter(*decoded), member);
  EXPECT_EQ(decoded->directory_offset, 1400u);
  EXPECT_EQ(decoded->entry_count, 7u);
  EXPECT_EQ(decoded->max_member_tar_bytes, 9000u);
  EXPECT_TRUE(decoded->own_tar);
  EXPECT_FALSE(decoded->raw);
}

TEST(IndexFooterMember, IsNotFoundInOtherBytes) {
  EXPECT_TRUE(absl::IsNotFound(
      DecodeIndexFooter(AsBytes(std::string(kFooterBytes, '\0')), 10'000).status()));
  EXPECT_TRUE(absl::IsNotFound(DecodeIndexFooter(AsBytes(std::string("short")), 5).status()));
}

TEST(IndexFooterMember, RefusesEveryChangedByte) {
  const std::string member = EncodeIndexFooter(SomeFooter());
  for (size_t i = 0; i < member.size(); ++i) {
    std::string changed = member;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    EXPECT_FALSE(DecodeIndexFooter(AsBytes(changed), 1500 + kFooterBytes).ok()) << i;
  }
}

TEST(IndexFooterMember, RefusesAnotherArchivesSize) {
  const std::string member = EncodeIndexFooter(SomeFooter());
  EXPECT_TRUE(absl::IsDataLoss(DecodeIndexFooter(AsBytes(member), 1501 + kFooterBytes).status()));
  IndexFooter outside = SomeFooter();
  outside.directory_offset = 900;
  EXPECT_TRUE(absl::IsDataLoss(
      DecodeIndexFooter(AsBytes(EncodeIndexFooter(outside)), 1500 + kFooterBytes).status()));
}

}  // namespace
}  // namespace volstream
