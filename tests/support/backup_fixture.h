// BackupTest: a small source, options that fit it, and two destinations that do what a test says.
#ifndef VOLSTREAM_TESTS_SUPPORT_BACKUP_FIXTURE_H_
#define VOLSTREAM_TESTS_SUPPORT_BACKUP_FIXTURE_H_

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "stages/archive_name.h"
#include "stages/backup.h"
#include "tests/support/fake_storage.h"
#include "tests/support/tree.h"

namespace volstream {

class BackupTest : public ::testing::Test {
 protected:
  BackupTest() {
    std::filesystem::create_directory(source_);
    WriteFile(source_ + "/a", "contents of a");
    WriteFile(source_ + "/b", RandomBytes(1, 3 * kMiB));
    options_.source = source_;
    options_.level = 1;
    options_.memory_bytes = 64 * kMiB;
    options_.workers = 2;
  }

  BackupReport Run(std::vector<Storage*> storages) {
    return Backup(options_, std::move(storages)).Run();
  }

  // The one archive that a storage has; fails the test if there is another number of them.
  static std::string ArchiveIn(const FakeStorage& storage) {
    std::string found;
    int count = 0;
    for (const auto& [name, contents] : storage.objects()) {
      if (!ArchiveName::Parse(name).has_value()) continue;
      found = name;
      ++count;
    }
    EXPECT_EQ(count, 1);
    return found;
  }

  static Receipt ReceiptIn(const FakeStorage& storage) {
    const absl::StatusOr<Receipt> receipt =
        Receipt::FromJson(storage.objects()[ReceiptNameOf(ArchiveIn(storage))]);
    EXPECT_TRUE(receipt.ok()) << receipt.status();
    return receipt.value_or(Receipt());
  }

  // Nothing of a run is at the storage.
  static void ExpectNothingIn(const FakeStorage& storage) {
    EXPECT_TRUE(storage.objects().empty()) << storage.objects().begin()->first;
  }

  TempDir directory_;
  const std::string source_ = directory_ / "volume";
  BackupOptions options_;
  FakeStorage one_{"fake://one/"};
  FakeStorage two_{"fake://two/"};
};

}  // namespace volstream

#endif  // VOLSTREAM_TESTS_SUPPORT_BACKUP_FIXTURE_H_
