// All that a volume can hold comes back: a tree of every rare thing, restored by three readers, as
// root and as an ordinary user, and what lesser readers make of it.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "tests/support/archive.h"
#include "tests/support/attributes.h"
#include "tests/support/cli.h"
#include "tests/support/guards.h"
#include "tests/support/tree.h"

namespace volstream {
namespace {

namespace fs = std::filesystem;

// A socket in `directory`, bound by a relative name, as paths of sockets are short.
void MakeSocket(const std::string& directory, const std::string& name) {
  const fs::path before = fs::current_path();
  fs::current_path(directory);
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  name.copy(address.sun_path, sizeof(address.sun_path) - 1);
  ASSERT_EQ(bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  close(fd);
  fs::current_path(before);
}

enum class Reader { kGnuTar, kBsdtar, kVolstream };

struct Case {
  const char* name;
  Reader reader;
  bool as_root;
};

void PrintTo(const Case& value, std::ostream* out) { *out << value.name; }

// One source and its archive, for root and for nobody.
struct Source {
  explicit Source(bool as_root) {
    fs::create_directory(directory / "volume");
    fs::create_directory(directory / "backups");
    std::optional<AsNobody> nobody;
    if (!as_root && geteuid() == 0) {
      for (const char* name : {"volume", "backups"}) {
        EXPECT_EQ(chown((directory / name).c_str(), kNobody, kNobody), 0);
      }
      nobody.emplace();
    }
    TreeOptions options;
    options.rare_files = true;
    MakeTree(directory / "volume", options);
    fs::create_directory(directory / "volume/empty-but-a-socket");
    MakeSocket(directory / "volume/empty-but-a-socket", "socket");
    nobody.reset();
    const ImmutableFlag immutable(directory / "volume/rare/immutable");
    Command command = Volstream({"backup", directory / "volume", "--to", directory / "backups"});
    if (!as_root && geteuid() == 0) command.RunAs(kNobody, kNobody);
    backup = command.Run();
    tree = SnapshotTree(directory / "volume");
    tree.erase("empty-but-a-socket/socket");
    const std::vector<std::string> archives = ArchivesIn(directory / "backups");
    if (!archives.empty()) archive = directory / ("backups/" + archives[0]);
  }

  TempDir directory;
  CommandResult backup;
  std::string archive;
  Tree tree;  // what is to come back
};

class Fidelity : public ::testing::TestWithParam<Case> {
 protected:
  static void TearDownTestSuite() {
    root_source_.reset();
    nobody_source_.reset();
  }

  static Source& SourceFor(bool as_root) {
    std::unique_ptr<Source>& source = as_root ? root_source_ : nobody_source_;
    if (source == nullptr) source = std::make_unique<Source>(as_root);
    return *source;
  }

  void SetUp() override {
    if (GetParam().as_root && geteuid() != 0) GTEST_SKIP() << "NOT TESTED: needs root";
    ASSERT_EQ(mkdir(target_.c_str(), 0755), 0);
    if (!GetParam().as_root && geteuid() == 0) {
      ASSERT_EQ(chown(target_.c_str(), kNobody, kNobody), 0);
    }
  }

  CommandResult Restore(const std::string& archive) {
    const auto command = [&]() -> Command {
      switch (GetParam().reader) {
        case Reader::kGnuTar:
          // The tree has times before 1970 and in the future on purpose.
          return Command({"tar", "--xattrs", "--xattrs-include=*", "--acls", "--numeric-owner",
                          "--warning=no-timestamp", "-xpzf", archive, "-C", target_});
        case Reader::kBsdtar:
          return Command({"bsdtar", "--numeric-owner", "-xpf", archive, "-C", target_});
        default:
          return Volstream({"restore", archive, target_, "--quiet"});
      }
    };
    Command restore = command();
    if (!GetParam().as_root && geteuid() == 0) restore.RunAs(kNobody, kNobody);
    return restore.Run();
  }

  // What the reader is known not to give back.
  static DiffOptions Known(Reader reader) {
    DiffOptions options;
    if (reader == Reader::kBsdtar) {
      // It sets no time on the directory that it extracts into.
      options.root_mtime = false;
      // It leaves names as they are in the archive, where GNU tar's encoding is.
      options.other_attributes = {"user.a=b", "user.c%d", "user.a%3Db", "user.c%25d"};
    }
    return options;
  }

  static inline std::unique_ptr<Source> root_source_;
  static inline std::unique_ptr<Source> nobody_source_;
  TempDir directory_;
  const std::string target_ = directory_ / "target";
};

TEST_P(Fidelity, EverythingComesBack) {
  Source& source = SourceFor(GetParam().as_root);
  ASSERT_NE(source.archive, "") << source.backup;
  const CommandResult result = Restore(source.archive);
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(result.err, "");
  EXPECT_EQ(DiffTrees(source.tree, SnapshotTree(target_), Known(GetParam().reader)), "");
}

TEST_P(Fidelity, TheBackupSaidNothingButOfTheSocket) {
  Source& source = SourceFor(GetParam().as_root);
  EXPECT_EQ(source.backup.exit_code, 0) << source.backup;
  ASSERT_NE(source.archive, "");
  const nlohmann::json receipt = ReceiptOf(source.archive);
  ASSERT_EQ(receipt["warnings"].size(), 1u) << receipt;
  EXPECT_NE(
      receipt["warnings"][0].get<std::string>().find("empty-but-a-socket/socket: is a socket"),
      std::string::npos)
      << receipt;
}

TEST_P(Fidelity, TheArchiveIsAsLargeAsTheDataAndNotAsTheHoles) {
  Source& source = SourceFor(GetParam().as_root);
  ASSERT_NE(source.archive, "");
  if (source.tree.at("rare/holes/all").data.size() > 0) GTEST_SKIP() << "NOT TESTED: no holes here";
  EXPECT_LT(ReceiptOf(source.archive).value("tar_bytes", uint64_t{0}), 64 * uint64_t{1'000'000});
}

INSTANTIATE_TEST_SUITE_P(By, Fidelity,
                         ::testing::Values(Case{"GnuTarAsRoot", Reader::kGnuTar, true},
                                           Case{"BsdtarAsRoot", Reader::kBsdtar, true},
                                           Case{"VolstreamAsRoot", Reader::kVolstream, true},
                                           Case{"GnuTarAsUser", Reader::kGnuTar, false},
                                           Case{"BsdtarAsUser", Reader::kBsdtar, false},
                                           Case{"VolstreamAsUser", Reader::kVolstream, false}),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace volstream
