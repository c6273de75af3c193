// A directory as a destination.
#include "stages/local_storage.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "stages/beneath.h"
#include "tests/support/tree.h"

namespace volstream {
namespace {

namespace fs = std::filesystem;

class LocalStorageTest : public ::testing::Test {
 protected:
  std::string At(const std::string& name) const { return directory_ / name; }

  std::vector<std::string> Listed(std::string_view prefix = "") {
    const absl::StatusOr<std::vector<ObjectInfo>> objects = storage_->List(prefix);
    EXPECT_TRUE(objects.ok()) << objects.status();
    std::vector<std::string> names;
    for (const ObjectInfo& object : objects.value_or(std::vector<ObjectInfo>())) {
      names.push_back(object.name);
    }
    return names;
  }

  std::vector<std::string> RemoveStale(std::string_view prefix) {
    // Far in the past: age is not what decides here.
    const absl::StatusOr<std::vector<std::string>> removed =
        storage_->RemoveStale(prefix, absl::InfinitePast());
    EXPECT_TRUE(removed.ok()) << removed.status();
    return removed.value_or(std::vector<std::string>());
  }

  std::string Read(uint64_t offset, size_t bytes) {
    std::string out(bytes, '?');
    const absl::StatusOr<size_t> count = storage_->ReadAt(
        "a", offset, MutableByteSpan(reinterpret_cast<uint8_t*>(out.data()), out.size()));
    EXPECT_TRUE(count.ok()) << count.status();
    return out.substr(0, count.value_or(0));
  }

