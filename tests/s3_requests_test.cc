#include "stages/s3_requests.h"

#include <string>

#include <gtest/gtest.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace volstream {
namespace {

TEST(S3Requests, RangeIsInclusive) {
  uint8_t buffer[10];
  const S3Request request = GetRangeRequest("k", 5, buffer);
  ASSERT_EQ(request.headers.size(), 1u);
  EXPECT_EQ(request.headers[0].value, "bytes=5-14");
}

TEST(S3Requests, UploadPartNamesPartAndUpload) {
  const S3Request request = UploadPartRequest("k", "id+/=", 17, AsBytes("x"), Md5Of(AsBytes("x")));
  EXPECT_EQ(CanonicalQuery(request.query), "partNumber=17&uploadId=id%2B%2F%3D");
  EXPECT_EQ(request.headers[0].value, ToBase64(Md5Of(AsBytes("x"))));
}

TEST(S3Requests, CompleteListsTheParts) {
  const S3Request request = CompleteUploadRequest("k", "id", {{"aa", ""}, {"bb", ""}});
  EXPECT_TRUE(absl::StrContains(request.owned_body,
                                "<Part><PartNumber>1</PartNumber><ETag>&quot;aa&quot;</ETag></Part>"
                                "<Part><PartNumber>2</PartNumber><ETag>&quot;bb&quot;</ETag>"
                                "</Part></CompleteMultipartUpload>"));
  EXPECT_TRUE(request.error_in_ok_body);
}

TEST(S3Requests, DeleteEscapesKeysAndCarriesTheMd5) {
  const S3Request request = DeleteObjectsRequest({"a&b<c>\"d\"\r"});
  EXPECT_TRUE(
      absl::StrContains(request.owned_body, "<Key>a&amp;b&lt;c&gt;&quot;d&quot;&#13;</Key>"));
  EXPECT_EQ(request.headers[0].name, "Content-MD5");
  EXPECT_EQ(request.headers[0].value, ToBase64(Md5Of(AsBytes(request.owned_body))));
}

TEST(S3Requests, PayloadFollowsTheOwnedBodyWhenMoved) {
  S3Request request = CompleteUploadRequest("k", "id", {});
  request.owned_body = "short";
  const S3Request moved = std::move(request);
  EXPECT_EQ(moved.payload().size(), 5u);
  EXPECT_EQ(moved.payload()[0], 's');
}

TEST(S3Requests, ConditionsGoInHeadersAndTheEtagWithoutQuotes) {
  const S3Request absent = PutIfAbsentRequest("k", "body");
  EXPECT_EQ(absent.headers[0].value, ToBase64(Md5Of(AsBytes("body"))));
  EXPECT_EQ(absent.headers[1].name, "If-None-Match");
  EXPECT_EQ(absent.headers[1].value, "*");
  const S3Request match = PutIfMatchRequest("k", "body", "abc");
  EXPECT_EQ(match.headers[1].name, "If-Match");
  EXPECT_EQ(match.headers[1].value, "abc");
  EXPECT_EQ(match.payload().size(), 4u);
  EXPECT_EQ(PutSmallObjectRequest("k", "body").headers.size(), 1u);
}

TEST(S3Requests, ReadsAnErrorDocument) {
  const auto error = ParseErrorDocument(
      "<?xml version=\"1.0\"?>\n<Error><Code>SlowDown</Code><Message>Please &amp; wait</Message>"
      "</Error>");
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->code, "SlowDown");
  EXPECT_EQ(error->message, "Please & wait");
}

TEST(S3Requests, TakesNothingElseForAnErrorDocument) {
  for (const char* const text :
       {"", "<html><Code>x</Code></html>", "<Error/>", "<Error><Code>x", "  "}) {
    EXPECT_FALSE(ParseErrorDocument(text).has_value()) << text;
  }
}

