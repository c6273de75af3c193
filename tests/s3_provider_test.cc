#include "stages/s3_provider.h"

#include <string>

#include <gtest/gtest.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "stages/error_kind.h"
#include "stages/s3_config.h"

namespace volstream {
namespace {

std::string NameByHost(std::string_view host) {
  return std::string((*FindS3Provider("", host))->name);
}

TEST(S3Provider, IsFoundByTheEndpointsHost) {
  EXPECT_EQ(NameByHost(""), "aws");
  EXPECT_EQ(NameByHost("s3.eu-central-1.amazonaws.com"), "aws");
  EXPECT_EQ(NameByHost("s3.cn-north-1.amazonaws.com.cn"), "aws");
  EXPECT_EQ(NameByHost("fsn1.your-objectstorage.com"), "hetzner");
  EXPECT_EQ(NameByHost("s3.eu-central-2.wasabisys.com"), "wasabi");
  EXPECT_EQ(NameByHost("FRA1.DigitalOceanSpaces.com"), "digitalocean");
  EXPECT_EQ(NameByHost("0123456789abcdef.r2.cloudflarestorage.com"), "r2");
  EXPECT_EQ(NameByHost("s3.nl-ams.scw.cloud"), "scaleway");
  EXPECT_EQ(NameByHost("s3.us-west-004.backblazeb2.com"), "b2");
  EXPECT_EQ(NameByHost("127.0.0.1"), "other");
  EXPECT_EQ(NameByHost("amazonaws.com.example.org"), "other");
}

TEST(S3Provider, IsTheOneThatTheUserNames) {
  EXPECT_EQ((*FindS3Provider("ceph", "s3.us-east-1.amazonaws.com"))->name, "ceph");
  EXPECT_EQ((*FindS3Provider("auto", ""))->name, "aws");
}

TEST(S3Provider, AnUnknownNameIsRefusedWithAllThatThereAre) {
  const absl::Status status = FindS3Provider("azure", "").status();
  EXPECT_EQ(KindOf(status), ErrorKind::kS3);
  for (const S3Provider& provider : S3Providers()) {
    EXPECT_TRUE(absl::StrContains(status.message(), std::string(provider.name))) << status;
  }
}

TEST(S3Provider, TellsTheLimitsThatUsersMet) {
  EXPECT_EQ((*FindS3Provider("scaleway", ""))->max_parts, 1'000u);
  EXPECT_TRUE((*FindS3Provider("r2", ""))->equal_parts);
  EXPECT_FALSE((*FindS3Provider("b2", ""))->checksums);
  EXPECT_FALSE((*FindS3Provider("b2", ""))->conditional_puts);
  EXPECT_FALSE((*FindS3Provider("other", ""))->conditional_puts);
  EXPECT_EQ((*FindS3Provider("r2", ""))->region, "auto");
}

struct AddressCase {
  std::string endpoint;
  std::string bucket;
  S3Addressing addressing;
  std::string provider;
  std::string origin;
  std::string host;
  std::string path;
};

class S3Addresses : public ::testing::TestWithParam<AddressCase> {};

TEST_P(S3Addresses, ComeFromEndpointProviderAndBucket) {
  S3Options options;
  options.region = "eu-west-1";
  options.endpoint_url = GetParam().endpoint;
  options.addressing = GetParam().addressing;
  options.provider = GetParam().provider;
  const absl::StatusOr<S3Address> address = S3AddressOf(GetParam().bucket, options);
  ASSERT_TRUE(address.ok()) << address.status();
  EXPECT_EQ(address->origin, GetParam().origin);
  EXPECT_EQ(address->host_header, GetParam().host);
  EXPECT_EQ(address->path_prefix, GetParam().path);
}

constexpr S3Addressing kAuto = S3Addressing::kAuto;
constexpr S3Addressing kPath = S3Addressing::kPath;
constexpr S3Addressing kVirtualHost = S3Addressing::kVirtualHost;

INSTANTIATE_TEST_SUITE_P(
    All, S3Addresses,
    ::testing::Values(
        AddressCase{"", "bucket", kAuto, "", "https://bucket.s3.eu-west-1.amazonaws.com",
                    "bucket.s3.eu-west-1.amazonaws.com", ""},
        AddressCase{"", "dotted.bucket", kAuto, "", "https://s3.eu-west-1.amazonaws.com",
                    "s3.eu-west-1.amazonaws.com", "/dotted.bucket"},
        AddressCase{"", "bucket", kPath, "", "https://s3.eu-west-1.amazonaws.com",
                    "s3.eu-west-1.amazonaws.com", "/bucket"},
        AddressCase{"https://fsn1.your-objectstorage.com", "bucket", kAuto, "",
                    "https://fsn1.your-objectstorage.com", "fsn1.your-objectstorage.com",
                    "/bucket"},
        AddressCase{"https://fsn1.your-objectstorage.com/", "bucket", kVirtualHost, "",
                    "https://bucket.fsn1.your-objectstorage.com",
                    "bucket.fsn1.your-objectstorage.com", ""},
        AddressCase{"http://gateway.example:9000/s3/base/", "bucket", kAuto, "",
                    "http://gateway.example:9000", "gateway.example:9000", "/s3/base/bucket"},
        AddressCase{"http://gateway.example:9000/base", "bucket", kVirtualHost, "",
                    "http://bucket.gateway.example:9000", "bucket.gateway.example:9000", "/base"},
        AddressCase{"http://gateway.example:9000", "bucket", kAuto, "aws",
                    "http://bucket.gateway.example:9000", "bucket.gateway.example:9000", ""}));

}  // namespace
}  // namespace volstream
