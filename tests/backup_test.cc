// Backup, the call that programs embedding volstream make: outcomes, receipts, failing
// destinations, cancellation and names.
#include "stages/backup.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <memory>
#include <ostream>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "engine/notification.h"
#include "stages/archive_name.h"
#include "stages/digest.h"
#include "stages/error_kind.h"
#include "stages/local_storage.h"
#include "tests/support/backup_fixture.h"
#include "tests/support/fake_storage.h"
#include "tests/support/tar_reader.h"
#include "tests/support/tree.h"

namespace volstream {
namespace {

namespace fs = std::filesystem;

TEST_F(BackupTest, ArchiveHoldsTheTree) {
  const BackupReport report = Run({&one_});
  ASSERT_TRUE(report.status.ok()) << report.status;
  const std::vector<TarItem> items = ReadTar(Gunzip(one_.objects()[ArchiveIn(one_)]));
  ASSERT_EQ(items.size(), 3u);
  EXPECT_EQ(items[1].path, "./a");
  EXPECT_EQ(items[1].data, "contents of a");
  EXPECT_TRUE(items[2].data == RandomBytes(1, 3 * kMiB));
}

TEST_F(BackupTest, ReportsEachDestinationInOrder) {
  const BackupReport report = Run({&one_, &two_});
  ASSERT_EQ(report.destinations.size(), 2u);
  EXPECT_EQ(report.destinations[0].destination, "fake://one/");
  EXPECT_EQ(report.destinations[1].destination, "fake://two/");
  EXPECT_EQ(report.destinations[1].archive, "fake://two/" + report.receipt.archive);
  EXPECT_TRUE(report.destinations[1].status.ok()) << report.destinations[1].status;
  EXPECT_EQ(report.destinations[1].etag, "etag-of-" + report.receipt.archive);
}

TEST_F(BackupTest, DestinationsGetTheSameBytes) {
  ASSERT_TRUE(Run({&one_, &two_}).status.ok());
  EXPECT_EQ(ArchiveIn(one_), ArchiveIn(two_));
  EXPECT_TRUE(one_.objects()[ArchiveIn(one_)] == two_.objects()[ArchiveIn(two_)]);
}

TEST_F(BackupTest, WritesTheReceiptLast) {
  ASSERT_TRUE(Run({&one_}).status.ok());
  const std::string archive = ArchiveIn(one_);
  EXPECT_EQ(one_.log(), (std::vector<std::string>{"begin " + archive, "finish " + archive,
                                                  "write " + ReceiptNameOf(archive)}));
}

TEST_F(BackupTest, ReceiptDescribesTheArchive) {
  const absl::Time before = absl::FromUnixSeconds(absl::ToUnixSeconds(absl::Now()));
  ASSERT_TRUE(Run({&one_}).status.ok());
  const Receipt receipt = ReceiptIn(one_);
  const std::string archive = one_.objects()[ArchiveIn(one_)];
  EXPECT_EQ(receipt.archive, ArchiveIn(one_));
  EXPECT_EQ(receipt.bytes, archive.size());
  EXPECT_EQ(receipt.md5, ToHex(Md5Of(AsBytes(archive))));
  EXPECT_EQ(receipt.xxh3.size(), 16u);
  EXPECT_EQ(receipt.etag, "etag-of-" + receipt.archive);
  EXPECT_EQ(receipt.part_count, (archive.size() + receipt.part_bytes - 1) / receipt.part_bytes);
  EXPECT_EQ(receipt.tar_bytes, Gunzip(archive).size());
  EXPECT_EQ(receipt.entries, 3u);
  EXPECT_EQ(receipt.codec, "gzip");
  EXPECT_EQ(receipt.level, 1);
  EXPECT_EQ(receipt.source, source_);
  EXPECT_EQ(receipt.version, VOLSTREAM_VERSION);
  EXPECT_GE(receipt.blocks_stored, 3u);  // the random file
  EXPECT_GE(receipt.started, before);
  EXPECT_GE(receipt.finished, receipt.started);
  EXPECT_EQ(receipt.warning_count, 0u);
}

TEST_F(BackupTest, UsesThePartSizeGiven) {
  options_.part_bytes = 6 * kMiB;
  ASSERT_TRUE(Run({&one_}).status.ok());
  EXPECT_EQ(ReceiptIn(one_).part_bytes, 6 * kMiB);
}

TEST_F(BackupTest, NamesTheArchiveAfterTheSource) {
  options_.source = source_ + "//";
  ASSERT_TRUE(Run({&one_}).status.ok());
  EXPECT_EQ(ArchiveName::Parse(ArchiveIn(one_))->stem, "volume");
}

TEST_F(BackupTest, NamesTheArchiveAsTold) {
  options_.name = "my data";
  ASSERT_TRUE(Run({&one_}).status.ok());
  EXPECT_EQ(ArchiveName::Parse(ArchiveIn(one_))->stem, "my_data");
}

TEST_F(BackupTest, TakesAnotherNameWhenTheSecondIsTaken) {
  const absl::Time now = absl::FromUnixSeconds(absl::ToUnixSeconds(absl::Now()));
  // Whichever of these seconds the run begins in, at either destination.
  std::map<std::string, std::string> taken;
  for (int i = 0; i < 20; ++i) {
    const std::string name = ArchiveName{"volume", now + absl::Seconds(i)}.ToString();
    taken[name] = "older";
    (i % 2 == 0 ? one_ : two_).Set(name, "older");
  }
  const BackupReport report = Run({&one_, &two_});
  ASSERT_TRUE(report.status.ok()) << report.status;
  EXPECT_FALSE(taken.contains(report.receipt.archive)) << report.receipt.archive;
  for (const auto& [name, contents] : one_.objects()) {
    if (taken.contains(name)) {
      EXPECT_EQ(contents, "older");
    }
  }
}

TEST_F(BackupTest, FailsWhenAMinuteOfNamesIsTaken) {
  const absl::Time now = absl::FromUnixSeconds(absl::ToUnixSeconds(absl::Now()));
  for (int i = 0; i < 120; ++i) {
    one_.Set(ArchiveName{"volume", now + absl::Seconds(i)}.ToString(), "older");
  }
  EXPECT_TRUE(absl::IsAlreadyExists(Run({&one_}).status));
}

TEST_F(BackupTest, NeedsADestination) {
  EXPECT_EQ(Run({}).status.code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(BackupTest, RefusesALevelOutOfRange) {
  options_.level = 13;
  EXPECT_EQ(Run({&one_}).status.code(), absl::StatusCode::kInvalidArgument);
  ExpectNothingIn(one_);
}

TEST_F(BackupTest, RefusesAMissingSource) {
  options_.source = source_ + "/none";
  EXPECT_EQ(KindOf(Run({&one_}).status), ErrorKind::kVolumeNotFound);
  ExpectNothingIn(one_);
}

TEST_F(BackupTest, CallsNoDestinationProvenWhenTheSourceIsMissing) {
  options_.source = source_ + "/none";
  const BackupReport report = Run({&one_});
  EXPECT_FALSE(report.destinations.at(0).status.ok());
}

TEST_F(BackupTest, RefusesADestinationInsideTheSource) {
  fs::create_directory(source_ + "/backups");
  fs::create_directory_symlink(source_ + "/backups", directory_ / "link");
  for (const std::string& destination : {source_, source_ + "/backups", directory_ / "link"}) {
    const std::unique_ptr<Storage> storage = OpenLocalStorage(destination);
    const absl::Status status = Run({storage.get()}).status;
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << destination;
    EXPECT_NE(std::string(status.message()).find("inside the source"), std::string::npos) << status;
  }
  EXPECT_EQ(NamesIn(source_), (std::vector<std::string>{"a", "b", "backups"}));
}

TEST_F(BackupTest, LeavesNoDirectoryInsideTheSourceWhenItRefusesIt) {
  const std::unique_ptr<Storage> storage = OpenLocalStorage(source_ + "/backups");
  EXPECT_FALSE(Run({storage.get()}).status.ok());
  EXPECT_EQ(NamesIn(source_), (std::vector<std::string>{"a", "b"}));
}

TEST_F(BackupTest, TakesADestinationWhoseNameOnlyBeginsAsTheSource) {
  const std::unique_ptr<Storage> storage = OpenLocalStorage(source_ + "-backups");
  const absl::Status status = Run({storage.get()}).status;
  EXPECT_TRUE(status.ok()) << status;
}

TEST_F(BackupTest, ReportsFilesThatCannotBeReadAsPartial) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to become another user";
  fs::permissions(source_ + "/a", fs::perms::owner_read);
  ASSERT_EQ(seteuid(65534), 0);
  const BackupReport report = Run({&one_});
  ASSERT_EQ(seteuid(0), 0);
  EXPECT_EQ(KindOf(report.status), ErrorKind::kPartial);
  EXPECT_TRUE(report.destinations[0].status.ok()) << report.destinations[0].status;
  EXPECT_EQ(ReceiptIn(one_).missing_count, 1u);
  EXPECT_EQ(ReceiptIn(one_).warnings.size(), 1u);
}

// A way in which a destination can fail, and whether the archive is visible there all the same.
struct FaultCase {
  const char* name;
  absl::Status FakeStorage::Faults::*fault;
  bool archive_stays = false;
};

void PrintTo(const FaultCase& fault, std::ostream* out) { *out << fault.name; }

class BackupFaults : public BackupTest, public ::testing::WithParamInterface<FaultCase> {
 protected:
  void Break(FakeStorage* storage) {
    storage->faults.*GetParam().fault =
        MakeError(ErrorKind::kS3, absl::StatusCode::kUnavailable, "broken " + storage->Url());
  }
};

TEST_P(BackupFaults, AtOneDestinationMakeItPartial) {
  Break(&one_);
  const BackupReport report = Run({&one_, &two_});
  EXPECT_EQ(KindOf(report.status), ErrorKind::kPartial) << report.status;
  EXPECT_EQ(KindOf(report.destinations[0].status), ErrorKind::kS3);
  EXPECT_NE(std::string(report.destinations[0].status.message()).find("broken fake://one/"),
            std::string::npos);
  EXPECT_TRUE(report.destinations[1].status.ok()) << report.destinations[1].status;
  EXPECT_EQ(ReceiptIn(two_).archive, ArchiveIn(two_));
}

TEST_P(BackupFaults, LeaveNoReceiptAtTheirDestination) {
  Break(&one_);
  Run({&one_, &two_});
  EXPECT_EQ(one_.objects().size(), GetParam().archive_stays ? 1u : 0u);
}

TEST_P(BackupFaults, AtEveryDestinationAreTheFirstsFailure) {
  Break(&one_);
  Break(&two_);
  const BackupReport report = Run({&one_, &two_});
  EXPECT_EQ(KindOf(report.status), ErrorKind::kS3) << report.status;
  for (const DestinationOutcome& outcome : report.destinations) {
    EXPECT_FALSE(outcome.status.ok()) << outcome.destination;
  }
}

TEST_P(BackupFaults, StopTheRunWhereThatIsAsked) {
  if (GetParam().archive_stays) GTEST_SKIP() << "comes after the run";
  options_.stop_on_destination_failure = true;
  Break(&one_);
  const BackupReport report = Run({&one_, &two_});
  EXPECT_FALSE(report.status.ok());
  EXPECT_FALSE(report.destinations[0].status.ok());
}

INSTANTIATE_TEST_SUITE_P(Of, BackupFaults,
                         ::testing::Values(FaultCase{"Check", &FakeStorage::Faults::check},
                                           FaultCase{"Stat", &FakeStorage::Faults::stat},
                                           FaultCase{"NewSink", &FakeStorage::Faults::new_sink},
                                           FaultCase{"Begin", &FakeStorage::Faults::begin},
                                           FaultCase{"Put", &FakeStorage::Faults::put},
                                           FaultCase{"Finish", &FakeStorage::Faults::finish},
                                           FaultCase{"Receipt", &FakeStorage::Faults::write, true}),
                         [](const auto& info) { return info.param.name; });

TEST_F(BackupTest, StopsBeforeAnyByteWhenADestinationFailsItsCheck) {
  options_.stop_on_destination_failure = true;
  one_.faults.check = absl::UnavailableError("broken");
  const BackupReport report = Run({&one_, &two_});
  EXPECT_TRUE(absl::IsUnavailable(report.status)) << report.status;
  ExpectNothingIn(two_);
  EXPECT_FALSE(report.destinations[1].status.ok()) << "called proven, but it has nothing";
}

TEST_F(BackupTest, StopsBeforeAnyByteWhenASinkCannotBeMade) {
  options_.stop_on_destination_failure = true;
  one_.faults.new_sink = absl::UnavailableError("broken");
  EXPECT_TRUE(absl::IsUnavailable(Run({&one_, &two_}).status));
  ExpectNothingIn(two_);
}

TEST_F(BackupTest, GoesOnWhenStaleUploadsCannotBeListed) {
  std::vector<std::string> events;
  options_.on_event = [&](Severity severity, std::string_view text) {
    if (severity == Severity::kWarning) events.emplace_back(text);
  };
  one_.faults.remove_stale = absl::PermissionDeniedError("no ListMultipartUploads");
  EXPECT_TRUE(Run({&one_}).status.ok());
  ASSERT_EQ(events.size(), 1u);
  EXPECT_NE(events[0].find("no ListMultipartUploads"), std::string::npos) << events[0];
}

TEST_F(BackupTest, EndsWhenCancelledFromAnotherThread) {
  one_.hold_puts = true;
  Backup backup(options_, {&one_});
  std::thread canceller([&] {
    one_.WaitForPut();
    backup.Cancel();
  });
  const BackupReport report = backup.Run();
  canceller.join();
  EXPECT_EQ(KindOf(report.status), ErrorKind::kInterrupted) << report.status;
  EXPECT_FALSE(report.destinations[0].status.ok());
  ExpectNothingIn(one_);
  EXPECT_EQ(one_.log().back().substr(0, 6), "abort ");
}

TEST_F(BackupTest, EndsWhenCancelledBeforeItRuns) {
  Backup backup(options_, {&one_});
  backup.Cancel();
  const BackupReport report = backup.Run();
  EXPECT_EQ(KindOf(report.status), ErrorKind::kInterrupted) << report.status;
  ExpectNothingIn(one_);
}

TEST_F(BackupTest, TakesACancelAfterItsEnd) {
  Backup backup(options_, {&one_});
  EXPECT_TRUE(backup.Run().status.ok());
  backup.Cancel();
  EXPECT_EQ(one_.objects().size(), 2u);
}

TEST_F(BackupTest, ReportsProgressToTheEnd) {
  Progress last;
  options_.on_progress = [&last](const Progress& progress) { last = progress; };
  const BackupReport report = Run({&one_});
  EXPECT_TRUE(last.finished);
  EXPECT_EQ(last.source_bytes, report.receipt.tar_bytes);
  EXPECT_EQ(last.encoded_bytes, report.receipt.bytes);
}

TEST_F(BackupTest, SameTreeGivesTheSameArchive) {
  ASSERT_TRUE(Run({&one_}).status.ok());
  ASSERT_TRUE(Run({&two_}).status.ok());
  EXPECT_TRUE(one_.objects()[ArchiveIn(one_)] == two_.objects()[ArchiveIn(two_)]);
}

}  // namespace
}  // namespace volstream
