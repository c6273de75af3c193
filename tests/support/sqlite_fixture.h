// SqliteFixture: a volume with databases in it, snapshots of them, and a place to restore to.
#ifndef VOLSTREAM_TESTS_SUPPORT_SQLITE_FIXTURE_H_
#define VOLSTREAM_TESTS_SUPPORT_SQLITE_FIXTURE_H_

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <atomic>
#include <filesystem>
#include <memory>
#include <string>

#include "stages/sqlite_snapshot.h"
#include "tests/support/sqlite_writer.h"
#include "tests/support/tree.h"

namespace volstream {

class SqliteFixture : public ::testing::Test {
 protected:
  SqliteFixture() {
    std::filesystem::create_directory(volume_);
    std::filesystem::create_directory(directory_ / "out");
    dir_fd_ = UniqueFd(open(volume_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  }

  std::string InVolume(const std::string& name) const { return volume_ + "/" + name; }

  // Of what has that name now.
  absl::StatusOr<std::unique_ptr<SpoolFile>> Take(const std::string& name,
                                                  const SnapshotOptions& options = {}) {
    struct stat info {};
    EXPECT_EQ(lstat(InVolume(name).c_str(), &info), 0) << name;
    return TakeSnapshot(dir_fd_.get(), name, info.st_dev, info.st_ino, &spool_, &cancelled_,
                        options);
  }

  // Writes a snapshot to a place of its own, with nothing beside it.
  std::string Restore(const SpoolFile& file) {
    std::string text(file.bytes(), '\0');
    EXPECT_TRUE(
        file.Read(0, MutableByteSpan(reinterpret_cast<uint8_t*>(text.data()), text.size())).ok());
    const std::string place = directory_ / ("out/" + std::to_string(++restored_));
    std::filesystem::create_directory(place);
    WriteFile(place + "/restored.db", text);
    return place + "/restored.db";
  }

  // What the snapshot holds after a restore. Fails unless it is sound.
  SqliteCommits CommitsOf(const absl::StatusOr<std::unique_ptr<SpoolFile>>& snapshot) {
    EXPECT_TRUE(snapshot.ok()) << snapshot.status();
    if (!snapshot.ok()) return {};
    const SqliteCommits commits = ReadCommits(Restore(**snapshot));
    EXPECT_EQ(commits.integrity, "ok");
    EXPECT_TRUE(commits.is_prefix);
    return commits;
  }

  TempDir directory_;
  const std::string volume_ = directory_ / "volume";
  UniqueFd dir_fd_;
  Spool spool_{SpoolOptions{.disk_bytes = 1 * kGiB, .directory = directory_ / "out"}};
  std::atomic<bool> cancelled_ = false;
  int restored_ = 0;
};

// While it lives, the process has the rights of nobody. REQUIRES: runs as root.
class SqliteAsNobody {
 public:
  SqliteAsNobody() { EXPECT_EQ(seteuid(65534), 0); }
  ~SqliteAsNobody() { EXPECT_EQ(seteuid(0), 0); }
};

}  // namespace volstream

#endif  // VOLSTREAM_TESTS_SUPPORT_SQLITE_FIXTURE_H_
