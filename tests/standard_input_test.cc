// `volstream backup -`: a tar stream or any other on standard input, and what comes back of it.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "engine/bytes.h"
#include "stages/beneath.h"
#include "tests/support/archive.h"
#include "tests/support/cli.h"
#include "tests/support/tree.h"

namespace volstream {
namespace {

namespace fs = std::filesystem;

class StandardInput : public ::testing::Test {
 protected:
  void SetUp() override { fs::create_directory(backups_); }

  CommandResult BackUpFrom(const std::string& path, const std::vector<std::string>& extra = {}) {
    return BackupCommand(extra).StdinFrom(path).Run();
  }
  Command BackupCommand(const std::vector<std::string>& extra = {}) {
    Command command = Volstream({"backup", "-", "--to", backups_, "--name", "in"});
    for (const std::string& argument : extra) command.Arg(argument);
    return command;
  }

  // A tar that GNU tar made of a tree, and the tree's path.
  std::string MakeTar(const std::string& tree) {
    MakeTree(tree);
    const std::string tar = directory_ / "input.tar";
    EXPECT_EQ(Command({"tar", "--format=pax", "-cf", tar, "-C", tree, "."}).Run().exit_code, 0);
    return tar;
  }
  // Of the one archive.
  std::string OnlyArchive() {
    const std::vector<std::string> names = NamesIn(backups_);
    EXPECT_EQ(names.size(), 2u) << ::testing::PrintToString(names);
    return names.empty() ? "" : backups_ + "/" + names[0];
  }

