// The fake is only worth something if it does what its header says; here it meets curl.
#include "tests/support/fake_s3.h"

#include <gtest/gtest.h>

#include <csignal>
#include <map>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "stages/digest.h"
#include "tests/support/archive.h"
#include "tests/support/cli.h"
#include "tests/support/fake_s3_store.h"
#include "tests/support/tree.h"

namespace volstream {
namespace {

constexpr int kCurlGotNothing = 52;
constexpr int kCurlReceiveError = 56;
constexpr int kCurlSendError = 55;

class FakeS3Test : public ::testing::Test {
 protected:
  // curl on a path of the bucket; prints the headers and the body.
  CommandResult Curl(const std::string& path, std::vector<std::string> args = {}) {
    return NewCurl(path, std::move(args)).Run();
  }

  Command NewCurl(const std::string& path, std::vector<std::string> args = {}) {
    std::vector<std::string> argv = {"curl", "--silent", "--include",       "--max-time",
                                     "30",   "--header", "Authorization: x"};
    argv.insert(argv.end(), args.begin(), args.end());
    argv.push_back(s3_.endpoint() + "/bucket" + path);
    return Command(std::move(argv));
  }

  // Uploads `contents` by PUT.
  CommandResult Put(const std::string& path, const std::string& contents,
                    std::vector<std::string> args = {}) {
    WriteFile(directory_ / "body", contents);
    args.insert(args.end(), {"--upload-file", directory_ / "body"});
    return Curl(path, args);
  }

  CommandResult Post(const std::string& path, const std::string& body) {
    return Curl(path, {"--request", "POST", "--data-raw", body});
  }

  // Uploads two parts to a new upload; Complete's body for them.
  std::string UploadTwoParts(const std::string& key) {
    EXPECT_EQ(Post(key + "?uploads=", "").exit_code, 0);
    const std::string id = s3_.OpenUploads().back().upload_id;
    const std::string first(S3Store::kLeastPartBytes, 'a');
    query_ = "uploadId=" + id;
    EXPECT_EQ(Put(key + "?partNumber=1&" + query_, first).exit_code, 0);
    EXPECT_EQ(Put(key + "?partNumber=2&" + query_, "tail").exit_code, 0);
    return "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>" + Md5Hex(first) +
           "</ETag></Part><Part><PartNumber>2</PartNumber><ETag>" + Md5Hex("tail") +
           "</ETag></Part></CompleteMultipartUpload>";
  }

  static bool Has(const CommandResult& result, const std::string& text) {
    return result.out.find(text) != std::string::npos;
  }

