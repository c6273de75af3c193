// The lock at S3, over a store in memory: what a real server is asked is in retention_s3_test.
#include "stages/s3_lock.h"

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "stages/error_kind.h"
#include "tests/support/s3_fixture.h"

namespace volstream {
namespace {

using Lock = absl::StatusOr<std::unique_ptr<StorageLock>>;
constexpr char kPath[] = "bucket/p/v.volstream-lock";

class S3LockTest : public S3Fixture {
 protected:
  S3LockPlace Place() {
    S3LockPlace place;
    place.client = client_.get();
    place.object = &object_;
    place.key = "p/v.volstream-lock";
    place.stem = "v";
    place.destination = "s3://bucket/p/";
    place.clock = [this] { return now_; };
    return place;
  }

  // A lock that another machine has written just now.
  LockOwner PutForeign() {
    LockOwner owner = LockOwner::OfThisProcess(now_, kLockLease);
    owner.host = "elsewhere";
    owner.process = "";
    transport_.PutObject(kPath, owner.ToJson());
    return owner;
  }

  std::string OwnerThere() {
    const auto objects = transport_.Objects();
    const auto found = objects.find(kPath);
    if (found == objects.end()) return "";
    return LockOwner::FromJson(found->second).value_or(LockOwner()).id;
  }

