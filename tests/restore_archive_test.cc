// RestoreArchive over destinations in memory: the cases that a run of the CLI cannot bring about.
// Restore through the CLI is in restore_test.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <string>
#include <vector>

#include "stages/archive_name.h"
#include "stages/backup.h"
#include "stages/digest.h"
#include "stages/error_kind.h"
#include "stages/gzip_codec.h"
#include "stages/receipt.h"
#include "stages/restore.h"
#include "stages/tar_header.h"
#include "tests/support/fake_storage.h"
#include "tests/support/tree.h"

namespace volstream {
namespace {

class RestoreArchiveTest : public ::testing::Test {
 protected:
  RestoreArchiveTest() {
    std::filesystem::create_directory(source_);
    WriteFile(source_ + "/a", "contents of a");
    options_.target = directory_ / "target";
    options_.on_warning = [this](std::string_view text) { warnings_.emplace_back(text); };
  }

  // Backs the source up; returns the archive's name.
  std::string BackUp() {
    BackupOptions options;
    options.source = source_;
    options.memory_bytes = 64 * kMiB;
    const BackupReport report = Backup(options, {&storage_}).Run();
    EXPECT_TRUE(report.status.ok()) << report.status;
    return report.receipt.archive;
  }

  absl::StatusOr<RestoreReport> Restore(const std::string& name) {
    return RestoreArchive(&storage_, name, options_);
  }

  // A gzip member of these bytes.
  static std::string Member(const std::string& bytes) {
    absl::StatusOr<std::unique_ptr<GzipCodec>> codec = GzipCodec::Create(6);
    EXPECT_TRUE(codec.ok());
    std::string member((*codec)->Bound(bytes.size()), '\0');
    const absl::StatusOr<EncodedBlock> encoded = (*codec)->Encode(
        AsBytes(bytes), MutableByteSpan(reinterpret_cast<uint8_t*>(member.data()), member.size()));
    EXPECT_TRUE(encoded.ok()) << encoded.status();
    member.resize(encoded.ok() ? encoded->bytes : 0);
    return member;
  }

