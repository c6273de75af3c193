// Known answers: the aws-sig-v4-test-suite, and the examples in "Signature Calculations for the
// Authorization Header" of the Amazon S3 API reference.
#include "stages/sigv4.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "absl/strings/match.h"

namespace volstream {
namespace {

constexpr char kSuiteKeyId[] = "AKIDEXAMPLE";
constexpr char kSuiteSecret[] = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
constexpr char kS3KeyId[] = "AKIAIOSFODNN7EXAMPLE";
constexpr char kS3Secret[] = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

absl::Time Utc(int year, int month, int day, int hour, int minute) {
  return absl::FromCivil(absl::CivilSecond(year, month, day, hour, minute, 0), absl::UTCTimeZone());
}

std::string SignatureOf(const std::string& authorization) {
  return authorization.substr(authorization.rfind('=') + 1);
}

std::string SignSuite(HttpMethod method, const std::string& path,
                      const std::vector<QueryParam>& query, std::vector<HttpHeader> headers) {
  const Sigv4Signer signer(kSuiteKeyId, kSuiteSecret, "us-east-1", "service");
  headers.push_back({"Host", "example.amazonaws.com"});
  headers.push_back({"X-Amz-Date", "20150830T123600Z"});
  const std::string canonical_query = CanonicalQuery(query);
  const std::string empty_hash = ToHex(Sha256Of({}));
  return signer.Authorization(
      {method, path, canonical_query, &headers, empty_hash, Utc(2015, 8, 30, 12, 36)});
}

std::string SignS3(HttpMethod method, const std::string& path, const std::vector<QueryParam>& query,
                   std::vector<HttpHeader> headers, const std::string& body = "") {
  const Sigv4Signer signer(kS3KeyId, kS3Secret, "us-east-1", "s3");
  const std::string hash = ToHex(Sha256Of(AsBytes(body)));
  headers.push_back({"x-amz-content-sha256", hash});
  headers.push_back({"x-amz-date", "20130524T000000Z"});
  headers.push_back({"Host", "examplebucket.s3.amazonaws.com"});
  const std::string canonical_query = CanonicalQuery(query);
  return signer.Authorization(
      {method, path, canonical_query, &headers, hash, Utc(2013, 5, 24, 0, 0)});
}

TEST(Sigv4, SignsTheVanillaGet) {
  EXPECT_EQ(SignSuite(HttpMethod::kGet, "/", {}, {}),
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
            "SignedHeaders=host;x-amz-date, "
            "Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
}

TEST(Sigv4, SignsTheVanillaPost) {
  EXPECT_EQ(SignatureOf(SignSuite(HttpMethod::kPost, "/", {}, {})),
            "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b");
}

TEST(Sigv4, SortsTheQuery) {
  EXPECT_EQ(SignatureOf(
                SignSuite(HttpMethod::kGet, "/", {{"Param2", "value2"}, {"Param1", "value1"}}, {})),
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500");
}

TEST(Sigv4, SignsASessionToken) {
  const std::string token =
      "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfp"
      "SPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQ"
      "DYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+s"
      "cqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA==";
  EXPECT_EQ(SignatureOf(SignSuite(HttpMethod::kPost, "/", {}, {{"X-Amz-Security-Token", token}})),
            "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead");
}

TEST(Sigv4, SignsS3sGetWithARange) {
  EXPECT_EQ(SignS3(HttpMethod::kGet, "/test.txt", {}, {{"Range", "bytes=0-9"}}),
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
            "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, "
            "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
}

TEST(Sigv4, SignsS3sPutOfANameWithADollar) {
  EXPECT_EQ(SignatureOf(SignS3(HttpMethod::kPut, UriEncode("/test$file.text", true), {},
                               {{"Date", "Fri, 24 May 2013 00:00:00 GMT"},
                                {"x-amz-storage-class", "REDUCED_REDUNDANCY"}},
                               "Welcome to Amazon S3.")),
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
}

TEST(Sigv4, SignsS3sQueryWithoutAValue) {
  EXPECT_EQ(SignatureOf(SignS3(HttpMethod::kGet, "/", {{"lifecycle", ""}}, {})),
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
}

TEST(Sigv4, SignsS3sList) {
  EXPECT_EQ(SignatureOf(SignS3(HttpMethod::kGet, "/", {{"prefix", "J"}, {"max-keys", "2"}}, {})),
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

TEST(Sigv4, MakesANewKeyForANewDay) {
  const Sigv4Signer signer(kS3KeyId, kS3Secret, "us-east-1", "s3");
  const std::vector<HttpHeader> headers = {{"Host", "h"}};
  const auto sign = [&](int day) {
    return signer.Authorization(
        {HttpMethod::kGet, "/", "", &headers, kUnsignedPayload, Utc(2013, 5, day, 0, 0)});
  };
  const std::string first = sign(24);
  EXPECT_NE(SignatureOf(first), SignatureOf(sign(25)));
  EXPECT_EQ(first, sign(24));
}

TEST(Sigv4, FoldsBlanksInHeaderValues) {
  const Sigv4Signer signer(kS3KeyId, kS3Secret, "us-east-1", "s3");
  const std::vector<HttpHeader> plain = {{"Host", "h"}, {"A", "b c"}};
  const std::vector<HttpHeader> blanks = {{"a", "  b   c "}, {"host", "h"}};
  const absl::Time time = Utc(2013, 5, 24, 0, 0);
  EXPECT_EQ(signer.Authorization({HttpMethod::kGet, "/", "", &plain, "x", time}),
            signer.Authorization({HttpMethod::kGet, "/", "", &blanks, "x", time}));
}

TEST(Sigv4, EncodesAllButUnreservedCharacters) {
  EXPECT_EQ(UriEncode("a/b c+é~-_.", true), "a/b%20c%2B%C3%A9~-_.");
  EXPECT_EQ(UriEncode("a/b", false), "a%2Fb");
}

TEST(Sigv4, SortsByEncodedNameThenValue) {
  EXPECT_EQ(CanonicalQuery({{"b", "2"}, {"a", "z"}, {"b", "1"}, {"A", ""}}), "A=&a=z&b=1&b=2");
}

TEST(Sigv4, NeverShowsTheSecret) {
  EXPECT_FALSE(absl::StrContains(SignS3(HttpMethod::kGet, "/", {}, {}), kS3Secret));
}

}  // namespace
}  // namespace volstream
