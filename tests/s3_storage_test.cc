#include "stages/s3_storage.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "stages/error_kind.h"
#include "tests/support/guards.h"
#include "tests/support/s3_fixture.h"

namespace volstream {
namespace {

class S3StorageTest : public S3Fixture {
 protected:
  void SetUp() override { storage_ = Open("s3://bucket/p/"); }

  std::unique_ptr<Storage> Open(const std::string& url) {
    S3ClientHooks hooks;
    hooks.clock = [this] { return now_; };
    hooks.seed = 1;
    absl::StatusOr<std::unique_ptr<Storage>> storage =
        OpenS3StorageOver(&transport_, *ParseS3Location(url), Options(), hooks);
    EXPECT_TRUE(storage.ok()) << storage.status();
    return *std::move(storage);
  }

  static std::vector<std::string> Names(const std::vector<ObjectInfo>& objects) {
    std::vector<std::string> names;
    for (const ObjectInfo& object : objects) names.push_back(object.name);
    return names;
  }

  std::unique_ptr<Storage> storage_;
};

using Strings = std::vector<std::string>;

TEST_F(S3StorageTest, NamesItself) {
  EXPECT_EQ(storage_->kind(), StorageKind::kS3);
  EXPECT_EQ(storage_->Url(), "s3://bucket/p/");
  EXPECT_EQ(storage_->UrlOf("x"), "s3://bucket/p/x");
  EXPECT_EQ(Open("s3://bucket")->UrlOf("x"), "s3://bucket/x");
}

TEST_F(S3StorageTest, NeedsCredentialsToOpen) {
  const EnvironmentGuard environment({{"AWS_EC2_METADATA_DISABLED", "true"},
                                      {"AWS_CONFIG_FILE", "/nonexistent"},
                                      {"AWS_SHARED_CREDENTIALS_FILE", "/nonexistent"},
                                      {"AWS_PROFILE", ""},
                                      {"AWS_ACCESS_KEY_ID", ""},
                                      {"AWS_SECRET_ACCESS_KEY", ""},
                                      {"AWS_WEB_IDENTITY_TOKEN_FILE", ""},
                                      {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", ""},
                                      {"AWS_CONTAINER_CREDENTIALS_FULL_URI", ""}});
  const absl::Status status = OpenS3Storage(*ParseS3Location("s3://bucket/"), S3Options()).status();
  EXPECT_TRUE(absl::StrContains(status.message(), "AWS_ACCESS_KEY_ID")) << status;
  EXPECT_EQ(KindOf(status), ErrorKind::kS3);
}

TEST_F(S3StorageTest, ChecksByListing) {
  EXPECT_TRUE(storage_->Check().ok());
  transport_.Add({.match = "GET list-type", .response = S3ErrorResponse(403, "AccessDenied")});
  EXPECT_EQ(storage_->Check().code(), absl::StatusCode::kPermissionDenied);
  HttpResponse page;
  page.status = 200;
  page.body = "<html>welcome</html>";
  transport_.Add({.match = "GET list-type", .response = page});
  const absl::Status status = storage_->Check();
  EXPECT_TRUE(absl::StrContains(status.message(), "is AWS_ENDPOINT_URL an S3 endpoint?"));
  EXPECT_EQ(KindOf(status), ErrorKind::kS3);
}

TEST_F(S3StorageTest, WritesReadsAndStats) {
  ASSERT_TRUE(storage_->Write("r.json", "{}").ok());
  EXPECT_EQ(transport_.Objects().at("bucket/p/r.json"), "{}");
  EXPECT_EQ(*storage_->ReadAll("r.json"), "{}");
  const absl::StatusOr<ObjectInfo> info = storage_->Stat("r.json");
  ASSERT_TRUE(info.ok()) << info.status();
  EXPECT_EQ(info->bytes, 2u);
  EXPECT_EQ(info->etag, ToHex(Md5Of(AsBytes("{}"))));
  EXPECT_EQ(info->modified, now_);
}

TEST_F(S3StorageTest, SaysNotFound) {
  uint8_t byte[1];
  EXPECT_TRUE(absl::IsNotFound(storage_->Stat("x").status()));
  EXPECT_TRUE(absl::IsNotFound(storage_->ReadAll("x").status()));
  EXPECT_TRUE(absl::IsNotFound(storage_->ReadAt("x", 0, byte).status()));
  EXPECT_TRUE(absl::StrContains(storage_->Stat("x").status().message(), "s3://bucket/p/x"));
}

TEST_F(S3StorageTest, ReadsRanges) {
  transport_.PutObject("bucket/p/x", "0123456789");
  std::vector<uint8_t> buffer(4);
  EXPECT_EQ(*storage_->ReadAt("x", 3, buffer), 4u);
  EXPECT_EQ(std::string(buffer.begin(), buffer.end()), "3456");
  EXPECT_EQ(*storage_->ReadAt("x", 8, buffer), 2u);
  EXPECT_EQ(*storage_->ReadAt("x", 10, buffer), 0u);
  EXPECT_EQ(*storage_->ReadAt("x", 0, MutableByteSpan()), 0u);
}

TEST_F(S3StorageTest, RefusesAnAnswerThatIgnoresTheRange) {
  transport_.PutObject("bucket/p/x", "0123456789");
  transport_.Add(
      {.match = "GET /p/x", .edit = [](HttpResponse& response) { response.status = 200; }});
  std::vector<uint8_t> buffer(4);
  EXPECT_EQ(storage_->ReadAt("x", 3, buffer).status().code(), absl::StatusCode::kInternal);
}

TEST_F(S3StorageTest, ListsWhatIsDirectlyUnderThePrefix) {
  for (const char* const path : {"bucket/p/b", "bucket/p/a b+c", "bucket/p/deep/x", "bucket/other",
                                 "bucket/p2", "bucket/p/"}) {
    transport_.PutObject(path, "x");
  }
  EXPECT_EQ(Names(*storage_->List("")), (Strings{"a b+c", "b"}));
  EXPECT_EQ(Names(*storage_->List("b")), (Strings{"b"}));
  EXPECT_EQ(Names(*Open("s3://bucket")->List("")), (Strings{"other", "p2"}));
}

TEST_F(S3StorageTest, ListsPageByPage) {
  for (int i = 0; i < 2500; ++i) {
    transport_.PutObject(absl::StrCat("bucket/p/", 10'000 + i), "x");
  }
  EXPECT_EQ(storage_->List("")->size(), 2500u);
  EXPECT_EQ(transport_.Requests("list-type").size(), 3u);
}

TEST_F(S3StorageTest, RemovesInBatches) {
  std::vector<std::string> names;
  for (int i = 0; i < 1500; ++i) {
    names.push_back(absl::StrCat("n", i));
    transport_.PutObject(absl::StrCat("bucket/p/n", i), "x");
  }
  names.push_back("never-there");
  EXPECT_TRUE(storage_->Remove(names).ok());
  EXPECT_TRUE(transport_.Objects().empty());
  EXPECT_EQ(transport_.Requests("delete").size(), 2u);
  EXPECT_TRUE(storage_->Remove({}).ok());
}

TEST_F(S3StorageTest, ReportsAKeyThatCouldNotBeRemoved) {
  HttpResponse partial;
  partial.status = 200;
  partial.body =
      "<DeleteResult><Error><Key>p/a</Key><Code>AccessDenied</Code><Message>locked</Message>"
      "</Error><Error><Key>p/b</Key><Code>AccessDenied</Code></Error></DeleteResult>";
  transport_.Add({.match = "POST delete", .response = partial});
  const absl::Status status = storage_->Remove({"a", "b"});
  EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_TRUE(absl::StrContains(status.message(), "s3://bucket/p/a")) << status;
  EXPECT_TRUE(absl::StrContains(status.message(), "and 1 more")) << status;
}

TEST_F(S3StorageTest, RemovesStaleUploadsOfItsOwnPrefixOnly) {
  const absl::Time old = now_ - absl::Hours(48);
  const auto begin = [&](const std::string& url, const std::string& name, absl::Time when) {
    transport_.SetNow(when);
    const std::unique_ptr<Storage> storage = Open(url);
    EXPECT_TRUE((*storage->NewSink(name))->Begin({0, kPartBytes}).ok());
  };
  begin("s3://bucket/p", "vol_20200101_000000.tar.gz", old);
  begin("s3://bucket/p", "vol_20200102_000000.tar.gz", now_);
  begin("s3://bucket/p", "other_20200101_000000.tar.gz", old);
  begin("s3://bucket/p", "vol_notes.csv", old);
  begin("s3://bucket/p/vol_deep", "vol_20200101_000000.tar.gz", old);
  begin("s3://bucket", "vol_20200101_000000.tar.gz", old);
  const absl::StatusOr<std::vector<std::string>> removed =
      storage_->RemoveStale("vol", now_ - absl::Hours(24));
  ASSERT_TRUE(removed.ok()) << removed.status();
  ASSERT_EQ(removed->size(), 1u);
  EXPECT_TRUE(absl::StrContains((*removed)[0], "s3://bucket/p/vol_20200101_000000.tar.gz"))
      << (*removed)[0];
  EXPECT_EQ(transport_.UploadCount(), 5u);
}

TEST_F(S3StorageTest, RefusesNamesWithASlash) {
  EXPECT_EQ(storage_->Write("a/b", "x").code(), absl::StatusCode::kInvalidArgument);
  EXPECT_FALSE(storage_->NewSink("").ok());
  EXPECT_FALSE(storage_->Remove({"../x"}).ok());
  EXPECT_TRUE(transport_.Requests().empty());
}

TEST_F(S3StorageTest, ASinkMakesAnObjectOfItsOwn) {
  const absl::StatusOr<std::unique_ptr<PartSink>> sink = storage_->NewSink("x.tar.gz");
  ASSERT_TRUE(sink.ok());
  EXPECT_EQ((*sink)->Describe(), "s3://bucket/p/x.tar.gz");
  ASSERT_TRUE((*sink)->Begin({0, kPartBytes}).ok());
  StreamSummary summary;
  (*sink)->Put(MakePart(0, "x", &summary), [](absl::Status s) { EXPECT_TRUE(s.ok()) << s; });
  ASSERT_TRUE((*sink)->Finish(summary).ok());
  EXPECT_EQ(Names(*storage_->List("")), (Strings{"x.tar.gz"}));
}

TEST_F(S3StorageTest, SaysWhatObjectLockHolds) {
  transport_.PutObject("bucket/p/a", "x");
  HttpResponse config;
  config.status = 200;
  config.body =
      "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled>"
      "</ObjectLockConfiguration>";
  transport_.Add({.match = "GET object-lock", .response = config});
  const auto with = [this](const std::string& name, const std::string& value) {
    transport_.Add({.match = "HEAD /p/a", .edit = [name, value](HttpResponse& response) {
                      response.headers.push_back({name, value});
                    }});
    return storage_->HeldBy("a").value_or("an error");
  };
  EXPECT_EQ(with("x-amz-object-lock-retain-until-date", "2025-06-16T00:00:00.5Z"),
            "locked (Object Lock, ) until 2025-06-16 00:00:00 UTC");
  EXPECT_EQ(with("x-amz-object-lock-retain-until-date", "2025-06-15T00:00:00Z"), "");
  EXPECT_EQ(with("x-amz-object-lock-legal-hold", "ON"), "locked by a legal hold");
  EXPECT_EQ(*storage_->HeldBy("a"), "");
  EXPECT_EQ(*storage_->HeldBy("none"), "");
  EXPECT_EQ(transport_.Requests("object-lock").size(), 1u);
}

TEST_F(S3StorageTest, AsksForNoObjectWhereTheBucketHasNoObjectLock) {
  EXPECT_EQ(*storage_->HeldBy("a"), "");
  EXPECT_TRUE(transport_.Requests("HEAD").empty());
}

TEST_F(S3StorageTest, ListsNoLocksAmongItsObjects) {
  const absl::StatusOr<std::unique_ptr<StorageLock>> lock = storage_->Lock("v");
  ASSERT_TRUE(lock.ok()) << lock.status();
  EXPECT_TRUE(storage_->List("")->empty());
  ASSERT_EQ(storage_->Locks("")->size(), 1u);
  EXPECT_EQ(storage_->Locks("v")->at(0).stem, "v");
  EXPECT_TRUE(storage_->Locks("w")->empty());
  // This process runs, and holds it.
  EXPECT_EQ(KindOf(storage_->BreakLock("v")), ErrorKind::kBusy);
  LockOwner dead = LockOwner::OfThisProcess(now_, kLockLease);
  dead.process = "";
  transport_.PutObject("bucket/p/v.volstream-lock", dead.ToJson());
  EXPECT_TRUE(storage_->BreakLock("v").ok());
  EXPECT_TRUE(storage_->Locks("")->empty());
  EXPECT_TRUE(storage_->BreakLock("v").ok());
}

}  // namespace
}  // namespace volstream