TEST(S3Requests, ReadsAnUploadId) {
  EXPECT_EQ(*ParseUploadId("<InitiateMultipartUploadResult "
                           "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><UploadId>2~abc"
                           "</UploadId></InitiateMultipartUploadResult>"),
            "2~abc");
  EXPECT_FALSE(ParseUploadId("<InitiateMultipartUploadResult/>").ok());
  EXPECT_FALSE(ParseUploadId("<Other><UploadId>x</UploadId></Other>").ok());
}

TEST(S3Requests, ReadsAPageOfObjects) {
  const absl::StatusOr<ObjectPage> page = ParseObjectPage(
      "<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>"
      "<NextContinuationToken>tok</NextContinuationToken>"
      "<Contents><Key>a+b%2Bc%C3%A9</Key><Size>5368709120</Size>"
      "<LastModified>2009-10-12T17:50:30.000Z</LastModified><ETag>&quot;abc-2&quot;</ETag>"
      "</Contents></ListBucketResult>");
  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_EQ(page->next_token, "tok");
  ASSERT_EQ(page->objects.size(), 1u);
  EXPECT_EQ(page->objects[0].key, "a b+cé");
  EXPECT_EQ(page->objects[0].bytes, 5368709120u);
  EXPECT_EQ(page->objects[0].etag, "abc-2");
  EXPECT_EQ(absl::ToUnixSeconds(page->objects[0].modified), 1255369830);
}

TEST(S3Requests, LeavesKeysThatAreNotEncoded) {
  const absl::StatusOr<ObjectPage> page = ParseObjectPage(
      "<ListBucketResult><Contents><Key>a+%41</Key><Size>0</Size>"
      "<LastModified>2009-10-12T17:50:30Z</LastModified></Contents></ListBucketResult>");
  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_EQ(page->objects[0].key, "a+%41");
}

TEST(S3Requests, RefusesAMalformedPage) {
  for (const char* const text :
       {"<ListBucketResult><Contents><Key>k</Key></Contents></ListBucketResult>",
        "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>",
        "<ListBucketResult><Contents>", "not XML"}) {
    EXPECT_FALSE(ParseObjectPage(text).ok()) << text;
  }
}

TEST(S3Requests, ReadsAPageOfUploads) {
  const absl::StatusOr<UploadPage> page = ParseUploadPage(
      "<ListMultipartUploadsResult><IsTruncated>true</IsTruncated><NextKeyMarker>k2"
      "</NextKeyMarker><NextUploadIdMarker>u2</NextUploadIdMarker><Upload><Key>k</Key>"
      "<UploadId>u</UploadId><Initiated>2010-11-10T20:48:33.000Z</Initiated></Upload>"
      "</ListMultipartUploadsResult>");
  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_TRUE(page->truncated);
  EXPECT_EQ(page->next_key_marker, "k2");
  EXPECT_EQ(page->next_upload_id_marker, "u2");
  ASSERT_EQ(page->uploads.size(), 1u);
  EXPECT_EQ(page->uploads[0].upload_id, "u");
}

TEST(S3Requests, ReadsPerKeyDeleteFailures) {
  const auto failures = ParseDeleteFailures(
      "<DeleteResult><Deleted><Key>a</Key></Deleted><Error><Key>b</Key><Code>AccessDenied</Code>"
      "<Message>no</Message></Error></DeleteResult>");
  ASSERT_TRUE(failures.ok());
  ASSERT_EQ(failures->size(), 1u);
  EXPECT_EQ((*failures)[0].key, "b");
  EXPECT_EQ((*failures)[0].code, "AccessDenied");
}

TEST(S3Requests, StripsAnEtag) {
  EXPECT_EQ(PlainEtag("\"abc\""), "abc");
  EXPECT_EQ(PlainEtag("W/\"abc\""), "abc");
  EXPECT_EQ(PlainEtag("abc"), "abc");
  EXPECT_EQ(PlainEtag("\""), "\"");
  EXPECT_EQ(PlainEtag(""), "");
}

TEST(S3Requests, SurvivesDeepXml) {
  std::string xml;
  for (int i = 0; i < 100'000; ++i) xml += "<a>";
  EXPECT_FALSE(ParseErrorDocument(xml).has_value());
}

}  // namespace
}  // namespace volstream