  TempDir directory_;
  std::unique_ptr<Storage> storage_ = OpenLocalStorage(directory_.path());
};

TEST_F(LocalStorageTest, UrlIsTheDirectoryWithoutASlashAtItsEnd) {
  EXPECT_EQ(OpenLocalStorage("/backups//")->Url(), "/backups");
  EXPECT_EQ(OpenLocalStorage("/backups//")->UrlOf("a"), "/backups/a");
  EXPECT_EQ(OpenLocalStorage("/")->UrlOf("a"), "/a");
  EXPECT_EQ(storage_->kind(), StorageKind::kLocal);
}

TEST_F(LocalStorageTest, CheckTakesADirectory) { EXPECT_TRUE(storage_->Check().ok()); }

TEST_F(LocalStorageTest, CheckMakesTheLastComponent) {
  EXPECT_TRUE(OpenLocalStorage(At("new"))->Check().ok());
  EXPECT_TRUE(fs::is_directory(At("new")));
}

TEST_F(LocalStorageTest, CheckMakesNoMoreThanTheLastComponent) {
  const absl::Status status = OpenLocalStorage(At("no/new"))->Check();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_NE(std::string(status.message()).find(At("no/new")), std::string::npos) << status;
  EXPECT_FALSE(Exists(At("no")));
}

TEST_F(LocalStorageTest, CheckRefusesAFile) {
  WriteFile(At("file"), "");
  const absl::Status status = OpenLocalStorage(At("file"))->Check();
  EXPECT_FALSE(status.ok());
  EXPECT_NE(std::string(status.message()).find("not a directory"), std::string::npos) << status;
  EXPECT_FALSE(OpenLocalStorage(At("file/below"))->Check().ok());
}

TEST_F(LocalStorageTest, CheckRefusesADirectoryThatCannotBeWritten) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to become another user";
  // access(2), which Check asks, goes by the real user.
  ASSERT_EQ(setresuid(65534, 65534, 0), 0);
  const absl::Status status = storage_->Check();
  ASSERT_EQ(setresuid(0, 0, 0), 0);
  EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_NE(std::string(status.message()).find(directory_.path()), std::string::npos) << status;
}

TEST_F(LocalStorageTest, ListsFilesByPrefixInOrder) {
  for (const char* name : {"b", "a_2", "a_1", "ab"}) WriteFile(At(name), name);
  EXPECT_EQ(Listed("a_"), (std::vector<std::string>{"a_1", "a_2"}));
  EXPECT_EQ(Listed(), (std::vector<std::string>{"a_1", "a_2", "ab", "b"}));
}

TEST_F(LocalStorageTest, ListsNoDotFilesAndNoDirectories) {
  WriteFile(At(".a.partial"), "");
  WriteFile(At(".hidden"), "");
  fs::create_directory(At("directory"));
  ASSERT_EQ(mkfifo(At("fifo").c_str(), 0600), 0);
  fs::create_symlink("nowhere", At("dangling"));
  WriteFile(At("a"), "");
  EXPECT_EQ(Listed(), std::vector<std::string>{"a"});
}

TEST_F(LocalStorageTest, ListsSizesAndTimes) {
  WriteFile(At("a"), "12345");
  const timespec times[2] = {{1'600'000'000, 0}, {1'600'000'000, 0}};
  ASSERT_EQ(utimensat(AT_FDCWD, At("a").c_str(), times, 0), 0);
  const absl::StatusOr<std::vector<ObjectInfo>> objects = storage_->List("");
  ASSERT_TRUE(objects.ok() && objects->size() == 1);
  EXPECT_EQ(objects->at(0).bytes, 5u);
  EXPECT_EQ(objects->at(0).modified, absl::FromUnixSeconds(1'600'000'000));
  EXPECT_EQ(objects->at(0).etag, "");
}

TEST_F(LocalStorageTest, ListingAMissingDirectoryIsNotFound) {
  EXPECT_TRUE(absl::IsNotFound(OpenLocalStorage(At("none"))->List("").status()));
}

TEST_F(LocalStorageTest, StatGivesTheSize) {
  WriteFile(At("a"), "12345");
  const absl::StatusOr<ObjectInfo> info = storage_->Stat("a");
  ASSERT_TRUE(info.ok()) << info.status();
  EXPECT_EQ(info->name, "a");
  EXPECT_EQ(info->bytes, 5u);
}

TEST_F(LocalStorageTest, StatOfAMissingNameIsNotFound) {
  const absl::Status status = storage_->Stat("none").status();
  EXPECT_TRUE(absl::IsNotFound(status));
  EXPECT_NE(std::string(status.message()).find(At("none")), std::string::npos) << status;
}

TEST_F(LocalStorageTest, StatRefusesADirectory) {
  fs::create_directory(At("directory"));
  const absl::Status status = storage_->Stat("directory").status();
  EXPECT_FALSE(status.ok());
  EXPECT_FALSE(absl::IsNotFound(status));
}

TEST_F(LocalStorageTest, ReadAtGivesAnyRange) {
  WriteFile(At("a"), "0123456789");
  EXPECT_EQ(Read(0, 10), "0123456789");
  EXPECT_EQ(Read(3, 4), "3456");
  EXPECT_EQ(Read(8, 10), "89");
  EXPECT_EQ(Read(10, 10), "");
  EXPECT_EQ(Read(1000, 10), "");
}

TEST_F(LocalStorageTest, ReadAtOfAMissingNameIsNotFound) {
  uint8_t byte = 0;
  EXPECT_TRUE(absl::IsNotFound(storage_->ReadAt("none", 0, MutableByteSpan(&byte, 1)).status()));
}

TEST_F(LocalStorageTest, ReadAllGivesTheWholeObject) {
  WriteFile(At("a"), std::string("with\0zero", 9));
  EXPECT_EQ(storage_->ReadAll("a").value_or("?"), std::string("with\0zero", 9));
  WriteFile(At("empty"), "");
  EXPECT_EQ(storage_->ReadAll("empty").value_or("?"), "");
}

TEST_F(LocalStorageTest, ReadAllOfAMissingNameIsNotFound) {
  EXPECT_TRUE(absl::IsNotFound(storage_->ReadAll("none").status()));
}

TEST_F(LocalStorageTest, ReadAllRefusesWhatIsTooLargeForAReceipt) {
  WriteFile(At("large"), "");
  ASSERT_EQ(truncate(At("large").c_str(), 64 * kMiB + 1), 0);
  EXPECT_EQ(storage_->ReadAll("large").status().code(), absl::StatusCode::kResourceExhausted);
}

TEST_F(LocalStorageTest, WriteMakesAndReplaces) {
  ASSERT_TRUE(storage_->Write("a", "first, and longer").ok());
  EXPECT_EQ(ReadFile(At("a")), "first, and longer");
  ASSERT_TRUE(storage_->Write("a", "second").ok());
  EXPECT_EQ(ReadFile(At("a")), "second");
  EXPECT_EQ(NamesIn(directory_.path()), std::vector<std::string>{"a"});
}

TEST_F(LocalStorageTest, WriteReplacesInOneStep) {
  ASSERT_TRUE(storage_->Write("a", "first").ok());
  const UniqueFd reader(open(At("a").c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_TRUE(storage_->Write("a", "other").ok());
  char text[5];
  ASSERT_EQ(pread(reader.get(), text, 5, 0), 5);
  EXPECT_EQ(std::string(text, 5), "first");  // whoever has the old one keeps it whole
}

TEST_F(LocalStorageTest, WriteGoesOverWhatADeadRunLeft) {
  WriteFile(At(".a.partial"), "half of something, and longer than what comes");
  ASSERT_TRUE(storage_->Write("a", "whole").ok());
  EXPECT_EQ(ReadFile(At("a")), "whole");
  EXPECT_EQ(NamesIn(directory_.path()), std::vector<std::string>{"a"});
}

TEST_F(LocalStorageTest, WriteLeavesTheFileOfALivingRunAlone) {
  WriteFile(At(".a.partial"), "of a run that lives");
  const UniqueFd other(open(At(".a.partial").c_str(), O_WRONLY | O_CLOEXEC));
  ASSERT_EQ(flock(other.get(), LOCK_EX), 0);
  EXPECT_FALSE(storage_->Write("a", "mine").ok());
  EXPECT_EQ(ReadFile(At(".a.partial")), "of a run that lives");
  EXPECT_FALSE(Exists(At("a")));
}

TEST_F(LocalStorageTest, WriteThatFailsLeavesNothing) {
  fs::create_directory(At("a"));  // rename(2) puts no file over a directory
  EXPECT_FALSE(storage_->Write("a", "text").ok());
  EXPECT_EQ(NamesIn(directory_.path()), std::vector<std::string>{"a"});
}

TEST_F(LocalStorageTest, RemovesNamesAndPassesOverMissingOnes) {
  WriteFile(At("a"), "");
  WriteFile(At("b"), "");
  WriteFile(At("c"), "");
  ASSERT_TRUE(storage_->Remove({"a", "none", "b"}).ok());
  EXPECT_EQ(NamesIn(directory_.path()), std::vector<std::string>{"c"});
}

TEST_F(LocalStorageTest, RemoveNamesWhatItCannotRemove) {
  fs::create_directory(At("directory"));
  const absl::Status status = storage_->Remove({"directory"});
  EXPECT_FALSE(status.ok());
  EXPECT_NE(std::string(status.message()).find(At("directory")), std::string::npos) << status;
}

TEST_F(LocalStorageTest, RemoveStaleRemovesPartialsOfDeadRuns) {
  WriteFile(At(".v_20200101_000000.tar.gz.partial"), "half");
  const std::vector<std::string> removed = RemoveStale("v");
  ASSERT_EQ(removed.size(), 1u);
  EXPECT_NE(removed[0].find("v_20200101_000000.tar.gz"), std::string::npos) << removed[0];
  EXPECT_TRUE(NamesIn(directory_.path()).empty());
}

TEST_F(LocalStorageTest, RemoveStaleRemovesPartialsOfReceiptsAndVerifications) {
  for (const char* ending : {"receipt.json", "verify.json"}) {
    WriteFile(At(std::string(".v_20200101_000000.tar.gz.") + ending + ".partial"), "half");
  }
  EXPECT_EQ(RemoveStale("v").size(), 2u);
  EXPECT_TRUE(NamesIn(directory_.path()).empty());
}

TEST_F(LocalStorageTest, RemoveStaleSparesPartialsOfLivingRuns) {
  WriteFile(At(".v_20200101_000000.tar.gz.partial"), "half");
  const UniqueFd writer(
      open(At(".v_20200101_000000.tar.gz.partial").c_str(), O_WRONLY | O_CLOEXEC));
  ASSERT_EQ(flock(writer.get(), LOCK_EX), 0);
  EXPECT_TRUE(RemoveStale("v").empty());
  EXPECT_TRUE(Exists(At(".v_20200101_000000.tar.gz.partial")));
}

TEST_F(LocalStorageTest, RemoveStaleSparesOtherNames) {
  const std::vector<std::string> others = {".partial",
                                           ".v_1",
                                           ".v_a_20200101_000000.tar.gz.partial",
                                           ".v_notes.csv.partial",
                                           ".w_20200101_000000.tar.gz.partial",
                                           "v_2.partial",
                                           "v_20200101_000000.tar.gz"};
  for (const std::string& name : others) WriteFile(At(name), "");
  EXPECT_TRUE(RemoveStale("v").empty());
  EXPECT_EQ(NamesIn(directory_.path()), others);
}

TEST_F(LocalStorageTest, RemoveStaleFollowsNoSymlink) {
  WriteFile(At("victim"), "precious");
  fs::create_symlink("victim", At(".v_20200101_000000.tar.gz.partial"));
  RemoveStale("v");
  EXPECT_EQ(ReadFile(At("victim")), "precious");
}

}  // namespace
}  // namespace volstream
