// Verification: what is written is read back; what is no verification is refused, without an
// exception.
#include "stages/verification.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

namespace volstream {
namespace {

using Json = nlohmann::json;

Verification Sample() {
  Verification sample;
  sample.archive = "v_20250101_000000.tar.gz";
  sample.level = "drill";
  sample.ok = true;
  sample.checked = absl::FromUnixSeconds(1'700'000'000);
  sample.version = "0.1.0";
  sample.bytes_read = (uint64_t{1} << 53) + 1;  // more than a double holds
  sample.seconds = 12.5;
  sample.restore_seconds = 10.25;
  sample.archive_md5 = "00112233445566778899aabbccddeeff";
  sample.AddError("member at 17: \xff");
  return sample;
}

TEST(Verification, ComesBackWhole) {
  const Verification wanted = Sample();
  const absl::StatusOr<Verification> read = Verification::FromJson(wanted.ToJson());
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->archive, wanted.archive);
  EXPECT_EQ(read->level, wanted.level);
  EXPECT_EQ(read->ok, wanted.ok);
  EXPECT_EQ(read->checked, wanted.checked);
  EXPECT_EQ(read->version, wanted.version);
  EXPECT_EQ(read->bytes_read, wanted.bytes_read);
  EXPECT_EQ(read->seconds, wanted.seconds);
  EXPECT_EQ(read->restore_seconds, wanted.restore_seconds);
  EXPECT_EQ(read->archive_md5, wanted.archive_md5);
  EXPECT_EQ(read->error_count, 1u);
  ASSERT_EQ(read->errors.size(), 1u);
  EXPECT_EQ(read->errors[0], "member at 17: \xef\xbf\xbd");  // JSON holds UTF-8 alone
}

TEST(Verification, LeavesOutWhatWasNotDone) {
  Verification quick = Sample();
  quick.restore_seconds = 0;
  quick.archive_md5.clear();
  const Json json = Json::parse(quick.ToJson());
  EXPECT_FALSE(json.contains("restore_seconds"));
  EXPECT_FALSE(json.contains("archive_md5"));
  EXPECT_EQ(json["checked"], "2023-11-14T22:13:20Z");
}

TEST(Verification, OutweighsANewerOneThatLookedLessDeep) {
  Verification before = Sample();
  before.bytes = 5;
  before.level = "deep";
  before.ok = false;
  const absl::StatusOr<Verification> read = Verification::FromJson(before.ToJson());
  ASSERT_TRUE(read.ok()) << read.status();
  Verification newer = before;
  newer.ok = true;
  newer.level = "quick";
  EXPECT_TRUE(read->OutweighsNewer(newer));
  for (const char* level : {"deep", "drill"}) {
    newer.level = level;
    EXPECT_FALSE(read->OutweighsNewer(newer)) << level;
  }
  newer.level = "quick";
  newer.etag = "other";
  EXPECT_FALSE(read->OutweighsNewer(newer));
  newer.etag = before.etag;
  newer.bytes = 6;
  EXPECT_FALSE(read->OutweighsNewer(newer));
  newer.bytes = 5;
  newer.ok = false;
  EXPECT_FALSE(read->OutweighsNewer(newer));
}

TEST(Verification, KeepsABoundedPartOfItsErrors) {
  Verification verification;
  for (int i = 0; i < 1'000; ++i) verification.AddError(std::string(100'000, 'x'));
  EXPECT_EQ(verification.error_count, 1'000u);
  EXPECT_LT(verification.ToJson().size(), 200'000u);
}

TEST(Verification, RefusesATextCutAnywhere) {
  const std::string text = Sample().ToJson();
  for (size_t bytes = 0; bytes + 2 < text.size(); ++bytes) {
    ASSERT_EQ(Verification::FromJson(text.substr(0, bytes)).status().code(),
              absl::StatusCode::kDataLoss)
        << bytes;
  }
}

TEST(Verification, RefusesOtherTexts) {
  for (const char* text : {"", "{}", "[]", "null", "\xff", "{\"volstream_receipt\": 1}",
                           "{\"volstream_verification\": 2}", "{\"volstream_verification\": \"1\"}",
                           "{\"volstream_verification\": 1, \"ok\": 1}",
                           "{\"volstream_verification\": 1, \"checked\": 1}",
                           "{\"volstream_verification\": 1, \"bytes_read\": -1}",
                           "{\"volstream_verification\": 1, \"seconds\": \"1\"}",
                           "{\"volstream_verification\": 1, \"errors\": [1]}"}) {
    EXPECT_EQ(Verification::FromJson(text).status().code(), absl::StatusCode::kDataLoss) << text;
  }
}

TEST(Verification, TakesMissingMembersForEmptyAndPassesOverOthers) {
  const absl::StatusOr<Verification> read =
      Verification::FromJson("{\"volstream_verification\": 1, \"added_later\": []}");
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_FALSE(read->ok);
  EXPECT_EQ(read->checked, absl::InfinitePast());
}

}  // namespace
}  // namespace volstream
