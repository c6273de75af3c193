// Spool: what a copy holds, the bound, the disk, and that nothing is left behind.
#include "stages/spool.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "stages/error_kind.h"
#include "tests/support/tree.h"

namespace volstream {
namespace {

ByteSpan BytesOf(const std::string& text) {
  return ByteSpan(reinterpret_cast<const uint8_t*>(text.data()), text.size());
}

std::string ReadBack(const SpoolFile& file, uint64_t offset, size_t count) {
  std::string text(count, '?');
  const absl::Status status =
      file.Read(offset, MutableByteSpan(reinterpret_cast<uint8_t*>(text.data()), count));
  EXPECT_TRUE(status.ok()) << status;
  return text;
}

std::string ReadWhole(const SpoolFile& file) { return ReadBack(file, 0, file.bytes()); }

SpoolOptions InMemory(uint64_t chunks) {
  return SpoolOptions{.memory_bytes = chunks * kSpoolChunkBytes, .disk_bytes = 0, .directory = ""};
}

SpoolOptions OnDisk(const std::string& directory, uint64_t memory_chunks, uint64_t disk_chunks) {
  return SpoolOptions{.memory_bytes = memory_chunks * kSpoolChunkBytes,
                      .disk_bytes = disk_chunks * kSpoolChunkBytes,
                      .directory = directory};
}

TEST(Spool, GivesBackWhatWasWritten) {
  TempDir directory;
  Spool spool(OnDisk(directory.path(), 2, 10));
  const std::string data = RandomBytes(1, 5 * kSpoolChunkBytes + 123);
  std::unique_ptr<SpoolFile> file = spool.NewFile();
  ASSERT_TRUE(file->Write(0, BytesOf(data)).ok());
  EXPECT_EQ(file->bytes(), data.size());
  EXPECT_EQ(ReadWhole(*file), data);
  EXPECT_EQ(ReadBack(*file, kSpoolChunkBytes - 5, 2 * kSpoolChunkBytes),
            data.substr(kSpoolChunkBytes - 5, 2 * kSpoolChunkBytes));
  EXPECT_EQ(spool.memory_bytes_used(), 2 * kSpoolChunkBytes);
  EXPECT_EQ(spool.disk_bytes_used(), 4 * kSpoolChunkBytes);
}

TEST(Spool, TakesWritesInAnyOrderAndOverOneAnother) {
  TempDir directory;
  Spool spool(OnDisk(directory.path(), 1, 10));
  std::unique_ptr<SpoolFile> file = spool.NewFile();
  ASSERT_TRUE(file->Write(3 * kSpoolChunkBytes, BytesOf("later")).ok());
  ASSERT_TRUE(file->Write(kSpoolChunkBytes - 2, BytesOf("across")).ok());
  ASSERT_TRUE(file->Write(kSpoolChunkBytes, BytesOf("RO")).ok());
  EXPECT_EQ(ReadBack(*file, kSpoolChunkBytes - 2, 6), "acROss");
  EXPECT_EQ(ReadBack(*file, 3 * kSpoolChunkBytes, 5), "later");
}

TEST(Spool, HolesReadAsZerosAndTakeNoSpace) {
  Spool spool(InMemory(1));
  std::unique_ptr<SpoolFile> file = spool.NewFile();
  ASSERT_TRUE(file->Write(100 * kSpoolChunkBytes, BytesOf("end")).ok());
  EXPECT_EQ(spool.bytes_left(), 0u);
  EXPECT_EQ(ReadBack(*file, 50 * kSpoolChunkBytes - 1, 100), std::string(100, '\0'));
  EXPECT_EQ(ReadBack(*file, 100 * kSpoolChunkBytes - 1, 4), std::string("\0end", 4));
}

TEST(Spool, ZerosTakeNoSpaceButOverwrite) {
  Spool spool(InMemory(1));
  std::unique_ptr<SpoolFile> file = spool.NewFile();
  ASSERT_TRUE(file->Write(0, BytesOf(std::string(20 * kSpoolChunkBytes, '\0'))).ok());
  EXPECT_EQ(file->bytes(), 20 * kSpoolChunkBytes);
  EXPECT_EQ(spool.memory_bytes_used(), 0u);
  ASSERT_TRUE(file->Write(5, BytesOf("abc")).ok());
  ASSERT_TRUE(file->Write(6, BytesOf(std::string(1, '\0'))).ok());
  EXPECT_EQ(ReadBack(*file, 5, 4), std::string("a\0c\0", 4));
}

TEST(Spool, RefusesToReadPastTheEnd) {
  Spool spool(InMemory(1));
  std::unique_ptr<SpoolFile> file = spool.NewFile();
  ASSERT_TRUE(file->Write(0, BytesOf("abc")).ok());
  uint8_t out[4];
  EXPECT_EQ(file->Read(0, out).code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(file->Read(UINT64_MAX, MutableByteSpan(out, 1)).code(), absl::StatusCode::kOutOfRange);
}

TEST(Spool, TruncateFreesAndZeroes) {
  TempDir directory;
  for (const uint64_t memory_chunks : {4, 0}) {
    Spool spool(OnDisk(directory.path(), memory_chunks, 4));
    std::unique_ptr<SpoolFile> file = spool.NewFile();
    ASSERT_TRUE(file->Write(0, BytesOf(std::string(3 * kSpoolChunkBytes, 'x'))).ok());
    ASSERT_TRUE(file->Truncate(10).ok());
    EXPECT_EQ(spool.memory_bytes_used() + spool.disk_bytes_used(), kSpoolChunkBytes);
    EXPECT_EQ(file->bytes(), 10u);
    ASSERT_TRUE(file->Write(20, BytesOf("y")).ok());
    EXPECT_EQ(ReadWhole(*file), std::string(10, 'x') + std::string(10, '\0') + "y");
  }
}

TEST(Spool, BoundHoldsForAllFilesTogetherAndIsGivenBack) {
  Spool spool(InMemory(3));
  std::unique_ptr<SpoolFile> first = spool.NewFile();
  std::unique_ptr<SpoolFile> second = spool.NewFile();
  ASSERT_TRUE(first->Write(0, BytesOf(std::string(2 * kSpoolChunkBytes, 'a'))).ok());
  const absl::Status status = second->Write(0, BytesOf(std::string(2 * kSpoolChunkBytes, 'b')));
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_NE(status.message().find("name a spool directory"), std::string::npos) << status;
  EXPECT_EQ(spool.bytes_left(), 0u);
  first.reset();
  EXPECT_EQ(spool.bytes_left(), 2 * kSpoolChunkBytes);
  ASSERT_TRUE(second->Write(0, BytesOf(std::string(3 * kSpoolChunkBytes, 'c'))).ok());
  second.reset();
  EXPECT_EQ(spool.bytes_left(), 3 * kSpoolChunkBytes);
}

TEST(Spool, BoundOfTheDiskHoldsToo) {
  TempDir directory;
  Spool spool(OnDisk(directory.path(), 1, 2));
  std::unique_ptr<SpoolFile> file = spool.NewFile();
  EXPECT_TRUE(file->Write(0, BytesOf(std::string(3 * kSpoolChunkBytes, 'a'))).ok());
  EXPECT_EQ(file->Write(3 * kSpoolChunkBytes, BytesOf("b")).code(),
            absl::StatusCode::kResourceExhausted);
  file.reset();
  EXPECT_EQ(spool.disk_bytes_used(), 0u);
  EXPECT_EQ(spool.memory_bytes_used(), 0u);
}

TEST(Spool, NeverHasANameInItsDirectory) {
  TempDir directory;
  Spool spool(OnDisk(directory.path(), 0, 10));
  std::unique_ptr<SpoolFile> file = spool.NewFile();
  ASSERT_TRUE(file->Write(0, BytesOf(std::string(2 * kSpoolChunkBytes, 'a'))).ok());
  EXPECT_EQ(NamesIn(directory.path()), std::vector<std::string>());
}

TEST(Spool, FullDiskIsAnErrorAndNotASignal) {
  TempDir directory;
  Spool spool(OnDisk(directory.path(), 0, 10));
  std::unique_ptr<SpoolFile> file = spool.NewFile();
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const sighandler_t handler = signal(SIGXFSZ, SIG_IGN);
  const rlimit limit{kSpoolChunkBytes + 100, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
  const absl::Status status = file->Write(0, BytesOf(std::string(3 * kSpoolChunkBytes, 'a')));
  setrlimit(RLIMIT_FSIZE, &before);
  signal(SIGXFSZ, handler);
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
  EXPECT_NE(status.message().find(directory.path()), std::string::npos) << status;
  file.reset();
  EXPECT_EQ(spool.disk_bytes_used(), 0u);
}

TEST(Spool, MissingDirectoryIsAnError) {
  TempDir directory;
  Spool spool(OnDisk(directory / "gone", 0, 10));
  std::unique_ptr<SpoolFile> file = spool.NewFile();
  EXPECT_EQ(file->Write(0, BytesOf("a")).code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(spool.disk_bytes_used(), 0u);
}

TEST(Spool, ManyThreadsReadOneFile) {
  TempDir directory;
  Spool spool(OnDisk(directory.path(), 8, 20));
  const std::string data = RandomBytes(2, 16 * kSpoolChunkBytes);
  std::unique_ptr<SpoolFile> file = spool.NewFile();
  ASSERT_TRUE(file->Write(0, BytesOf(data)).ok());
  std::vector<std::thread> threads;
  for (size_t number = 0; number < 4; ++number) {
    threads.emplace_back([&, number] {
      for (uint64_t offset = number * 1000; offset + 70'000 < data.size(); offset += 50'000) {
        EXPECT_TRUE(ReadBack(*file, offset, 70'000) == data.substr(offset, 70'000));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(Spool, ManyThreadsFillFilesWithinTheBound) {
  Spool spool(InMemory(20));
  std::vector<std::thread> threads;
  for (int number = 0; number < 4; ++number) {
    threads.emplace_back([&] {
      for (int round = 0; round < 20; ++round) {
        std::unique_ptr<SpoolFile> file = spool.NewFile();
        const absl::Status status = file->Write(0, BytesOf(std::string(9 * kSpoolChunkBytes, 'a')));
        EXPECT_LE(spool.memory_bytes_used(), 20 * kSpoolChunkBytes);
        EXPECT_TRUE(status.ok() || status.code() == absl::StatusCode::kResourceExhausted);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(spool.memory_bytes_used(), 0u);
}

TEST(CheckSpoolDirectory, AcceptsOneBesideTheVolume) {
  TempDir directory;
  std::filesystem::create_directories(directory / "volume");
  std::filesystem::create_directories(directory / "spool");
  const absl::Status status = CheckSpoolDirectory(directory / "spool", directory / "volume");
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(NamesIn(directory / "spool"), std::vector<std::string>());
}

TEST(CheckSpoolDirectory, RefusesTheVolumeAndWhatIsInside) {
  TempDir directory;
  std::filesystem::create_directories(directory / "volume/deep/spool");
  std::filesystem::create_directory_symlink(directory / "volume/deep", directory / "elsewhere");
  for (const char* path : {"volume", "volume/deep/spool", "elsewhere/spool", "elsewhere"}) {
    const absl::Status status = CheckSpoolDirectory(directory / path, directory / "volume");
    ASSERT_FALSE(status.ok()) << path;
    EXPECT_EQ(KindOf(status), ErrorKind::kPrerequisite);
    EXPECT_NE(status.message().find("inside the volume"), std::string::npos) << status;
  }
}

TEST(CheckSpoolDirectory, RefusesWhatCannotHoldFiles) {
  TempDir directory;
  std::filesystem::create_directory(directory / "volume");
  WriteFile(directory / "file", "");
  for (const std::string& path : {directory / "file", directory / "gone", std::string("/proc")}) {
    const absl::Status status = CheckSpoolDirectory(path, directory / "volume");
    ASSERT_FALSE(status.ok()) << path;
    EXPECT_EQ(KindOf(status), ErrorKind::kPrerequisite);
    EXPECT_NE(status.message().find(path), std::string::npos) << status;
  }
}

}  // namespace
}  // namespace volstream