  S3ObjectOptions object_;
};

TEST_F(S3LockTest, IsWrittenOnlyIfThereIsNone) {
  const Lock lock = TakeS3Lock(Place());
  ASSERT_TRUE(lock.ok()) << lock.status();
  const auto puts = transport_.Requests("PUT");
  // The second one tries whether the condition is honoured.
  ASSERT_EQ(puts.size(), 2u);
  for (const auto& put : puts) EXPECT_EQ(put.Header("If-None-Match"), "*");
  EXPECT_TRUE((*lock)->notes().empty());
}

TEST_F(S3LockTest, KeepsASecondOneOutAndSaysWhoHasItAndWhatToDo) {
  PutForeign();
  const absl::Status status = TakeS3Lock(Place()).status();
  EXPECT_EQ(KindOf(status), ErrorKind::kBusy);
  for (const char* const word : {"elsewhere", "since 2025-06-15 15:06:40", "until 15:16:40",
                                 "volstream unlock s3://bucket/p/ --name v"}) {
    EXPECT_TRUE(absl::StrContains(status.message(), word)) << status;
  }
}

TEST_F(S3LockTest, TheSlowerOfTwoIsRefused) {
  // The lock appears between the look and the write.
  transport_.Add({.match = "GET volstream-lock", .response = S3ErrorResponse(404, "NoSuchKey")});
  const LockOwner other = PutForeign();
  EXPECT_EQ(KindOf(TakeS3Lock(Place()).status()), ErrorKind::kBusy);
  EXPECT_EQ(OwnerThere(), other.id);
}

TEST_F(S3LockTest, RenewsUnderTheEtagThatItWrote) {
  const Lock lock = TakeS3Lock(Place());
  ASSERT_TRUE(lock.ok()) << lock.status();
  EXPECT_TRUE((*lock)->Refresh().ok());
  EXPECT_TRUE((*lock)->Refresh().ok());
  const auto puts = transport_.Requests("PUT");
  ASSERT_EQ(puts.size(), 4u);
  EXPECT_EQ(puts[2].Header("If-Match"), ToHex(Md5Of(AsBytes(puts[0].body))));
  EXPECT_EQ(puts[3].Header("If-Match"), ToHex(Md5Of(AsBytes(puts[2].body))));
}

TEST_F(S3LockTest, EachRenewalHasAnEtagOfItsOwn) {
  const Lock lock = TakeS3Lock(Place());
  ASSERT_TRUE(lock.ok()) << lock.status();
  EXPECT_TRUE((*lock)->Refresh().ok());
  EXPECT_TRUE((*lock)->Refresh().ok());
  const auto puts = transport_.Requests("PUT");
  ASSERT_EQ(puts.size(), 4u);
  EXPECT_NE(puts[0].body, puts[2].body);
  EXPECT_NE(puts[2].body, puts[3].body);
}

TEST_F(S3LockTest, IsGoneOnceReleased) {
  const Lock lock = TakeS3Lock(Place());
  ASSERT_TRUE(lock.ok()) << lock.status();
  EXPECT_TRUE((*lock)->Release().ok());
  EXPECT_TRUE(transport_.Objects().empty());
}

TEST_F(S3LockTest, TakesOverOneWhoseLeaseIsOverAndSaysSo) {
  PutForeign();
  now_ += kLockLease;
  const Lock lock = TakeS3Lock(Place());
  ASSERT_TRUE(lock.ok()) << lock.status();
  ASSERT_EQ((*lock)->notes().size(), 1u);
  EXPECT_TRUE(absl::StrContains((*lock)->notes()[0], "elsewhere")) << (*lock)->notes()[0];
  EXPECT_FALSE(transport_.Requests("PUT")[0].Header("If-Match").empty());
}

TEST_F(S3LockTest, TheServersClockDecides) {
  PutForeign();
  // Ours is a day ahead; the server says that no time has passed.
  const absl::Time server = now_;
  now_ += absl::Hours(24);
  transport_.Add(
      {.match = "GET volstream-lock", .edit = [server](HttpResponse& response) {
         response.headers.push_back(
             {"Date", absl::FormatTime("%a, %d %b %Y %H:%M:%S GMT", server, absl::UTCTimeZone())});
       }});
  EXPECT_EQ(KindOf(TakeS3Lock(Place()).status()), ErrorKind::kBusy);
}

TEST_F(S3LockTest, TakesOverThatOfAProcessThatEndedHere) {
  LockOwner owner = LockOwner::OfThisProcess(now_, kLockLease);
  owner.process += "1";
  transport_.PutObject(kPath, owner.ToJson());
  EXPECT_TRUE(TakeS3Lock(Place()).ok());
}

TEST_F(S3LockTest, WhatCannotBeReadHoldsForALease) {
  transport_.PutObject(kPath, "somebody's own");
  EXPECT_EQ(KindOf(TakeS3Lock(Place()).status()), ErrorKind::kBusy);
  now_ += kLockLease;
  EXPECT_TRUE(TakeS3Lock(Place()).ok());
}

TEST_F(S3LockTest, OneThatWasTakenOverIsLostAndLeftAlone) {
  const Lock lock = TakeS3Lock(Place());
  ASSERT_TRUE(lock.ok()) << lock.status();
  const LockOwner other = PutForeign();
  const absl::Status status = (*lock)->Refresh();
  EXPECT_TRUE(absl::IsAborted(status)) << status;
  EXPECT_TRUE(absl::StrContains(status.message(), "elsewhere")) << status;
  EXPECT_TRUE(absl::IsAborted((*lock)->Refresh()));
  EXPECT_TRUE((*lock)->Release().ok());
  EXPECT_EQ(OwnerThere(), other.id);
}

TEST_F(S3LockTest, OneThatWasRemovedIsLost) {
  const Lock lock = TakeS3Lock(Place());
  ASSERT_TRUE(lock.ok()) << lock.status();
  ASSERT_TRUE(client_->Call(DeleteObjectRequest("p/v.volstream-lock")).ok());
  EXPECT_TRUE(absl::IsAborted((*lock)->Refresh()));
}

TEST_F(S3LockTest, AnOutageIsNoLoss) {
  const Lock lock = TakeS3Lock(Place());
  ASSERT_TRUE(lock.ok()) << lock.status();
  transport_.Add(
      {.match = "PUT volstream-lock", .times = 2, .response = S3ErrorResponse(503, "SlowDown")});
  EXPECT_TRUE(absl::IsUnavailable((*lock)->Refresh()));
  EXPECT_TRUE((*lock)->Refresh().ok());
}

TEST_F(S3LockTest, AWriteWhoseAnswerWasLostIsStillOurs) {
  transport_.Add({.match = "PUT volstream-lock",
                  .take_effect = true,
                  .transport = absl::UnavailableError("connection reset")});
  const Lock lock = TakeS3Lock(Place());
  ASSERT_TRUE(lock.ok()) << lock.status();
  EXPECT_TRUE((*lock)->notes().empty());
  transport_.Add({.match = "PUT volstream-lock",
                  .take_effect = true,
                  .transport = absl::UnavailableError("connection reset")});
  EXPECT_TRUE((*lock)->Refresh().ok());
  EXPECT_TRUE((*lock)->Release().ok());
  EXPECT_TRUE(transport_.Objects().empty());
}

TEST_F(S3LockTest, TwoLostAnswersInOneRenewalAreNoLoss) {
  const Lock lock = TakeS3Lock(Place());
  ASSERT_TRUE(lock.ok()) << lock.status();
  // Each is tried again, and refused, as the ETag is another by then.
  const TransportFault lost = {.match = "PUT volstream-lock",
                               .take_effect = true,
                               .transport = absl::UnavailableError("connection reset")};
  const TransportFault served = {.match = "PUT volstream-lock", .edit = [](HttpResponse&) {}};
  for (const TransportFault& fault : {lost, served, lost}) transport_.Add(fault);
  EXPECT_TRUE((*lock)->Refresh().ok());
  EXPECT_EQ(transport_.Requests("PUT").size(), 6u);
  EXPECT_TRUE((*lock)->Refresh().ok());
}

TEST_F(S3LockTest, AProviderThatIgnoresConditionsMakesItABestEffort) {
  HttpResponse ok;
  ok.status = 200;
  ok.headers = {{"ETag", "\"x\""}};
  // The first write is served, the second, which must be refused, is not.
  transport_.Add({.match = "PUT volstream-lock", .edit = [](HttpResponse&) {}});
  transport_.Add({.match = "PUT volstream-lock", .response = ok});
  const Lock lock = TakeS3Lock(Place());
  ASSERT_TRUE(lock.ok()) << lock.status();
  ASSERT_EQ((*lock)->notes().size(), 1u);
  EXPECT_TRUE(absl::StrContains((*lock)->notes()[0], "best effort"));
  EXPECT_TRUE((*lock)->Refresh().ok());
  const LockOwner other = PutForeign();
  EXPECT_TRUE(absl::IsAborted((*lock)->Refresh()));
  EXPECT_EQ(OwnerThere(), other.id);
}

TEST_F(S3LockTest, AProviderThatRefusesConditionsMakesItABestEffort) {
  transport_.Add(
      {.match = "PUT volstream-lock", .response = S3ErrorResponse(501, "NotImplemented")});
  const Lock lock = TakeS3Lock(Place());
  ASSERT_TRUE(lock.ok()) << lock.status();
  ASSERT_EQ((*lock)->notes().size(), 1u);
  EXPECT_FALSE(OwnerThere().empty());
  EXPECT_EQ(KindOf(TakeS3Lock(Place()).status()), ErrorKind::kBusy);
}

TEST_F(S3LockTest, AKeyThatMayNotRemoveSaysThatItIsOver) {
  const Lock lock = TakeS3Lock(Place());
  ASSERT_TRUE(lock.ok()) << lock.status();
  transport_.Add(
      {.match = "DELETE volstream-lock", .response = S3ErrorResponse(403, "AccessDenied")});
  EXPECT_TRUE((*lock)->Release().ok());
  EXPECT_FALSE(OwnerThere().empty());
  const Lock next = TakeS3Lock(Place());
  ASSERT_TRUE(next.ok()) << next.status();
  EXPECT_TRUE((*next)->notes().empty());
}

TEST_F(S3LockTest, AKeyThatMayNotReadRemovesItAllTheSame) {
  const Lock lock = TakeS3Lock(Place());
  ASSERT_TRUE(lock.ok()) << lock.status();
  transport_.Add({.match = "GET volstream-lock", .response = S3ErrorResponse(403, "AccessDenied")});
  EXPECT_TRUE((*lock)->Release().ok());
  EXPECT_TRUE(transport_.Objects().empty());
}

TEST_F(S3LockTest, AKeyThatMayNotReadRemovesNoLockOfAnother) {
  const Lock lock = TakeS3Lock(Place());
  ASSERT_TRUE(lock.ok()) << lock.status();
  const LockOwner other = PutForeign();
  transport_.Add({.match = "GET volstream-lock", .response = S3ErrorResponse(403, "AccessDenied")});
  EXPECT_FALSE((*lock)->Release().ok());
  EXPECT_EQ(OwnerThere(), other.id);
}

TEST_F(S3LockTest, ALockThatMayNotBeReadIsLeftAloneAndTheRemedyNamed) {
  const LockOwner other = PutForeign();
  transport_.Add({.match = "GET volstream-lock",
                  .times = 2,
                  .response = S3ErrorResponse(403, "AccessDenied")});
  const absl::Status status = TakeS3Lock(Place()).status();
  EXPECT_TRUE(absl::IsPermissionDenied(status)) << status;
  EXPECT_EQ(KindOf(status), ErrorKind::kS3);
  for (const char* const word : {"s3:GetObject", "--no-lock"}) {
    EXPECT_TRUE(absl::StrContains(status.message(), word)) << status;
  }
  EXPECT_EQ(OwnerThere(), other.id);
}

TEST_F(S3LockTest, IsNeverUnderObjectLock) {
  object_.lock_mode = "COMPLIANCE";
  object_.lock_for = absl::Hours(24);
  object_.tags = {{"a", "b"}};
  ASSERT_TRUE(TakeS3Lock(Place()).ok());
  EXPECT_EQ(transport_.Requests("PUT")[0].Header("x-amz-object-lock-mode"), "");
  EXPECT_EQ(transport_.Requests("PUT")[0].Header("x-amz-tagging"), "a=b");
}

TEST_F(S3LockTest, RefusedRightsAreNoOtherRun) {
  transport_.Add({.match = "PUT volstream-lock", .response = S3ErrorResponse(403, "AccessDenied")});
  const absl::Status status = TakeS3Lock(Place()).status();
  EXPECT_TRUE(absl::IsPermissionDenied(status)) << status;
  EXPECT_EQ(KindOf(status), ErrorKind::kS3);
}

}  // namespace
}  // namespace volstream
