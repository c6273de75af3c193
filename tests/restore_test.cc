// `volstream restore` from directories: the tree comes back; damage and hostile archives do not
// get through. Restore from S3 is in backup_s3_test.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "engine/bytes.h"
#include "tests/support/archive.h"
#include "tests/support/cli.h"
#include "tests/support/tree.h"

namespace volstream {
namespace {

class Restore : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    shared_ = new TempDir();
    ASSERT_EQ(mkdir((*shared_ / "backups").c_str(), 0755), 0);
    TreeOptions options;
    options.incompressible_bytes = 6 * kMiB;
    MakeTree(*shared_ / "volume", options);
    archive_ = BackUp(*shared_ / "volume", *shared_ / "backups");
  }
  static void TearDownTestSuite() { delete shared_; }
  void SetUp() override { ASSERT_NE(archive_, ""); }

  static std::string Backups() { return *shared_ / "backups"; }
  static Tree SourceTree() { return SnapshotTree(*shared_ / "volume"); }

  // Restores into target_, which is not there yet.
  CommandResult RestoreFrom(const std::string& archive) {
    return Volstream({"restore", archive, target_}).Run();
  }

  // A copy of the archive, without its receipt, whose bytes `change` may alter.
  template <typename Change>
  std::string ChangedCopy(Change change) {
    std::string bytes = ReadFile(archive_);
    change(bytes);
    const std::string copy = directory_ / "volume_20200101_000000.tar.gz";
    WriteFile(copy, bytes);
    return copy;
  }

  // A foreign .tar.gz written by Python code that fills `tar`; `add(name, **fields)` adds an entry.
  std::string PythonTar(const std::string& code) {
    const std::string path = directory_ / "hostile.tar.gz";
    const std::string prelude =
        "import io, sys, tarfile\n"
        "tar = tarfile.open(sys.argv[1], 'w:gz')\n"
        "def add(name, data=None, **fields):\n"
        "    info = tarfile.TarInfo(name)\n"
        "    info.mode = 0o755\n"
        "    for key, value in fields.items(): setattr(info, key, value)\n"
        "    if data is not None: info.size = len(data)\n"
        "    tar.addfile(info, io.BytesIO(data or b''))\n";
    const CommandResult result =
        Command({"python3", "-c", prelude + code + "\ntar.close()", path, directory_.path()}).Run();
    EXPECT_EQ(result.exit_code, 0) << result;
    return path;
  }

  // Nothing came to be beside the target, and the bystander is as it was.
  void ExpectNothingOutside(const CommandResult& result) {
    EXPECT_EQ(ReadFile(directory_ / "outside/victim"), "untouched") << result;
    EXPECT_EQ(NamesIn(directory_ / "outside"), std::vector<std::string>{"victim"}) << result;
    for (const std::string& name : NamesIn(directory_.path())) {
      EXPECT_TRUE(name == "outside" || name == "target" || name == "hostile.tar.gz") << name;
    }
  }

  void MakeBystander() {
    ASSERT_EQ(mkdir((directory_ / "outside").c_str(), 0755), 0);
    WriteFile(directory_ / "outside/victim", "untouched");
  }

  static inline TempDir* shared_ = nullptr;
  static inline std::string archive_;
  TempDir directory_;
  const std::string target_ = directory_ / "target";
};

TEST_F(Restore, GivesBackTheTreeFromAPath) {
  const CommandResult result = RestoreFrom(archive_);
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(DiffTrees(SourceTree(), SnapshotTree(target_)), "");
}

TEST_F(Restore, GivesBackTheTreeIntoAnEmptyDirectory) {
  ASSERT_EQ(mkdir(target_.c_str(), 0700), 0);
  const CommandResult result = RestoreFrom(archive_);
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(DiffTrees(SourceTree(), SnapshotTree(target_)), "");
}

