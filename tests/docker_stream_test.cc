// A volume through the engine: which container it is read through, and streams that break.
#include "stages/docker_stream.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "stages/error_kind.h"
#include "stages/tar_header.h"
#include "tests/support/fake_docker.h"

namespace volstream {
namespace {

std::string Tar(const std::vector<std::string>& files = {std::string(2000, 'x')}) {
  std::string tar;
  for (const std::string& data : files) {
    TarEntry entry;
    entry.path = "./file";
    entry.bytes = data.size();
    tar += TarHeaderOf(entry) + data;
    tar.resize(TarPadded(tar.size()));
  }
  return tar + std::string(kTarEndBytes, '\0');
}

class DockerStreamTest : public ::testing::Test {
 protected:
  FakeReply Serve(const std::string& line) {
    if (line.find("/archive?") != std::string::npos) return archive_;
    if (line == "GET /images/json") return {200, images_};
    if (line == "POST /containers/create") {
      if (refusals_-- > 0) return {400, R"({"message":"wrong platform"})"};
      return {201, R"({"Id":"reader"})"};
    }
    if (line == "GET /containers/reader/json" || line == "GET /containers/old/json") {
      return {inspection_status_, InspectionOf(reader_)};
    }
    for (const DockerContainer& user : source_.users) {
      if (line == "GET /containers/" + user.id + "/json") return {200, InspectionOf(user)};
    }
    return {204};
  }

  absl::StatusOr<std::string> ReadAll() {
    const auto client = fake_.Connect();
    DockerStream stream(client.get(), source_, held_still_,
                        [this](Severity, std::string_view text) { log_.emplace_back(text); });
    std::string all;
    std::vector<uint8_t> buffer(1000);
    while (true) {
      const absl::StatusOr<size_t> bytes = stream.Read(MutableByteSpan(buffer));
      if (!bytes.ok()) return bytes.status();
      if (*bytes == 0) {
        stream_warnings_ = stream.Warnings();
        entries_ = stream.entries();
        return all;
      }
      all.append(buffer.begin(), buffer.begin() + static_cast<ptrdiff_t>(*bytes));
    }
  }

