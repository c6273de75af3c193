// TarFields: numbers in octal and base 256, texts, prefixes and checksums.
#include "stages/tar_fields.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "stages/digest.h"
#include "tests/support/raw_tar.h"

namespace volstream {
namespace {

using std::string_literals::operator""s;

std::optional<int64_t> Number(const std::string& field) { return TarNumber(AsBytes(field)); }

TEST(TarNumber, ReadsOctalHoweverItIsPadded) {
  EXPECT_EQ(Number("0000644\0"s), 0644);
  EXPECT_EQ(Number("   644 \0"s), 0644);
  EXPECT_EQ(Number("644 \0xyz"s), 0644);
  EXPECT_EQ(Number("777777777777"), 0777777777777);
  EXPECT_EQ(Number("\0\0\0\0"s), 0);
  EXPECT_EQ(Number("        "), 0);
}

TEST(TarNumber, ReadsBase256) {
  EXPECT_EQ(Number("\x80\0\0\0\0\0\1\0"s), 256);
  EXPECT_EQ(Number("\xff\xff\xff\xff\xff\xff\xff\xfe"s), -2);
  EXPECT_EQ(Number("\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff"s), INT64_MAX);
  EXPECT_EQ(Number("\xff\xff\xff\xff\x80\0\0\0\0\0\0\0"s), INT64_MIN);
  EXPECT_EQ(Number("\xbf\xff\xff\xff\xff\xff\xff\xff"s), 0x3fffffffffffffff);
  EXPECT_EQ(Number("\xc0\0\0\0\0\0\0\0"s), -0x4000000000000000);
}

TEST(TarNumber, RefusesWhatIsNoNumberOrDoesNotFit) {
  for (const std::string& field :
       {"9"s, "64x"s, "-1"s, "\x80\0\0\0\x80\0\0\0\0\0\0\0"s,
        "\xff\xff\xff\xff\x7f\xff\xff\xff\xff\xff\xff\xff"s, "\x80\1\0\0\0\0\0\0\0\0\0\0"s,
        "\xff\xfe\0\0\0\0\0\0\0\0\0\0"s}) {
    EXPECT_EQ(Number(field), std::nullopt);
  }
}

TEST(TarText, EndsAtANulOrWithTheField) {
  EXPECT_EQ(TarText(AsBytes("ab\0c"s)), "ab");
  EXPECT_EQ(TarText(AsBytes("abcd")), "abcd");
  EXPECT_EQ(TarText(AsBytes("\0a"s)), "");
}

TEST(TarFields, TakesSumsOfSignedBytesToo) {
  std::string header = RawHeader("caf\xc3\xa9", '0', 0);
  EXPECT_TRUE(TarFields(AsBytes(header)).HasChecksum());
  const int64_t sum = *TarNumber(AsBytes(header).subspan(148, 8));
  header.replace(148, 6, absl::StrFormat("%06o", sum - 2 * 0x100));
  EXPECT_TRUE(TarFields(AsBytes(header)).HasChecksum());
  header.replace(148, 6, absl::StrFormat("%06o", sum - 0x100));
  EXPECT_FALSE(TarFields(AsBytes(header)).HasChecksum());
}

TEST(TarFields, SeesEveryChangedByte) {
  const std::string header = RawHeader("name", '0', 1);
  for (size_t i = 0; i < header.size(); ++i) {
    if (i >= 154 && i < 156) continue;  // behind the checksum's digits
    std::string changed = header;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    EXPECT_FALSE(TarFields(AsBytes(changed)).HasChecksum()) << i;
  }
}

TEST(TarFields, FindsThePrefixThatTheDialectHas) {
  std::string header = RawHeader("name", '0', 0);
  header.replace(345, 155, std::string(155, 'p'));
  EXPECT_EQ(TarFields(AsBytes(header)).prefix(), std::string(155, 'p'));
  std::string star = header;
  star.replace(508, 4, "tar\0"s);
  EXPECT_EQ(TarFields(AsBytes(star)).prefix(), std::string(131, 'p'));
  std::string gnu = header;
  gnu.replace(257, 8, "ustar  \0"s);
  EXPECT_EQ(TarFields(AsBytes(gnu)).prefix(), "");
}

}  // namespace
}  // namespace volstream
