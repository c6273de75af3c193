#include "stages/s3_object.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "stages/digest.h"
#include "stages/error_kind.h"
#include "stages/s3_bucket.h"
#include "tests/support/tree.h"

namespace volstream {
namespace {

using ::testing::HasSubstr;

const absl::Time kNow = absl::FromUnixSeconds(1'750'000'000);  // 2025-06-15 15:06:40 UTC

std::string HeaderOf(const std::vector<HttpHeader>& headers, const std::string& name) {
  for (const HttpHeader& header : headers) {
    if (header.name == name) return header.value;
  }
  return "";
}

TEST(S3ObjectOptions, AskForNothingUnlessTold) {
  EXPECT_TRUE(S3ObjectOptions().CreateHeaders(kNow, true).empty());
  EXPECT_TRUE(S3ObjectOptions().KeyHeaders().empty());
  EXPECT_TRUE(S3ObjectOptions().Validate(false).ok());
}

TEST(S3ObjectOptions, PutTheStorageClassOnArchivesAlone) {
  S3ObjectOptions options;
  options.storage_class = "STANDARD_IA";
  EXPECT_EQ(HeaderOf(options.CreateHeaders(kNow, true), "x-amz-storage-class"), "STANDARD_IA");
  EXPECT_TRUE(options.CreateHeaders(kNow, false).empty());
}

TEST(S3ObjectOptions, EncodeTagsAndNameMetadata) {
  S3ObjectOptions options;
  options.tags = {{"team", "a&b"}, {"cost centre", "1=2"}};
  options.metadata = {{"Owner", "ops"}};
  const std::vector<HttpHeader> headers = options.CreateHeaders(kNow, true);
  EXPECT_EQ(HeaderOf(headers, "x-amz-tagging"), "team=a%26b&cost%20centre=1%3D2");
  EXPECT_EQ(HeaderOf(headers, "x-amz-meta-owner"), "ops");
}

TEST(S3ObjectOptions, HoldObjectsUntilADate) {
  S3ObjectOptions options;
  options.lock_mode = "GOVERNANCE";
  options.lock_for = absl::Hours(24) * 30;
  ASSERT_TRUE(options.Validate(true).ok());
  const std::vector<HttpHeader> headers = options.CreateHeaders(kNow, true);
  EXPECT_EQ(HeaderOf(headers, "x-amz-object-lock-mode"), "GOVERNANCE");
  EXPECT_EQ(HeaderOf(headers, "x-amz-object-lock-retain-until-date"), "2025-07-15T15:06:40Z");
}

TEST(S3ObjectOptions, SendTheCustomerKeyWithItsMd5) {
  S3ObjectOptions options;
  options.encryption = S3Encryption::kCustomerKey;
  options.customer_key = std::string(32, 'k');
  const std::string prefix = "x-amz-server-side-encryption-customer-";
  const std::vector<HttpHeader> headers = options.KeyHeaders();
  EXPECT_EQ(HeaderOf(headers, prefix + "algorithm"), "AES256");
  EXPECT_EQ(HeaderOf(headers, prefix + "key"), absl::Base64Escape(options.customer_key));
  EXPECT_EQ(HeaderOf(headers, prefix + "key-MD5"), ToBase64(Md5Of(AsBytes(options.customer_key))));
}

struct BadObject {
  std::string says;
  S3ObjectOptions options;
  bool https = true;
};

std::vector<BadObject> BadObjects() {
  std::vector<BadObject> all;
  const auto add = [&all](std::string says) -> S3ObjectOptions& {
    all.push_back({std::move(says), {}, true});
    return all.back().options;
  };
  S3ObjectOptions* options = &add("32 bytes");
  options->encryption = S3Encryption::kCustomerKey;
  options->customer_key = "short";
  options = &add("needs an https:// endpoint");
  options->encryption = S3Encryption::kCustomerKey;
  options->customer_key = std::string(32, 'k');
  all.back().https = false;
  add("blank or a control character").storage_class = "X\r\nx-amz-acl: public-read";
  add("blank or a control character").kms_key_id = "a b";
  add("at most 10 tags").tags.resize(11, {"n", "v"});
  add("a name holds letters").metadata = {{"a b", "v"}};
  add("a name holds letters").metadata = {{"a", "v\nx"}};
  add("2048 bytes of metadata").metadata = {{"a", std::string(2048, 'v')}};
  add("both a mode and a time").lock_mode = "GOVERNANCE";
  add("both a mode and a time").lock_for = absl::Hours(1);
  return all;
}

TEST(S3ObjectOptions, RefuseWhatCannotWork) {
  for (const BadObject& bad : BadObjects()) {
    const absl::Status status = bad.options.Validate(bad.https);
    EXPECT_THAT(std::string(status.message()), HasSubstr(bad.says));
    EXPECT_EQ(KindOf(status), ErrorKind::kS3);
  }
}

TEST(ReadCustomerKey, TakesBytesAndBase64) {
  const TempDir dir;
  const std::string path = dir.path() + "/key";
  const std::string key = "0123456789abcdef0123456789abcdef";
  for (const std::string& text : {key, absl::Base64Escape(key), absl::Base64Escape(key) + "\n"}) {
    WriteFile(path, text);
    const absl::StatusOr<std::string> read = ReadCustomerKey(path);
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(*read, key);
  }
}

TEST(ReadCustomerKey, RefusesOtherContentsWithoutRepeatingThem) {
  const TempDir dir;
  const std::string path = dir.path() + "/key";
  for (const std::string& text : {std::string(), std::string("secret-that-is-short"),
                                  std::string(33, 's'), std::string(500, 's')}) {
    WriteFile(path, text);
    const absl::Status status = ReadCustomerKey(path).status();
    EXPECT_THAT(std::string(status.message()), HasSubstr("holds no key"));
    EXPECT_THAT(std::string(status.message()), ::testing::Not(HasSubstr("secret-that")));
  }
  EXPECT_THAT(std::string(ReadCustomerKey(dir.path() + "/none").status().message()),
              HasSubstr("cannot read the key file"));
}

TEST(ParseNameValue, SplitsAtTheFirstEqualsSign) {
  EXPECT_EQ(*ParseNameValue("a=b=c", "--tag"),
            std::make_pair(std::string("a"), std::string("b=c")));
  EXPECT_EQ(ParseNameValue("a=", "--tag")->second, "");
  for (const char* text : {"", "=b", "ab"}) {
    EXPECT_THAT(std::string(ParseNameValue(text, "--tag").status().message()), HasSubstr("--tag"));
  }
}

TEST(S3Bucket, ReadsVersioning) {
  EXPECT_EQ(*ParseVersioning("<VersioningConfiguration/>"), BucketVersioning::kNever);
  EXPECT_EQ(*ParseVersioning("<VersioningConfiguration><Status>Enabled</Status>"
                             "</VersioningConfiguration>"),
            BucketVersioning::kEnabled);
  EXPECT_EQ(*ParseVersioning("<VersioningConfiguration><Status>Suspended</Status>"
                             "</VersioningConfiguration>"),
            BucketVersioning::kSuspended);
  EXPECT_FALSE(ParseVersioning("<html/>").ok());
  EXPECT_FALSE(ParseVersioning("no XML").ok());
}

TEST(S3Bucket, ReadsTheDefaultRetentionInDaysOrYears) {
  const auto parse = [](const std::string& rule) {
    return ParseObjectLock(
        "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled>" + rule +
        "</ObjectLockConfiguration>");
  };
  EXPECT_TRUE(parse("")->enabled);
  EXPECT_EQ(parse("")->default_retention, "");
  const std::string begin = "<Rule><DefaultRetention><Mode>COMPLIANCE</Mode>";
  const std::string end = "</DefaultRetention></Rule>";
  EXPECT_EQ(parse(begin + "<Days>2</Days>" + end)->default_retention, "COMPLIANCE 2 days");
  EXPECT_EQ(parse(begin + "<Days>0</Days><Years>3</Years>" + end)->default_retention,
            "COMPLIANCE 3 years");
  EXPECT_FALSE(ParseObjectLock("<Error/>").ok());
}

}  // namespace
}  // namespace volstream