  DockerSource source_{{"volume", "local", "/v", {}}, {}, {}, "test"};
  FakeReply archive_{200, Tar()};
  std::string images_ = R"([{"Id":"sha256:1"},{"Id":"sha256:2"}])";
  bool held_still_ = false;
  std::vector<std::string> stream_warnings_;
  uint64_t entries_ = 0;
  int refusals_ = 0;
  int inspection_status_ = 200;  // of readers
  DockerContainer reader_ = FakeContainer("reader", "created");
  std::vector<std::string> log_;
  FakeDocker fake_{[this](const std::string& line, const std::string&) { return Serve(line); }};
};

TEST_F(DockerStreamTest, ReadsThroughAContainerThatMountsIt) {
  source_.users = {FakeContainer("a", "paused")};
  EXPECT_EQ(*ReadAll(), Tar());
  EXPECT_EQ(fake_.Count("/containers/a/archive?path=%2Fdata%2F."), 1);
  EXPECT_EQ(fake_.Count("/containers/create"), 0);
}

TEST_F(DockerStreamTest, PassesOverContainersThatShowItOtherwise) {
  DockerContainer hides = FakeContainer("hides");
  hides.mounts.push_back({"bind", "", "/srv", "/data/below"});
  source_.users = {hides, FakeContainer("dead", "dead"), FakeContainer("good")};
  EXPECT_EQ(*ReadAll(), Tar());
  EXPECT_EQ(fake_.Count("/containers/good/archive"), 1);
}

TEST_F(DockerStreamTest, MakesAContainerAndRemovesIt) {
  EXPECT_EQ(*ReadAll(), Tar());
  EXPECT_EQ(fake_.Count("/containers/reader/archive"), 1);
  EXPECT_EQ(fake_.Count("DELETE /v1.41/containers/reader"), 1);
  EXPECT_EQ(fake_.Count("/start"), 0);
}

TEST_F(DockerStreamTest, RemovesTheVolumesThatItsImageBroughtAndNoOther) {
  reader_.mounts.push_back({"volume", "anonymous", "", "/var/lib/x"});
  EXPECT_TRUE(ReadAll().ok());
  EXPECT_EQ(fake_.Count("DELETE /v1.41/volumes/anonymous"), 1);
  EXPECT_EQ(fake_.Count("DELETE /v1.41/volumes"), 1);
}

TEST_F(DockerStreamTest, RemovesReadersThatKilledBackupsLeftWithTheirVolumes) {
  source_.stale_readers = {"old"};
  reader_.mounts.push_back({"volume", "anonymous", "", "/var/lib/x"});
  EXPECT_TRUE(ReadAll().ok());
  EXPECT_EQ(fake_.Count("DELETE /v1.41/containers/old"), 1);
  EXPECT_EQ(fake_.Count("DELETE /v1.41/volumes/anonymous"), 2);
  EXPECT_EQ(fake_.Count("DELETE /v1.41/volumes"), 2);
}

// Without its container nobody could find them any more.
TEST_F(DockerStreamTest, KeepsAReaderWhoseVolumesAreNotKnown) {
  inspection_status_ = 500;
  EXPECT_TRUE(ReadAll().ok());
  EXPECT_EQ(fake_.Count("DELETE"), 0);
  ASSERT_EQ(log_.size(), 1u);
  EXPECT_NE(log_[0].find("docker rm -f reader"), std::string::npos) << log_[0];
}

TEST_F(DockerStreamTest, RemovesItsContainerAfterACancel) {
  reader_.mounts.push_back({"volume", "anonymous", "", "/var/lib/x"});
  const auto client = fake_.Connect();
  {
    DockerStream stream(client.get(), source_, false, [](Severity, std::string_view) {});
    std::vector<uint8_t> buffer(10);
    EXPECT_TRUE(stream.Read(MutableByteSpan(buffer)).ok());
    client->Cancel();
  }
  EXPECT_EQ(fake_.Count("DELETE /v1.41/containers/reader"), 1);
  EXPECT_EQ(fake_.Count("DELETE /v1.41/volumes/anonymous"), 1);
}

TEST_F(DockerStreamTest, TriesAnotherImage) {
  refusals_ = 1;
  EXPECT_EQ(*ReadAll(), Tar());
  refusals_ = 2;
  EXPECT_NE(ReadAll().status().message().find("wrong platform"), absl::string_view::npos);
}

TEST_F(DockerStreamTest, SaysWhatToDoWithoutAnyImage) {
  images_ = "[]";
  const absl::Status status = ReadAll().status();
  EXPECT_EQ(KindOf(status), ErrorKind::kPrerequisite);
  EXPECT_NE(status.message().find("docker pull"), absl::string_view::npos) << status;
}

TEST_F(DockerStreamTest, AStreamCutShortIsAnErrorAndTheContainerIsRemoved) {
  archive_.body.resize(archive_.body.size() - kTarEndBytes);
  const absl::Status status = ReadAll().status();
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_NE(status.message().find("--pause"), absl::string_view::npos) << status;
  EXPECT_EQ(fake_.Count("DELETE /v1.41/containers/reader"), 1);
}

TEST_F(DockerStreamTest, CountsEntriesAndSqliteDatabasesAndWarnsUnlessHeldStill) {
  const std::string database = std::string("SQLite format 3\0", 16) + std::string(5000, 'x');
  archive_.body = Tar({database, "x", database});
  ASSERT_TRUE(ReadAll().ok());
  EXPECT_EQ(entries_, 3u);
  ASSERT_EQ(stream_warnings_.size(), 1u);
  EXPECT_NE(stream_warnings_[0].find("2 SQLite databases"), std::string::npos);
  EXPECT_NE(stream_warnings_[0].find("--pause"), std::string::npos);
  held_still_ = true;
  ASSERT_TRUE(ReadAll().ok());
  EXPECT_TRUE(stream_warnings_.empty());
}

TEST_F(DockerStreamTest, ALostConnectionIsAnError) {
  archive_.cut = absl::UnavailableError("connection lost");
  EXPECT_FALSE(ReadAll().ok());
  archive_.body = "";
  EXPECT_FALSE(ReadAll().ok());
}

TEST_F(DockerStreamTest, ARefusalIsPassedOn) {
  archive_ = {500, R"({"message":"no space left"})"};
  const absl::Status status = ReadAll().status();
  EXPECT_NE(status.message().find("no space left"), absl::string_view::npos) << status;
  EXPECT_NE(status.message().find("volume volume"), absl::string_view::npos) << status;
}

TEST_F(DockerStreamTest, ACancelBeforeTheStartEndsIt) {
  const auto client = fake_.Connect();
  DockerStream stream(client.get(), source_, false, [](Severity, std::string_view) {});
  stream.Cancel();
  std::vector<uint8_t> buffer(10);
  EXPECT_TRUE(absl::IsCancelled(stream.Read(MutableByteSpan(buffer)).status()));
}

}  // namespace
}  // namespace volstream