  TempDir directory_;
  const std::string source_ = directory_ / "volume";
  FakeStorage storage_;
  RestoreOptions options_;
  std::vector<std::string> warnings_;
};

TEST_F(RestoreArchiveTest, GivesBackTheTree) {
  MakeTree(source_);
  options_.owners = geteuid() == 0 ? Owners::kByNumber : Owners::kOwn;
  const absl::StatusOr<RestoreReport> report = Restore(BackUp());
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(DiffTrees(SnapshotTree(source_), SnapshotTree(options_.target)), "");
}

TEST_F(RestoreArchiveTest, CountsEntriesAndBytes) {
  const std::string name = BackUp();
  const absl::StatusOr<RestoreReport> report = Restore(name);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->entries, 2u);
  EXPECT_EQ(report->file_bytes, 13u);
  // The index was looked for at the end, too.
  EXPECT_GE(report->archive_bytes, storage_.objects()[name].size());
  EXPECT_TRUE(report->receipt_checked);
  EXPECT_EQ(report->warnings, 0u);
}

TEST_F(RestoreArchiveTest, ComparesWithNothingWithoutAReceipt) {
  const std::string name = BackUp();
  ASSERT_TRUE(storage_.Remove({ReceiptNameOf(name)}).ok());
  const absl::StatusOr<RestoreReport> report = Restore(name);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_FALSE(report->receipt_checked);
}

TEST_F(RestoreArchiveTest, RefusesAnArchiveThatDiffersFromItsReceipt) {
  const std::string name = BackUp();
  Receipt receipt = *Receipt::FromJson(storage_.objects()[ReceiptNameOf(name)]);
  receipt.xxh3 = std::string(16, '0');
  storage_.Set(ReceiptNameOf(name), receipt.ToJson());
  EXPECT_EQ(KindOf(Restore(name).status()), ErrorKind::kIntegrity);
}

TEST_F(RestoreArchiveTest, KeepsTheOldFileWhereAStreamDiffersFromItsReceipt) {
  const std::string name = "x_20250101_000000.gz";
  storage_.Set(name, Member("what was stored in its place"));
  Receipt receipt;
  receipt.archive = name;
  receipt.xxh3 = std::string(16, '0');
  receipt.md5 = std::string(32, '0');
  storage_.Set(ReceiptNameOf(name), receipt.ToJson());
  std::filesystem::create_directory(options_.target);
  WriteFile(options_.target + "/x", "old");
  options_.overwrite = Overwrite::kAlways;
  EXPECT_EQ(KindOf(Restore(name).status()), ErrorKind::kIntegrity);
  EXPECT_EQ(ReadFile(options_.target + "/x"), "old");
  EXPECT_EQ(NamesIn(options_.target).size(), 1u);
}

TEST_F(RestoreArchiveTest, RestoresWithoutADamagedReceiptAndSaysSo) {
  const std::string name = BackUp();
  storage_.Set(ReceiptNameOf(name), "{");
  std::string warning;
  options_.on_warning = [&warning](std::string_view text) { warning = text; };
  const absl::StatusOr<RestoreReport> report = Restore(name);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_FALSE(report->receipt_checked);
  EXPECT_NE(warning.find("restoring without it"), std::string::npos) << warning;
}

TEST_F(RestoreArchiveTest, FindsAnArchiveWithoutItsEndMarkCutOff) {
  // One member that is whole, and a tar that just stops.
  TarEntry root;
  root.type = TarType::kDirectory;
  root.path = "./";
  const std::string tar = TarHeaderOf(root);
  storage_.Set("cut.tar.gz", Member(tar));
  const absl::Status status = Restore("cut.tar.gz").status();
  EXPECT_EQ(KindOf(status), ErrorKind::kIntegrity) << status;
  EXPECT_NE(status.message().find("cut short"), absl::string_view::npos) << status;
}

// Podman's tar of an empty volume has no entry for the volume itself.
TEST_F(RestoreArchiveTest, MakesAnEmptyDirectoryOfATarThatIsAllEndMark) {
  for (const size_t bytes : {kTarEndBytes, size_t{10'240}}) {
    storage_.Set("empty.tar.gz", Member(std::string(bytes, '\0')));
    const absl::StatusOr<RestoreReport> report = Restore("empty.tar.gz");
    ASSERT_TRUE(report.ok()) << report.status();
    EXPECT_EQ(report->entries, 0u);
    EXPECT_EQ(NamesIn(options_.target), std::vector<std::string>{});
  }
}

TEST_F(RestoreArchiveTest, RefusesATarWithoutEntriesThatIsNotAllEndMark) {
  const std::string whole = Member(std::string(kTarEndBytes, '\0'));
  for (const std::string& archive :
       {std::string(), Member(""), Member(std::string(512, '\0')), Member(std::string(1023, '\0')),
        whole.substr(0, whole.size() - 1), std::string(kTarEndBytes, '\0')}) {
    storage_.Set("cut.tar.gz", archive);
    EXPECT_EQ(KindOf(Restore("cut.tar.gz").status()), ErrorKind::kIntegrity) << archive.size();
  }
}

TEST_F(RestoreArchiveTest, TakesAReceiptThatCannotBeReadForAnError) {
  const std::string name = BackUp();
  storage_.faults.read_all = absl::UnavailableError("HTTP 503");
  EXPECT_TRUE(absl::IsUnavailable(Restore(name).status()));
  EXPECT_FALSE(Exists(options_.target));
}

TEST_F(RestoreArchiveTest, HandsOnAReadErrorAsItIs) {
  const std::string name = BackUp();
  storage_.faults.read_at =
      MakeError(ErrorKind::kS3, absl::StatusCode::kUnavailable, "connection lost");
  const absl::Status status = Restore(name).status();
  EXPECT_EQ(KindOf(status), ErrorKind::kS3) << status;
  EXPECT_FALSE(Exists(options_.target));
}

TEST_F(RestoreArchiveTest, SaysThatTheArchiveIsMissing) {
  EXPECT_TRUE(absl::IsNotFound(Restore("none.tar.gz").status()));
}

TEST_F(RestoreArchiveTest, EndsWhenCancelled) {
  const std::string name = BackUp();
  const std::atomic<bool> cancelled = true;
  options_.cancelled = &cancelled;
  EXPECT_EQ(KindOf(Restore(name).status()), ErrorKind::kInterrupted);
}

TEST_F(RestoreArchiveTest, RefusesAnArchiveCutShort) {
  WriteFile(source_ + "/b", RandomBytes(1, 3 * kMiB));
  const std::string name = BackUp();
  const std::string archive = storage_.objects()[name];
  ASSERT_TRUE(storage_.Remove({ReceiptNameOf(name)}).ok());
  storage_.Set(name, archive.substr(0, archive.size() / 2));
  EXPECT_EQ(KindOf(Restore(name).status()), ErrorKind::kIntegrity);
}

}  // namespace
}  // namespace volstream
