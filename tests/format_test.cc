// The archive is what docs/format.md says: a reader in Python, written from that text alone, reads
// its index, and readers of plain gzip see nothing of an index of many pages.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <vector>

#include "engine/bytes.h"
#include "tests/support/archive.h"
#include "tests/support/cli.h"
#include "tests/support/tree.h"

namespace volstream {
namespace {

class Format : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(mkdir(source_.c_str(), 0755), 0);
    ASSERT_EQ(mkdir(backups_.c_str(), 0755), 0);
  }
  // What the reader prints, by line.
  static std::vector<std::string> ReadIndex(const std::string& archive) {
    const CommandResult result = Command({"python3", VOLSTREAM_READ_INDEX, archive}).Run();
    EXPECT_EQ(result.exit_code, 0) << result;
    std::vector<std::string> lines;
    for (size_t at = 0; at < result.out.size();) {
      const size_t end = result.out.find('\n', at);
      lines.push_back(result.out.substr(at, end - at));
      at = end + 1;
    }
    return lines;
  }

  TempDir directory_;
  const std::string source_ = directory_ / "source";
  const std::string backups_ = directory_ / "backups";
};

TEST_F(Format, IsReadByWhoKnowsTheDocumentAlone) {
  TreeOptions options;
  options.incompressible_bytes = 3 * kMiB;
  options.rare_files = true;
  MakeTree(source_, options);
  const std::string archive = BackUp(source_, backups_);
  const nlohmann::json receipt = ReceiptOf(archive);
  EXPECT_EQ(ReadIndex(archive).size(), receipt["entries"].get<size_t>());
  EXPECT_GT(receipt["index_bytes"].get<size_t>(), 0u);
}

TEST_F(Format, IsWhatTheWorkedExampleShows) {
  WriteFile(source_ + "/a", "hello");
  const timespec time[2] = {{1754910988, 0}, {1754910988, 0}};
  ASSERT_EQ(utimensat(AT_FDCWD, (source_ + "/a").c_str(), time, 0), 0);
  ASSERT_EQ(utimensat(AT_FDCWD, source_.c_str(), time, 0), 0);
  const std::vector<std::string> lines = ReadIndex(BackUp(source_, backups_));
  const std::string owner = std::to_string(geteuid()) + " " + std::to_string(getegid());
  EXPECT_EQ(lines, (std::vector<std::string>{
                       "0 512 0 5 493 " + owner + " 0 1754910988000000000 \"\" \"\"",
                       "512 512 5 0 420 " + owner + " 5 1754910988000000000 \"a\" \"\""}));
}

TEST_F(Format, HidesAnIndexOfManyPagesFromReadersOfGzip) {
  for (int i = 0; i < 12'000; ++i) {
    // Names that do not compress, so that the pages are large.
    WriteFile(source_ + "/" + Md5Hex(std::to_string(i)), "");
  }
  const std::string archive = BackUp(source_, backups_, {"--level", "1"});
  EXPECT_GT(ReceiptOf(archive)["index_bytes"].get<size_t>(), 200'000u);
  const std::vector<std::string> names = ReadIndex(archive);
  EXPECT_EQ(names.size(), 12'001u);
  const CommandResult expected = Command({"gzip", "-dc", archive}).Run();
  ASSERT_EQ(expected.exit_code, 0) << expected;
  for (const std::vector<std::string>& reader : std::vector<std::vector<std::string>>{
           {"gzip", "-dc"},
           {"zcat"},
           {"pigz", "-dc"},
           {"busybox", "gunzip", "-c"},
           {"bsdcat"},
           {"7z", "x", "-so"},
           {"python3", "-c",
            "import gzip,shutil,sys; shutil.copyfileobj(gzip.open(sys.argv[1]), "
            "sys.stdout.buffer)"}}) {
    std::vector<std::string> argv = reader;
    argv.push_back(archive);
    const CommandResult result = Command(argv).Run();
    EXPECT_EQ(result.exit_code, 0) << reader[0];
    EXPECT_EQ(result.err, "") << reader[0];
    EXPECT_TRUE(result.out == expected.out) << reader[0];
  }
}

TEST_F(Format, IndexesTarsThatComeAsStreams) {
  MakeTree(source_);
  for (const std::string format : {"gnu", "pax"}) {
    ASSERT_EQ(Command({"tar", "-C", source_, "--format=" + format, "-cf", directory_ / "tar", "."})
                  .Run()
                  .exit_code,
              0);
    const CommandResult result = Volstream({"backup", "-", "--to", backups_, "--name", format})
                                     .StdinFrom(directory_ / "tar")
                                     .Run();
    ASSERT_EQ(result.exit_code, 0) << result;
  }
  const Tree tree = SnapshotTree(source_);
  for (const std::string& archive : ArchivesIn(backups_)) {
    EXPECT_EQ(ReadIndex(backups_ + "/" + archive).size(), tree.size()) << archive;
  }
}

TEST_F(Format, IndexesAStreamThatIsNoTarByItsMembers) {
  const std::string data = RandomBytes(1, 3 * kMiB);
  WriteFile(directory_ / "data", data);
  const CommandResult result = Volstream({"backup", "-", "--to", backups_, "--name", "x"})
                                   .StdinFrom(directory_ / "data")
                                   .Run();
  ASSERT_EQ(result.exit_code, 0) << result;
  const std::vector<std::string> names = NamesIn(backups_);
  const auto archive = std::find_if(names.begin(), names.end(),
                                    [](const std::string& name) { return name.ends_with(".gz"); });
  ASSERT_NE(archive, names.end());
  EXPECT_TRUE(ReadIndex(backups_ + "/" + *archive).empty());
}

}  // namespace
}  // namespace volstream