TEST_F(Restore, LatestIsTheNewestProvenBackup) {
  const std::string backups = directory_ / "backups";
  std::filesystem::copy(Backups(), backups);
  const std::string archive = backups + "/" + ArchivesIn(backups).at(0);
  // A newer one that is not proven, an older one that is.
  const std::string newer = CopyAsBackupOf(archive, "20990101_000000");
  ASSERT_EQ(unlink((backups + "/" + newer + ".receipt.json").c_str()), 0);
  WriteFile(backups + "/" + newer, "half of an archive");
  CopyAsBackupOf(archive, "20200101_000000");
  const CommandResult result = RestoreFrom(backups + "/latest");
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_NE(result.err.find(ReceiptOf(archive).value("archive", "?")), std::string::npos) << result;
  EXPECT_EQ(DiffTrees(SourceTree(), SnapshotTree(target_)), "");
}

TEST_F(Restore, LatestOfNothingIsAnError) {
  const std::string backups = directory_ / "backups";
  ASSERT_EQ(mkdir(backups.c_str(), 0755), 0);
  ExpectOneError(RestoreFrom(backups + "/latest"), kExitGeneral, {backups});
  EXPECT_FALSE(Exists(target_));
}

TEST_F(Restore, GivesBackAnArchiveMadeByGnuTarAndGzip) {
  const std::string foreign = directory_ / "foreign.tar.gz";
  const CommandResult tar = Command({"tar", "--create", "--gzip", "--format=pax", "--file", foreign,
                                     "--directory", *shared_ / "volume", "."})
                                .Run();
  ASSERT_EQ(tar.exit_code, 0) << tar;
  const CommandResult result = RestoreFrom(foreign);
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(DiffTrees(SourceTree(), SnapshotTree(target_)), "");
}

TEST_F(Restore, AnArchiveThatIsNotThereIsNamed) {
  const std::string missing = Backups() + "/volume_20000101_000000.tar.gz";
  ExpectOneError(RestoreFrom(missing), kExitGeneral, {missing});
  EXPECT_FALSE(Exists(target_));
}

TEST_F(Restore, ATruncatedArchiveIsAnIntegrityFailure) {
  const std::string copy = ChangedCopy([](std::string& bytes) { bytes.resize(bytes.size() / 2); });
  ExpectOneError(RestoreFrom(copy), kExitIntegrity, {copy});
}

TEST_F(Restore, AnArchiveCutBetweenMembersIsAnIntegrityFailure) {
  const std::string copy = ChangedCopy([](std::string& bytes) {
    const std::vector<GzipMember> members = WalkMembers(bytes).members;
    bytes.resize(members[members.size() / 2].offset);
  });
  ExpectOneError(RestoreFrom(copy), kExitIntegrity, {copy});
}

TEST_F(Restore, AFlippedBitIsAnIntegrityFailure) {
  const std::string copy = ChangedCopy([](std::string& bytes) { bytes[bytes.size() / 2] ^= 0x10; });
  ExpectOneError(RestoreFrom(copy), kExitIntegrity, {copy});
}

TEST_F(Restore, AFlippedBitIsFoundByTheReceiptAsWell) {
  const std::string backups = directory_ / "backups";
  std::filesystem::copy(Backups(), backups);
  const std::string archive = backups + "/" + ArchivesIn(backups).at(0);
  std::string bytes = ReadFile(archive);
  bytes[bytes.size() / 2] ^= 0x10;
  WriteFile(archive, bytes);
  ExpectOneError(RestoreFrom(archive), kExitIntegrity, {archive});
}

TEST_F(Restore, ADamagedHeaderIsAnIntegrityFailure) {
  const std::string copy = ChangedCopy([](std::string& bytes) { bytes[0] ^= 0x01; });
  ExpectOneError(RestoreFrom(copy), kExitIntegrity, {copy});
}

// The bytes are a valid archive, only not the one that the receipt speaks of.
TEST_F(Restore, AnArchiveThatIsNotItsReceiptsIsAnIntegrityFailure) {
  const std::string backups = directory_ / "backups";
  std::filesystem::copy(Backups(), backups);
  const std::string archive = backups + "/" + ArchivesIn(backups).at(0);
  const std::string other = directory_ / "other";
  ASSERT_EQ(mkdir(other.c_str(), 0755), 0);
  WriteFile(other + "/file", "another tree");
  ASSERT_EQ(Command({"tar", "-czf", archive, "-C", other, "."}).Run().exit_code, 0);
  ExpectOneError(RestoreFrom(archive), kExitIntegrity, {archive});
}

