// Pax records: how they are cut, times with fractions, and which of two counts.
#include "stages/pax_records.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "stages/tar_header.h"
#include "tests/support/raw_tar.h"

namespace volstream {
namespace {

using std::string_literals::operator""s;

TEST(PaxRecordReader, GivesEveryRecordBack) {
  std::string data;
  std::vector<std::pair<std::string, std::string>> expected;
  for (size_t bytes = 0; bytes < 1200; bytes += bytes < 120 ? 1 : 83) {
    expected.emplace_back("k" + std::to_string(bytes),
                          std::string(bytes, bytes % 2 == 0 ? '=' : '\n'));
    data += PaxRecord(expected.back().first, expected.back().second);
  }
  PaxRecordReader reader(data);
  for (const auto& [keyword, value] : expected) {
    ASSERT_TRUE(*reader.Next());
    EXPECT_EQ(reader.keyword(), keyword);
    EXPECT_EQ(reader.value(), value);
  }
  EXPECT_FALSE(*reader.Next());
}

TEST(PaxRecordReader, PassesOverZerosBehindTheLastOne) {
  const std::string data = PaxRecord("a", "b") + std::string(5, '\0');
  PaxRecordReader reader(data);
  EXPECT_TRUE(*reader.Next());
  EXPECT_FALSE(*reader.Next());
}

TEST(PaxRecordReader, RefusesRecordsOfAnotherLength) {
  for (const std::string& data :
       {"7 a=b\n"s, "5 a=b\n"s, "6 a=b"s, "6a=b\n\n"s, "0 a=b\n"s, "-6 a=b\n"s, "a=b\n"s,
        "99999999999999999999 a=b\n"s, "4 =\n"s, "6"s}) {
    PaxRecordReader reader(data);
    EXPECT_TRUE(absl::IsDataLoss(reader.Next().status())) << data;
  }
}

TEST(ParsePaxTime, CountsTheFractionWithTheSign) {
  EXPECT_EQ(ParsePaxTime("0"), (PaxTime{0, 0}));
  EXPECT_EQ(ParsePaxTime("12.5"), (PaxTime{12, 500'000'000}));
  EXPECT_EQ(ParsePaxTime("12."), (PaxTime{12, 0}));
  EXPECT_EQ(ParsePaxTime("1.123456789987"), (PaxTime{1, 123'456'789}));
  EXPECT_EQ(ParsePaxTime("-1"), (PaxTime{-1, 0}));
  EXPECT_EQ(ParsePaxTime("-0.25"), (PaxTime{-1, 750'000'000}));
  EXPECT_EQ(ParsePaxTime("-1.000000001"), (PaxTime{-2, 999'999'999}));
  EXPECT_EQ(ParsePaxTime("-1.0000000001"), (PaxTime{-1, 0}));
  for (const char* text : {"", "-", ".5", "1,5", "+1", "1e3", "--1", "1.5x", "nan", " 1",
                           "9223372036854775807", "99999999999999999999"}) {
    EXPECT_EQ(ParsePaxTime(text), std::nullopt) << text;
  }
}

TEST(ParsePaxTime, ReadsWhatHeadersSay) {
  for (const int64_t seconds : {-9'000'000'000, -2L, -1L, 0L, 1L, 99'999'999'999}) {
    for (const uint32_t nanoseconds : {1u, 500'000'000u, 999'999'999u}) {
      TarEntry entry;
      entry.path = "a";
      entry.mtime_seconds = seconds;
      entry.mtime_nanoseconds = nanoseconds;
      PaxFields fields;
      ASSERT_TRUE(fields.Add(TarHeaderOf(entry).substr(512, 512), false).ok());
      EXPECT_EQ(fields.mtime, (PaxTime{seconds, nanoseconds}));
    }
  }
}

TEST(PaxFields, TakesTheLaterOfTwo) {
  PaxFields fields;
  ASSERT_TRUE(fields.Add(PaxRecord("path", "a") + PaxRecord("path", "b"), false).ok());
  ASSERT_TRUE(fields.Add(PaxRecord("uid", "1"), false).ok());
  ASSERT_TRUE(fields.Add(PaxRecord("uid", "2") + PaxRecord("gid", "3"), false).ok());
  EXPECT_EQ(fields.path, "b");
  EXPECT_EQ(fields.uid, 2u);
  ASSERT_TRUE(fields.Add(PaxRecord("path", "") + PaxRecord("uid", ""), false).ok());
  EXPECT_EQ(fields.path, "");
  EXPECT_EQ(fields.uid, std::nullopt);
  fields.Clear();
  EXPECT_EQ(fields.gid, std::nullopt);
}

TEST(PaxFields, BoundsTheNumberOfAttributes) {
  PaxFields fields;
  std::string records;
  for (size_t i = 0; i < PaxFields::kMaxAttributes; ++i) {
    records += PaxRecord("SCHILY.xattr.user." + std::to_string(i), "");
  }
  ASSERT_TRUE(fields.Add(records, false).ok());
  EXPECT_EQ(fields.attributes.size(), PaxFields::kMaxAttributes);
  EXPECT_TRUE(absl::IsDataLoss(fields.Add(PaxRecord("SCHILY.xattr.user.x", ""), false)));
}

}  // namespace
}  // namespace volstream