  FakeS3 s3_;
  TempDir directory_;
  std::string query_;
};

TEST_F(FakeS3Test, KeepsAnObjectAndItsMd5AsEtag) {
  EXPECT_TRUE(Has(Put("/a/b.txt", "hello"), "ETag: \"" + Md5Hex("hello") + "\""));
  EXPECT_EQ(s3_.Objects(), (std::map<std::string, std::string>{{"a/b.txt", "hello"}}));
  EXPECT_TRUE(Has(Curl("/a/b.txt", {"--head"}), "Content-Length: 5"));
}

TEST_F(FakeS3Test, AnswersARangeAsS3Does) {
  s3_.PutObject("k", "0123456789");
  const CommandResult middle = Curl("/k", {"--range", "3-50"});
  EXPECT_TRUE(Has(middle, "206 Partial Content")) << middle;
  EXPECT_TRUE(Has(middle, "Content-Range: bytes 3-9/10")) << middle;
  EXPECT_TRUE(middle.out.ends_with("\r\n3456789")) << middle;
  EXPECT_TRUE(Curl("/k", {"--range", "-2"}).out.ends_with("\r\n89"));
  EXPECT_TRUE(Has(Curl("/k", {"--range", "10-12"}), "416 "));
}

TEST_F(FakeS3Test, ListsByPrefixAndDelimiter) {
  for (const char* key : {"p/1", "p/2", "p/deep/3", "q/4"}) s3_.PutObject(key, "x");
  const CommandResult result = Curl("?list-type=2&prefix=p%2F&delimiter=%2F");
  EXPECT_TRUE(Has(result, "<Key>p/1</Key>")) << result;
  EXPECT_TRUE(Has(result, "<Key>p/2</Key>")) << result;
  EXPECT_TRUE(Has(result, "<Prefix>p/deep/</Prefix>")) << result;
  EXPECT_FALSE(Has(result, "<Key>p/deep/3</Key>")) << result;
  EXPECT_FALSE(Has(result, "q/4")) << result;
}

TEST_F(FakeS3Test, ListsInPages) {
  for (const char* key : {"1", "2", "3"}) s3_.PutObject(key, "x");
  const CommandResult first = Curl("?list-type=2&max-keys=2");
  EXPECT_TRUE(Has(first, "<IsTruncated>true</IsTruncated>")) << first;
  const CommandResult second = Curl("?list-type=2&max-keys=2&continuation-token=2");
  EXPECT_TRUE(Has(second, "<Key>3</Key>")) << second;
  EXPECT_FALSE(Has(second, "<Key>2</Key>")) << second;
  EXPECT_TRUE(Has(second, "<IsTruncated>false</IsTruncated>")) << second;
}

TEST_F(FakeS3Test, CompletesAMultipartUpload) {
  const std::string body = UploadTwoParts("/big");
  EXPECT_TRUE(s3_.Keys().empty());
  ASSERT_EQ(s3_.OpenUploads().size(), 1u);
  EXPECT_EQ(s3_.OpenUploads()[0].part_bytes.at(2), 4u);
  const CommandResult result = Post("/big?" + query_, body);
  EXPECT_TRUE(Has(result, "-2&quot;</ETag>")) << result;
  EXPECT_EQ(s3_.Objects().at("big").size(), S3Store::kLeastPartBytes + 4);
  EXPECT_TRUE(s3_.OpenUploads().empty());
}

TEST_F(FakeS3Test, RefusesAPartListThatDoesNotFit) {
  const std::string body = UploadTwoParts("/big");
  std::string wrong = body;
  wrong.replace(wrong.find(Md5Hex("tail")), 4, "0000");
  EXPECT_TRUE(Has(Post("/big?" + query_, wrong), "InvalidPart"));
  EXPECT_EQ(s3_.OpenUploads().size(), 1u);
}

TEST_F(FakeS3Test, AbortsAnUpload) {
  UploadTwoParts("/big");
  EXPECT_TRUE(Has(Curl("/big?" + query_, {"--request", "DELETE"}), "204 "));
  EXPECT_TRUE(s3_.OpenUploads().empty());
}

TEST_F(FakeS3Test, DeletesManyObjects) {
  for (const char* key : {"1", "2", "3"}) s3_.PutObject(key, "x");
  Post("?delete=", "<Delete><Object><Key>1</Key></Object><Object><Key>3</Key></Object></Delete>");
  EXPECT_EQ(s3_.Keys(), std::vector<std::string>{"2"});
}

TEST_F(FakeS3Test, RefusesABodyThatIsNotTheSignedOne) {
  const CommandResult result =
      Put("/k", "hello", {"--header", "x-amz-content-sha256: " + ToHex(Sha256Of(AsBytes("x")))});
  EXPECT_TRUE(Has(result, "XAmzContentSHA256Mismatch")) << result;
  EXPECT_TRUE(s3_.Keys().empty());
}

TEST_F(FakeS3Test, FailsJustTheRequestsOfARule) {
  Fault fault;
  fault.operation = S3Operation::kPutObject;
  fault.key_suffix = ".json";
  fault.first = 2;
  fault.times = 1;
  fault.retry_after_seconds = 3;
  s3_.AddFault(fault);
  EXPECT_TRUE(Has(Put("/1.json", "x"), "200 OK"));
  EXPECT_TRUE(Has(Put("/other", "x"), "200 OK"));
  const CommandResult failed = Put("/2.json", "x");
  EXPECT_TRUE(Has(failed, "503 ")) << failed;
  EXPECT_TRUE(Has(failed, "<Code>SlowDown</Code>")) << failed;
  EXPECT_TRUE(Has(failed, "Retry-After: 3")) << failed;
  EXPECT_TRUE(Has(Put("/3.json", "x"), "200 OK"));
}

TEST_F(FakeS3Test, ResetsInMidBody) {
  Fault fault;
  fault.operation = S3Operation::kPutObject;
  fault.action = FaultAction::kResetInBody;
  s3_.AddFault(fault);
  const CommandResult result = Put("/k", RandomBytes(1, 8 << 20));
  EXPECT_TRUE(result.exit_code == kCurlReceiveError || result.exit_code == kCurlSendError)
      << result;
  EXPECT_TRUE(s3_.Keys().empty());
}

TEST_F(FakeS3Test, ClosesWithoutAnAnswer) {
  Fault fault;
  fault.operation = S3Operation::kPutObject;
  fault.action = FaultAction::kClose;
  s3_.AddFault(fault);
  EXPECT_EQ(Put("/k", "hello").exit_code, kCurlGotNothing);
}

TEST_F(FakeS3Test, SaysThatACompletionFailedInsideOfA200) {
  Fault fault;
  fault.operation = S3Operation::kCompleteMultipartUpload;
  fault.action = FaultAction::kErrorIn200;
  fault.code = "InternalError";
  s3_.AddFault(fault);
  const std::string body = UploadTwoParts("/big");
  const CommandResult result = Post("/big?" + query_, body);
  EXPECT_TRUE(Has(result, "200 OK")) << result;
  EXPECT_TRUE(Has(result, "<Code>InternalError</Code>")) << result;
  EXPECT_TRUE(s3_.Keys().empty());
}

TEST_F(FakeS3Test, NamesAWrongEtag) {
  Fault fault;
  fault.operation = S3Operation::kHeadObject;
  fault.action = FaultAction::kWrongEtag;
  s3_.AddFault(fault);
  s3_.PutObject("k", "hello");
  const CommandResult result = Curl("/k", {"--head"});
  EXPECT_TRUE(Has(result, "ETag:")) << result;
  EXPECT_FALSE(Has(result, Md5Hex("hello"))) << result;
}

TEST_F(FakeS3Test, LeavesTheEtagOutAtComplete) {
  Fault fault;
  fault.operation = S3Operation::kCompleteMultipartUpload;
  fault.action = FaultAction::kNoEtag;
  s3_.AddFault(fault);
  const std::string body = UploadTwoParts("/big");
  const CommandResult result = Post("/big?" + query_, body);
  EXPECT_FALSE(Has(result, "ETag: ")) << result;
  EXPECT_TRUE(Has(result, "<ETag>&quot;&quot;</ETag>")) << result;
}

TEST_F(FakeS3Test, HangsUntilTheGateOpens) {
  Fault fault;
  fault.operation = S3Operation::kGetObject;
  fault.action = FaultAction::kHang;
  s3_.AddFault(fault);
  s3_.PutObject("k", "hello");
  Command curl = NewCurl("/k");
  curl.Start();
  ASSERT_TRUE(s3_.WaitUntilHanging(1));
  s3_.OpenGate();
  EXPECT_TRUE(Has(curl.Wait(), "hello"));
}

TEST_F(FakeS3Test, StopsHangingWhenTheClientGoesAway) {
  Fault fault;
  fault.operation = S3Operation::kGetObject;
  fault.action = FaultAction::kHang;
  fault.times = 1;
  s3_.AddFault(fault);
  s3_.PutObject("k", "hello");
  Command curl = NewCurl("/k");
  curl.Start();
  ASSERT_TRUE(s3_.WaitUntilHanging(1));
  curl.Signal(SIGKILL);
  EXPECT_EQ(curl.Wait().signal, SIGKILL);
  EXPECT_TRUE(Has(Curl("/k"), "hello"));
}

TEST_F(FakeS3Test, RefusesWhatIsNotSigned) {
  const CommandResult result =
      Command({"curl", "--silent", "--include", s3_.endpoint() + "/bucket/k"}).Run();
  EXPECT_TRUE(Has(result, "403 ")) << result;
}

TEST_F(FakeS3Test, ReportsTheRequestsItSaw) {
  Put("/a", "x");
  Curl("/a", {"--head"});
  EXPECT_EQ(s3_.Count(S3Operation::kPutObject), 1);
  ASSERT_EQ(s3_.Requests().size(), 2u);
  EXPECT_EQ(s3_.Requests()[1].operation, S3Operation::kHeadObject);
  EXPECT_EQ(s3_.Requests()[1].key, "a");
  EXPECT_EQ(S3OperationName(s3_.Requests()[1].operation), "HeadObject");
}

}  // namespace
}  // namespace volstream
