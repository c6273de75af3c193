// Receipt: what is written is read back; what is no receipt is refused, without an exception.
#include "stages/receipt.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

namespace volstream {
namespace {

using Json = nlohmann::json;

Receipt Sample() {
  Receipt receipt;
  receipt.archive = "v_20250101_000000.tar.gz";
  receipt.bytes = (uint64_t{1} << 53) + 1;  // more than a double holds
  receipt.md5 = "00112233445566778899aabbccddeeff";
  receipt.xxh3 = "0123456789abcdef";
  receipt.etag = "abc-2";
  receipt.part_bytes = 16 << 20;
  receipt.part_count = 2;
  receipt.tar_bytes = 40'000'000;
  receipt.entries = 17;
  receipt.blocks = 39;
  receipt.blocks_stored = 5;
  receipt.codec = "gzip";
  receipt.level = 6;
  receipt.source = "/srv/volume \"x\"";
  receipt.host = "host";
  receipt.version = "0.1.0";
  receipt.started = absl::FromUnixSeconds(1'700'000'000);
  receipt.finished = absl::FromUnixSeconds(1'700'000'060);
  receipt.warnings = {"a: changed", "b\\xff: left out"};
  receipt.warning_count = 12'000;
  receipt.missing_count = 3;
  return receipt;
}

// The sample as JSON with one member changed.
template <typename Value>
absl::Status StatusWith(const char* key, Value value) {
  Json json = Json::parse(Sample().ToJson());
  json[key] = value;
  return Receipt::FromJson(json.dump()).status();
}

TEST(Receipt, ComesBackWhole) {
  const Receipt wanted = Sample();
  const absl::StatusOr<Receipt> receipt = Receipt::FromJson(wanted.ToJson());
  ASSERT_TRUE(receipt.ok()) << receipt.status();
  EXPECT_EQ(receipt->archive, wanted.archive);
  EXPECT_EQ(receipt->bytes, wanted.bytes);
  EXPECT_EQ(receipt->md5, wanted.md5);
  EXPECT_EQ(receipt->xxh3, wanted.xxh3);
  EXPECT_EQ(receipt->etag, wanted.etag);
  EXPECT_EQ(receipt->part_bytes, wanted.part_bytes);
  EXPECT_EQ(receipt->part_count, wanted.part_count);
  EXPECT_EQ(receipt->tar_bytes, wanted.tar_bytes);
  EXPECT_EQ(receipt->entries, wanted.entries);
  EXPECT_EQ(receipt->blocks, wanted.blocks);
  EXPECT_EQ(receipt->blocks_stored, wanted.blocks_stored);
  EXPECT_EQ(receipt->codec, wanted.codec);
  EXPECT_EQ(receipt->level, wanted.level);
  EXPECT_EQ(receipt->source, wanted.source);
  EXPECT_EQ(receipt->host, wanted.host);
  EXPECT_EQ(receipt->version, wanted.version);
  EXPECT_EQ(receipt->started, wanted.started);
  EXPECT_EQ(receipt->finished, wanted.finished);
  EXPECT_EQ(receipt->warnings, wanted.warnings);
  EXPECT_EQ(receipt->warning_count, wanted.warning_count);
  EXPECT_EQ(receipt->missing_count, wanted.missing_count);
}

TEST(Receipt, HasNoMd5WhereTheBackupWasMadeWithout) {
  Receipt wanted = Sample();
  wanted.md5.clear();
  EXPECT_FALSE(Json::parse(wanted.ToJson()).contains("md5"));
  const absl::StatusOr<Receipt> receipt = Receipt::FromJson(wanted.ToJson());
  ASSERT_TRUE(receipt.ok()) << receipt.status();
  EXPECT_EQ(receipt->md5, "");
  EXPECT_EQ(receipt->xxh3, wanted.xxh3);
}

TEST(Receipt, SaysHowPartsGrow) {
  Receipt wanted = Sample();
  wanted.SetParts(PartSizes{16 << 20, 1 << 20, 9, 122 << 20});
  const absl::StatusOr<Receipt> receipt = Receipt::FromJson(wanted.ToJson());
  ASSERT_TRUE(receipt.ok()) << receipt.status();
  EXPECT_EQ(receipt->part_bytes, uint64_t{16} << 20);
  EXPECT_EQ(receipt->part_step_bytes, uint64_t{1} << 20);
  EXPECT_EQ(receipt->parts_per_step, 9u);
  EXPECT_EQ(receipt->max_part_bytes, uint64_t{122} << 20);
}

// As do receipts from before parts could grow.
TEST(Receipt, SaysNothingOfGrowthWherePartsAreEqual) {
  const Json json = Json::parse(Sample().ToJson());
  for (const char* key : {"part_step_bytes", "parts_per_step", "max_part_bytes"}) {
    EXPECT_FALSE(json.contains(key)) << key;
  }
  EXPECT_EQ(Receipt::FromJson(json.dump())->part_step_bytes, 0u);
}

TEST(Receipt, WritesTimesAsUtc) {
  const Json json = Json::parse(Sample().ToJson());
  EXPECT_EQ(json["started"], "2023-11-14T22:13:20Z");
}

TEST(Receipt, IsJsonWhateverTheNames) {
  Receipt receipt = Sample();
  receipt.source = "/srv/\xe9\xff";
  receipt.warnings = {"\xc3: \x01"};
  EXPECT_FALSE(Json::parse(receipt.ToJson(), nullptr, false).is_discarded());
  EXPECT_TRUE(Receipt::FromJson(receipt.ToJson()).ok());
}

TEST(Receipt, RefusesATextCutAnywhere) {
  const std::string text = Sample().ToJson();
  for (size_t bytes = 0; bytes + 2 < text.size(); ++bytes) {
    ASSERT_EQ(Receipt::FromJson(text.substr(0, bytes)).status().code(), absl::StatusCode::kDataLoss)
        << bytes;
  }
}

TEST(Receipt, RefusesOtherTexts) {
  for (const char* text : {"", "{}", "[]", "null", "1", "\"volstream_receipt\"", "{\"a\": 1}",
                           "\xff\xfe", "[{\"volstream_receipt\": 1}]"}) {
    EXPECT_EQ(Receipt::FromJson(text).status().code(), absl::StatusCode::kDataLoss) << text;
  }
}

TEST(Receipt, RefusesOtherVersions) {
  for (const int version : {-1, 0, 2, 1000}) {
    EXPECT_EQ(StatusWith("volstream_receipt", version).code(), absl::StatusCode::kDataLoss);
  }
}

TEST(Receipt, NamesANewerVersion) {
  const std::string message(StatusWith("volstream_receipt", 2).message());
  EXPECT_NE(message.find("version 2"), std::string::npos) << message;
}

TEST(Receipt, RefusesAVersionThatIsNoNumber) {
  EXPECT_EQ(StatusWith("volstream_receipt", "1").code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(StatusWith("volstream_receipt", nullptr).code(), absl::StatusCode::kDataLoss);
}

TEST(Receipt, RefusesTextsWhereNumbersBelong) {
  for (const char* key :
       {"bytes", "part_bytes", "part_count", "part_step_bytes", "tar_bytes", "entries", "blocks",
        "blocks_stored", "level", "warning_count", "missing_count"}) {
    EXPECT_EQ(StatusWith(key, "7").code(), absl::StatusCode::kDataLoss) << key;
  }
}

TEST(Receipt, RefusesNumbersWhereTextsBelong) {
  for (const char* key : {"archive", "md5", "xxh3", "etag", "codec", "source", "host", "version",
                          "started", "finished", "warnings"}) {
    EXPECT_EQ(StatusWith(key, 7).code(), absl::StatusCode::kDataLoss) << key;
  }
}

TEST(Receipt, RefusesANegativeSize) {
  EXPECT_EQ(StatusWith("bytes", -5).code(), absl::StatusCode::kDataLoss);
}

TEST(Receipt, RefusesWarningsThatAreNoTexts) {
  EXPECT_EQ(StatusWith("warnings", Json::array({"a", 1})).code(), absl::StatusCode::kDataLoss);
}

TEST(Receipt, TakesMissingMembersForEmpty) {
  const absl::StatusOr<Receipt> receipt = Receipt::FromJson("{\"volstream_receipt\": 1}");
  ASSERT_TRUE(receipt.ok()) << receipt.status();
  EXPECT_EQ(receipt->archive, "");
  EXPECT_EQ(receipt->bytes, 0u);
}

TEST(Receipt, PassesOverMembersThatItDoesNotKnow) {
  EXPECT_TRUE(StatusWith("added_later", 7).ok());
}

TEST(Receipt, TakesADamagedTimeForTheInfinitePast) {
  Json json = Json::parse(Sample().ToJson());
  json["started"] = "yesterday";
  const absl::StatusOr<Receipt> receipt = Receipt::FromJson(json.dump());
  ASSERT_TRUE(receipt.ok()) << receipt.status();
  EXPECT_EQ(receipt->started, absl::InfinitePast());
}

}  // namespace
}  // namespace volstream
