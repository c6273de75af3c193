// The header and trailer of a gzip member, byte for byte (RFC 1952), and what is no such header.
#include "stages/gzip_member.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <string_view>

#include "stages/digest.h"

namespace volstream {
namespace {

using namespace std::literals;

constexpr MemberInfo kInfo{0x01020304, 0x05060708, 0x1112131415161718};

std::string HeaderOf(const MemberInfo& info) {
  std::string header(kGzipHeaderBytes, 'x');
  WriteGzipHeader(info, MutableByteSpan(reinterpret_cast<uint8_t*>(header.data()), header.size()));
  return header;
}

std::optional<MemberInfo> Parse(std::string_view text) { return ParseGzipHeader(AsBytes(text)); }

// A header with this FEXTRA field.
std::string WithExtra(std::string_view extra) {
  std::string header = HeaderOf(kInfo).substr(0, 10);
  header.push_back(static_cast<char>(extra.size()));
  header.push_back(static_cast<char>(extra.size() >> 8));
  return header.append(extra);
}

std::string VsSubfield() { return HeaderOf(kInfo).substr(12); }

TEST(GzipMember, HeaderIsTheseBytes) {
  EXPECT_EQ(HeaderOf(kInfo),
            "\x1f\x8b\x08\x04"  // magic, deflate, FEXTRA
            "\0\0\0\0\0\xff"    // no MTIME, no XFL, OS unknown
            "\x14\0"            // XLEN
            "VS\x10\0"          // subfield
            "\x04\x03\x02\x01"  // member bytes
            "\x08\x07\x06\x05"  // source bytes
            "\x18\x17\x16\x15\x14\x13\x12\x11"sv);
}

TEST(GzipMember, TrailerIsLittleEndian) {
  std::string trailer(kGzipTrailerBytes, 'x');
  WriteGzipTrailer(0x01020304, 0xa1a2a3a4,
                   MutableByteSpan(reinterpret_cast<uint8_t*>(trailer.data()), trailer.size()));
  EXPECT_EQ(trailer, "\x04\x03\x02\x01\xa4\xa3\xa2\xa1");
}

TEST(GzipMember, ParseGivesBackWhatWasWritten) {
  const std::optional<MemberInfo> info = Parse(HeaderOf(kInfo));
  ASSERT_TRUE(info.has_value());
  EXPECT_EQ(info->member_bytes, kInfo.member_bytes);
  EXPECT_EQ(info->source_bytes, kInfo.source_bytes);
  EXPECT_EQ(info->source_xxh3, kInfo.source_xxh3);
}

TEST(GzipMember, ParseGivesBackTheLargestValues) {
  const std::optional<MemberInfo> info =
      Parse(HeaderOf(MemberInfo{UINT32_MAX, UINT32_MAX, UINT64_MAX}));
  ASSERT_TRUE(info.has_value());
  EXPECT_EQ(info->member_bytes, UINT32_MAX);
  EXPECT_EQ(info->source_bytes, UINT32_MAX);
  EXPECT_EQ(info->source_xxh3, UINT64_MAX);
}

TEST(GzipMember, ParseNeedsNoByteAfterTheHeader) {
  EXPECT_TRUE(Parse(HeaderOf(kInfo) + "deflate").has_value());
  EXPECT_TRUE(Parse(HeaderOf(kInfo)).has_value());
}

TEST(GzipMember, ParseRefusesAHeaderCutAnywhere) {
  const std::string header = HeaderOf(kInfo);
  for (size_t bytes = 0; bytes < header.size(); ++bytes) {
    EXPECT_FALSE(Parse(std::string_view(header).substr(0, bytes)).has_value()) << bytes;
  }
}

TEST(GzipMember, ParseSkipsOtherSubfieldsBeforeItsOwn) {
  EXPECT_TRUE(Parse(WithExtra("AB\x03\0abc"s + "CD\0\0"s + VsSubfield())).has_value());
}

TEST(GzipMember, ParseTakesItsSubfieldBeforeOthers) {
  EXPECT_TRUE(Parse(WithExtra(VsSubfield() + "AB\x03\0abc"s)).has_value());
}

TEST(GzipMember, ParseSkipsASubfieldOfItsNameAndAnotherSize) {
  EXPECT_FALSE(Parse(WithExtra("VS\x02\0ab"sv)).has_value());
  EXPECT_TRUE(Parse(WithExtra("VS\x02\0ab"s + VsSubfield())).has_value());
}

TEST(GzipMember, ParseRefusesASubfieldLongerThanTheField) {
  EXPECT_FALSE(Parse(WithExtra("AB\xff\xff"s + VsSubfield())).has_value());
}

TEST(GzipMember, ParseDoesNotReadASubfieldBehindTheField) {
  // XLEN says that there are no subfields; the bytes that follow are deflate data.
  EXPECT_FALSE(Parse(WithExtra("") + VsSubfield()).has_value());
}

TEST(GzipMember, ParseRefusesWhatIsNoGzip) {
  for (const size_t index : {0, 1, 2}) {
    std::string header = HeaderOf(kInfo);
    header[index] ^= 1;
    EXPECT_FALSE(Parse(header).has_value()) << index;
  }
}

TEST(GzipMember, ParseRefusesAMemberWithoutExtraField) {
  std::string header = HeaderOf(kInfo);
  header[3] = 0;
  EXPECT_FALSE(Parse(header).has_value());
}

}  // namespace
}  // namespace volstream