TEST_F(Restore, ATargetThatIsNotEmptyIsRefused) {
  ASSERT_EQ(mkdir(target_.c_str(), 0755), 0);
  WriteFile(target_ + "/mine", "mine");
  ExpectOneError(RestoreFrom(archive_), kExitGeneral, {target_, "empty"});
  EXPECT_EQ(NamesIn(target_), std::vector<std::string>{"mine"});
}

TEST_F(Restore, ATargetThatIsAFileIsRefused) {
  WriteFile(target_, "mine");
  ExpectOneError(RestoreFrom(archive_), kExitGeneral, {target_});
  EXPECT_EQ(ReadFile(target_), "mine");
}

TEST_F(Restore, ATargetThatCannotBeMadeIsRefused) {
  WriteFile(directory_ / "file", "mine");
  const std::string under = directory_ / "file/target";
  ExpectOneError(Volstream({"restore", archive_, under}).Run(), kExitGeneral, {under});
}

TEST_F(Restore, NamesWithDotDotWriteNothingOutside) {
  MakeBystander();
  const std::string hostile = PythonTar(
      "add('good', b'good')\n"
      "add('../outside/victim', b'overwritten')\n"
      "add('a/../../outside/new', b'new')\n"
      "add('../beside', b'new')\n");
  const CommandResult result = RestoreFrom(hostile);
  EXPECT_NE(result.exit_code, 0) << result;
  ExpectNothingOutside(result);
}

TEST_F(Restore, AbsoluteNamesWriteNothingOutside) {
  MakeBystander();
  const std::string hostile = PythonTar(
      "root = sys.argv[2]\n"
      "add(root + '/outside/victim', b'overwritten')\n"
      "add(root + '/outside/new', b'new')\n");
  ExpectNothingOutside(RestoreFrom(hostile));
}

TEST_F(Restore, NothingIsWrittenThroughASymlink) {
  MakeBystander();
  const std::string hostile = PythonTar(
      "root = sys.argv[2]\n"
      "add('out', type=tarfile.SYMTYPE, linkname=root + '/outside')\n"
      "add('up', type=tarfile.SYMTYPE, linkname='../outside')\n"
      "add('out/victim', b'overwritten')\n"
      "add('up/new', b'new')\n"
      "add('out/sub', type=tarfile.DIRTYPE)\n"
      "add('file', type=tarfile.SYMTYPE, linkname=root + '/outside/victim')\n"
      "add('file', b'overwritten')\n");
  ExpectNothingOutside(RestoreFrom(hostile));
}

TEST_F(Restore, HardLinksReachNothingOutside) {
  MakeBystander();
  const std::string hostile = PythonTar(
      "root = sys.argv[2]\n"
      "add('stolen', type=tarfile.LNKTYPE, linkname=root + '/outside/victim')\n"
      "add('stolen', b'overwritten')\n"
      "add('up', type=tarfile.LNKTYPE, linkname='../outside/victim')\n"
      "add('up', b'overwritten')\n");
  ExpectNothingOutside(RestoreFrom(hostile));
  struct stat info;
  ASSERT_EQ(stat((directory_ / "outside/victim").c_str(), &info), 0);
  EXPECT_EQ(info.st_nlink, 1u);
}

// Modes and times of directories are set last, when a symlink may stand in their place.
TEST_F(Restore, LateDirectoryAttributesTouchNothingOutside) {
  MakeBystander();
  ASSERT_EQ(chmod((directory_ / "outside").c_str(), 0755), 0);
  const std::string hostile = PythonTar(
      "root = sys.argv[2]\n"
      "add('d', type=tarfile.DIRTYPE, mode=0o777, mtime=1)\n"
      "add('d', type=tarfile.SYMTYPE, linkname=root + '/outside')\n");
  ExpectNothingOutside(RestoreFrom(hostile));
  const TreeNode outside = SnapshotTree(directory_ / "outside").at(".");
  EXPECT_EQ(outside.mode, 0755u);
  EXPECT_NE(outside.mtime_ns, 1'000'000'000);
}

}  // namespace
}  // namespace volstream