  TempDir directory_;
  const std::string backups_ = directory_ / "backups";
};

TEST_F(StandardInput, ATarIsStoredAsItIs) {
  const std::string tar = MakeTar(directory_ / "tree");
  const CommandResult result = BackUpFrom(tar);
  ASSERT_EQ(result.exit_code, 0) << result;
  const std::string archive = OnlyArchive();
  EXPECT_TRUE(archive.ends_with(".tar.gz")) << archive;
  EXPECT_TRUE(fs::path(archive).filename().string().starts_with("in_")) << archive;
  const CommandResult plain = Command({"gzip", "-dc", archive}).Run();
  EXPECT_TRUE(plain.out == ReadFile(tar));
  EXPECT_EQ(ReceiptOf(archive)["source"], "standard input");
}

TEST_F(StandardInput, ATarIsRestoredAsATree) {
  const std::string tree = directory_ / "tree";
  ASSERT_EQ(BackUpFrom(MakeTar(tree)).exit_code, 0);
  const CommandResult result =
      Volstream({"restore", backups_ + "/latest", directory_ / "restored"}).Run();
  ASSERT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(DiffTrees(SnapshotTree(tree), SnapshotTree(directory_ / "restored")), "");
}

// With -S and GNU's own format: a file of many holes has a map that no size counts.
TEST_F(StandardInput, ASparseTarIsStoredAndRestored) {
  const std::string tree = directory_ / "tree";
  fs::create_directory(tree);
  {
    const UniqueFd file(open((tree + "/holes").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
    for (off_t i = 0; i < 100; ++i) {
      ASSERT_EQ(pwrite(file.get(), "data", 4, i * 128 * 1024), 4);
    }
  }
  WriteFile(tree + "/other", "contents");
  const std::string tar = directory_ / "sparse.tar";
  ASSERT_EQ(Command({"tar", "-cSf", tar, "-C", tree, "."}).Run().exit_code, 0);
  ASSERT_LT(fs::file_size(tar), kMiB);
  const CommandResult result = BackUpFrom(tar);
  ASSERT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(ReceiptOf(OnlyArchive())["entries"], 3);
  ASSERT_EQ(Volstream({"restore", backups_ + "/latest", directory_ / "restored"}).Run().exit_code,
            0);
  EXPECT_TRUE(ReadFile(directory_ / "restored/holes") == ReadFile(tree + "/holes"));
  EXPECT_EQ(ReadFile(directory_ / "restored/other"), "contents");
}

TEST_F(StandardInput, AnyOtherStreamBecomesAGz) {
  const std::string path = directory_ / "dump";
  const std::string contents = RandomBytes(1, 2 * kMiB + 77) + std::string(kMiB, 'x');
  WriteFile(path, contents);
  const CommandResult result = BackUpFrom(path);
  ASSERT_EQ(result.exit_code, 0) << result;
  const std::string archive = OnlyArchive();
  EXPECT_FALSE(archive.ends_with(".tar.gz")) << archive;
  EXPECT_TRUE(archive.ends_with(".gz")) << archive;
  EXPECT_TRUE(Command({"gzip", "-dc", archive}).Run().out == contents);
  // Listed as proven, like any other.
  const CommandResult list = Volstream({"list", backups_}).Run();
  EXPECT_NE(list.out.find(fs::path(archive).filename().string()), std::string::npos) << list;
  EXPECT_EQ(list.out.find("unproven"), std::string::npos) << list;
}

TEST_F(StandardInput, AGzIsRestoredAsOneFileOfItsName) {
  const std::string path = directory_ / "dump";
  const std::string contents = RandomBytes(2, kMiB + 1);
  WriteFile(path, contents);
  ASSERT_EQ(BackUpFrom(path).exit_code, 0);
  const std::string target = directory_ / "restored";
  const CommandResult result = Volstream({"restore", backups_ + "/latest", target}).Run();
  ASSERT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(NamesIn(target), std::vector<std::string>{"in"});
  EXPECT_TRUE(ReadFile(target + "/in") == contents);
  // Not over a file that is there, unless that is asked for.
  ExpectOneError(Volstream({"restore", backups_ + "/latest", target}).Run(), kExitGeneral,
                 {"not empty", "--overwrite"});
  WriteFile(target + "/in", "old");
  ASSERT_EQ(
      Volstream({"restore", backups_ + "/latest", target, "--overwrite", "always"}).Run().exit_code,
      0);
  EXPECT_TRUE(ReadFile(target + "/in") == contents);
}

TEST_F(StandardInput, ADamagedGzLeavesNoFile) {
  const std::string path = directory_ / "dump";
  WriteFile(path, RandomBytes(3, kMiB));
  ASSERT_EQ(BackUpFrom(path).exit_code, 0);
  const std::string archive = OnlyArchive();
  std::string bytes = ReadFile(archive);
  bytes[bytes.size() / 2] ^= 1;
  WriteFile(archive, bytes);
  const std::string target = directory_ / "restored";
  const CommandResult result = Volstream({"restore", archive, target}).Run();
  EXPECT_EQ(result.exit_code, kExitIntegrity) << result;
  EXPECT_EQ(NamesIn(target), std::vector<std::string>{});
}

TEST_F(StandardInput, ATarThatIsCutShortIsNoBackup) {
  const std::string tar = ReadFile(MakeTar(directory_ / "tree"));
  for (const size_t bytes : {tar.size() - 10'240, tar.size() / 2, size_t{5'000}}) {
    const std::string path = directory_ / "cut.tar";
    WriteFile(path, tar.substr(0, bytes));
    ExpectOneError(BackUpFrom(path), kExitIntegrity,
                   {"standard input", "cut short", "command before the pipe"});
    EXPECT_EQ(NamesIn(backups_), std::vector<std::string>{}) << bytes;
  }
}

TEST_F(StandardInput, AnEmptyStreamIsNoBackup) {
  ExpectOneError(BackUpFrom("/dev/null"), kExitGeneral, {"standard input", "no bytes", "pipe"});
  EXPECT_EQ(NamesIn(backups_), std::vector<std::string>{});
}

TEST_F(StandardInput, StreamsOfAFewBytesAreStored) {
  const std::string path = directory_ / "dump";
  for (const std::string& contents :
       {std::string("x"), std::string(511, '\0'), std::string(512, '\0'), std::string(513, 'y')}) {
    WriteFile(path, contents);
    ASSERT_EQ(BackUpFrom(path).exit_code, 0);
    const std::string archive = OnlyArchive();
    EXPECT_TRUE(Command({"gzip", "-dc", archive}).Run().out == contents);
    for (const std::string& name : NamesIn(backups_)) fs::remove(backups_ + "/" + name);
  }
}

TEST_F(StandardInput, AnInterruptEndsTheWaitForAPipe) {
  const std::string fifo = directory_ / "fifo";
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  // Both ends, so that the command's end opens at once and never sees the end of the stream.
  const UniqueFd writer(open(fifo.c_str(), O_RDWR | O_CLOEXEC));
  const std::string first = RandomBytes(4, 10'000);
  ASSERT_EQ(write(writer.get(), first.data(), first.size()), ssize_t{10'000});
  Command command = BackupCommand();
  command.StdinFrom(fifo);
  command.Start();
  ASSERT_TRUE(command.WaitForStderr("standard input is no tar stream"));
  command.Signal(SIGINT);
  const CommandResult result = command.Wait();
  EXPECT_EQ(result.exit_code, kExitInterrupted) << result;
  EXPECT_EQ(NamesIn(backups_), std::vector<std::string>{});
}

TEST_F(StandardInput, NeedsAName) {
  WriteFile(directory_ / "dump", "some bytes");
  ExpectOneError(Volstream({"backup", "-", "--to", backups_}).StdinFrom(directory_ / "dump").Run(),
                 kExitGeneral, {"standard input", "--name"});
  EXPECT_EQ(NamesIn(backups_), std::vector<std::string>{});
}

TEST_F(StandardInput, HooksHearWhatItIs) {
  WriteFile(directory_ / "dump", "some bytes");
  const CommandResult result =
      BackUpFrom(directory_ / "dump", {"--pre-hook", "echo \"source: $VOLSTREAM_SOURCE.\""});
  ASSERT_EQ(result.exit_code, 0) << result;
  EXPECT_NE(result.err.find("source: standard input."), std::string::npos) << result;
}

TEST_F(StandardInput, OptionsForDirectoriesAreRefused) {
  WriteFile(directory_ / "dump", "some bytes");
  for (const std::vector<std::string>& option : std::vector<std::vector<std::string>>{
           {"--exclude", "x"}, {"-x"}, {"--sqlite", "backup"}, {"--no-sparse"}}) {
    const CommandResult result = BackUpFrom(directory_ / "dump", option);
    EXPECT_EQ(result.exit_code, kExitGeneral) << result;
    EXPECT_NE(result.err.find("comes as a stream"), std::string::npos) << result;
  }
  EXPECT_EQ(NamesIn(backups_), std::vector<std::string>{});
}

TEST_F(StandardInput, AVolumeOfTheSameNameIsAnotherSeries) {
  WriteFile(directory_ / "dump", "some bytes");
  ASSERT_EQ(BackUpFrom(directory_ / "dump", {"--keep-last", "1"}).exit_code, 0);
  MakeTree(directory_ / "tree");
  ASSERT_EQ(Volstream({"backup", directory_ / "tree", "--to", backups_, "--name", "in",
                       "--keep-last", "1"})
                .Run()
                .exit_code,
            0);
  EXPECT_EQ(NamesIn(backups_).size(), 4u);
  ExpectOneError(
      Volstream({"restore", backups_ + "/latest", directory_ / "r", "--name", "in"}).Run(),
      kExitGeneral, {"several", "archive itself"});
}

TEST_F(StandardInput, ADumpOfSomebodyElseIsNeverRemoved) {
  const std::string foreign = backups_ + "/in_20200101_000000.gz";
  WriteFile(foreign, "not ours");
  WriteFile(directory_ / "dump", "some bytes");
  for (int i = 0; i < 2; ++i) {
    ASSERT_EQ(BackUpFrom(directory_ / "dump", {"--keep-last", "1"}).exit_code, 0);
  }
  EXPECT_TRUE(Exists(foreign));
}

TEST_F(StandardInput, RetentionCountsStreamsOfOneName) {
  WriteFile(directory_ / "dump", "some bytes");
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(BackUpFrom(directory_ / "dump", {"--keep-last", "2"}).exit_code, 0);
  }
  size_t archives = 0;
  for (const std::string& name : NamesIn(backups_)) archives += name.ends_with(".gz") ? 1 : 0;
  EXPECT_EQ(archives, 2u);
}

TEST_F(StandardInput, AnArchiveWithANameLongerThanAnyIsStoredWithoutAnIndex) {
  const std::string tar = directory_ / "tar";
  const std::string make =
      "import sys, tarfile\n"
      "t = tarfile.open(sys.argv[1], 'w', format=tarfile.PAX_FORMAT)\n"
      "t.addfile(tarfile.TarInfo('a'))\n"
      "t.addfile(tarfile.TarInfo('n/' * 700000 + 'x'))\n"
      "t.close()\n";
  ASSERT_EQ(Command({"python3", "-c", make, tar}).Run().exit_code, 0);
  const CommandResult result =
      Volstream({"backup", "-", "--to", backups_, "--name", "in"}).StdinFrom(tar).Run();
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_NE(result.err.find("no index"), std::string::npos) << result;
  const nlohmann::json receipt = ReceiptOf(backups_ + "/" + ArchivesIn(backups_).at(0));
  EXPECT_EQ(receipt["index_bytes"], 0);
  EXPECT_EQ(receipt["entries"], 2);
}

}  // namespace
}  // namespace volstream
