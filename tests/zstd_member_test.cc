#include "stages/zstd_member.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "stages/digest.h"

namespace volstream {
namespace {

constexpr MemberInfo kInfo{123456, 1 << 20, 0x0123456789abcdef};

std::vector<uint8_t> Header() {
  std::vector<uint8_t> header(kZstdHeaderBytes);
  WriteZstdHeader(kInfo, header);
  return header;
}

TEST(ZstdMember, HeaderBeginsWithTheMagicNumberOfZstandard) {
  EXPECT_EQ(ToHex(Header()),
            "28b52ffd2000010000"  // an empty frame
            "562a4d1814000000"    // a skippable frame of 20 bytes
            "56531000"            // V S, 16 bytes
            "40e2010000001000efcdab8967452301");
}

TEST(ZstdMember, HeaderIsReadAsWritten) {
  const std::optional<MemberInfo> info = ParseZstdHeader(Header());
  ASSERT_TRUE(info.has_value());
  EXPECT_EQ(info->member_bytes, kInfo.member_bytes);
  EXPECT_EQ(info->source_bytes, kInfo.source_bytes);
  EXPECT_EQ(info->source_xxh3, kInfo.source_xxh3);
}

TEST(ZstdMember, NothingElseIsAHeader) {
  const std::vector<uint8_t> header = Header();
  for (size_t bytes = 0; bytes < header.size(); ++bytes) {
    EXPECT_FALSE(ParseZstdHeader(ByteSpan(header).first(bytes)).has_value()) << bytes;
  }
  for (size_t i = 0; i < kZstdHeaderBytes - 16; ++i) {
    std::vector<uint8_t> other = header;
    other[i] ^= 1;
    EXPECT_FALSE(ParseZstdHeader(other).has_value()) << i;
  }
}

TEST(ZstdMember, PiecesAreTakenOneAfterAnother) {
  std::string pieces;
  AppendZstdPiece('I', "one", &pieces);
  AppendZstdPiece('I', "", &pieces);
  AppendZstdPiece('F', "three", &pieces);
  ByteSpan in = AsBytes(pieces);
  EXPECT_FALSE(TakeZstdPiece('F', &in).has_value());
  ASSERT_EQ(in.size(), pieces.size());
  EXPECT_EQ(ToHex(TakeZstdPiece('I', &in).value()), ToHex(AsBytes("one")));
  EXPECT_TRUE(TakeZstdPiece('I', &in).value().empty());
  ByteSpan cut = in.first(in.size() - 1);
  EXPECT_FALSE(TakeZstdPiece('F', &cut).has_value());
  EXPECT_EQ(ToHex(TakeZstdPiece('F', &in).value()), ToHex(AsBytes("three")));
  EXPECT_TRUE(in.empty());
}

}  // namespace
}  // namespace volstream
