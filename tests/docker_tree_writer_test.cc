// DockerTreeWriter: the tar that it sends, as libarchive reads it. That an engine makes the right
// tree of it is tested with a real one (docker_restore_test.cc).
#include "stages/docker_tree_writer.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "stages/curl_transport.h"
#include "stages/error_kind.h"
#include "tests/support/http_server.h"
#include "tests/support/tar_reader.h"
#include "tests/support/tree_writer_fixture.h"

namespace volstream {
namespace {

class DockerTreeWriterTest : public ::testing::Test {
 protected:
  std::unique_ptr<HttpUpload> NewUpload(const std::string& path) {
    HttpRequest request;
    request.url = server_.Url(path);
    return std::make_unique<HttpUpload>(
        std::make_unique<CurlTransport>(CurlTransportOptions()), std::move(request),
        [](const HttpResponse&) { return absl::InternalError("refused"); }, absl::Minutes(1));
  }

  DockerTreeWriter& writer() {
    if (writer_ == nullptr) {
      options_.on_warning = [this](std::string_view text) { warnings_.emplace_back(text); };
      writer_ = std::make_unique<DockerTreeWriter>(
          upload_.get(), [this] { return NewUpload("/parent"); }, "root", options_);
    }
    return *writer_;
  }

  static EntryData Piece(uint64_t offset, std::string text) {
    auto owner = std::make_shared<const std::string>(std::move(text));
    return {offset,
            {ByteSpan(reinterpret_cast<const uint8_t*>(owner->data()), owner->size()), owner}};
  }

  void Add(const RestoreEntry& entry) {
    const absl::Status status = writer().Begin(entry);
    ASSERT_TRUE(status.ok()) << status;
  }

  std::vector<TarItem> Finish() {
    const absl::StatusOr<TreeWriterReport> report = writer().Finish();
    EXPECT_TRUE(report.ok()) << report.status();
    if (report.ok()) report_ = *report;
    return ReadTar(bodies_["/volume"]);
  }

  std::map<std::string, std::string> bodies_;  // by path; one request comes after the other
  int status_of_parent_ = 200;
  HttpServer server_{[this](const ServedRequest& request) {
    bodies_[request.target] = request.body;
    ServedReply reply;
    if (request.target == "/parent") reply.status = status_of_parent_;
    return reply;
  }};
  std::unique_ptr<HttpUpload> upload_ = NewUpload("/volume");
  TreeWriterOptions options_;
  std::vector<std::string> warnings_;
  TreeWriterReport report_;
  std::unique_ptr<DockerTreeWriter> writer_;
};

TEST_F(DockerTreeWriterTest, EntriesComeWithNumbersAndWithoutNames) {
  RestoreEntry file = EntryOf(TarType::kFile, "d/file");
  file.uid = 999;
  file.gid = 3'000'000;
  file.mode = 04711;
  file.user_name = "postgres";
  file.mtime_nanoseconds = 5;
  file.bytes = 5;
  Add(EntryOf(TarType::kDirectory, "d"));
  Add(file);
  ASSERT_TRUE(writer().Write(Piece(0, "hello")).ok());
  Add(LinkEntry(TarType::kHardLink, "again", "./d//file"));
  Add(LinkEntry(TarType::kSymlink, "link", "/anywhere"));
  const std::vector<TarItem> items = Finish();
  ASSERT_EQ(items.size(), 4u);
  EXPECT_EQ(items[0].path, "d/");
  EXPECT_EQ(items[1].data, "hello");
  EXPECT_EQ(items[1].mode & 07777, 04711u);
  EXPECT_EQ(items[1].uid, 999);
  EXPECT_EQ(items[1].gid, 3'000'000);
  EXPECT_EQ(items[1].user_name, "");
  EXPECT_EQ(items[1].mtime_nanoseconds, 5);
  EXPECT_EQ(items[2].type, 'h');
  EXPECT_EQ(items[2].link_target, "d/file");
  EXPECT_EQ(items[3].link_target, "/anywhere");
  EXPECT_EQ(report_.entries, 4u);
  EXPECT_EQ(report_.file_bytes, 5u);
}

TEST_F(DockerTreeWriterTest, HolesComeAsZeros) {
  RestoreEntry file = EntryOf(TarType::kFile, "file");
  file.bytes = 200'000;
  file.sparse = true;
  Add(file);
  ASSERT_TRUE(writer().Write(Piece(100'000, "data")).ok());
  Add(EntryOf(TarType::kFile, "next"));
  const std::vector<TarItem> items = Finish();
  ASSERT_EQ(items.size(), 2u);
  std::string expected(200'000, '\0');
  expected.replace(100'000, 4, "data");
  EXPECT_TRUE(items[0].data == expected);
  EXPECT_EQ(report_.file_bytes, 4u);
}

TEST_F(DockerTreeWriterTest, TheRootIsSentToItsParentByItsName) {
  RestoreEntry root = EntryOf(TarType::kDirectory, "");
  root.uid = 999;
  root.mode = 0700;
  Add(root);
  EXPECT_TRUE(Finish().empty());
  const std::vector<TarItem> items = ReadTar(bodies_["/parent"]);
  ASSERT_EQ(items.size(), 1u);
  EXPECT_EQ(items[0].path, "root/");
  EXPECT_EQ(items[0].uid, 999);
  EXPECT_EQ(items[0].mode & 07777, 0700u);
}

TEST_F(DockerTreeWriterTest, ARootThatCannotBeSetIsAWarning) {
  status_of_parent_ = 500;
  Add(EntryOf(TarType::kDirectory, ""));
  Finish();
  ASSERT_EQ(warnings_.size(), 1u);
  EXPECT_NE(warnings_[0].find("own directory: refused"), std::string::npos) << warnings_[0];
  EXPECT_EQ(report_.warnings, 1u);
}

// Else what is made below would inherit it.
TEST_F(DockerTreeWriterTest, ADefaultAclComesAfterAllElse) {
  RestoreEntry directory = EntryOf(TarType::kDirectory, "d");
  directory.default_acl = "user::rwx,user:7:r--,group::r-x,mask::r-x,other::---";
  Add(directory);
  Add(EntryOf(TarType::kFile, "d/file"));
  const std::vector<TarItem> items = Finish();
  ASSERT_EQ(items.size(), 3u);
  EXPECT_EQ(items[2].path, "d/");
  const std::string& tar = bodies_["/volume"];
  EXPECT_GT(tar.find("system.posix_acl_default"), tar.find("d/file"));
  EXPECT_NE(tar.find("system.posix_acl_default"), std::string::npos);
}

TEST_F(DockerTreeWriterTest, AnAttributeWhoseNameCannotBeToldIsAWarning) {
  RestoreEntry file = EntryOf(TarType::kFile, "file");
  file.attributes = {{"user.a=b", "1"}, {"user.plain", "2"}};
  Add(file);
  Finish();
  ASSERT_EQ(warnings_.size(), 1u);
  EXPECT_NE(warnings_[0].find("user.a=b"), std::string::npos) << warnings_[0];
  EXPECT_NE(bodies_["/volume"].find("SCHILY.xattr.user.plain=2"), std::string::npos);
}

TEST_F(DockerTreeWriterTest, ATimeThatTheEngineCannotSetIsAWarning) {
  RestoreEntry file = EntryOf(TarType::kFile, "file");
  file.mtime_seconds = -1;
  Add(file);
  Finish();
  ASSERT_EQ(warnings_.size(), 1u);
  EXPECT_NE(warnings_[0].find("before 1970"), std::string::npos) << warnings_[0];
}

TEST_F(DockerTreeWriterTest, NothingThatLeadsOutsideIsSent) {
  for (const RestoreEntry& entry :
       {EntryOf(TarType::kFile, "../file"), EntryOf(TarType::kFile, "/file"),
        EntryOf(TarType::kFile, ""), LinkEntry(TarType::kHardLink, "link", "../file")}) {
    const absl::Status status = writer().Begin(entry);
    ASSERT_FALSE(status.ok()) << entry.path;
    EXPECT_EQ(KindOf(status), ErrorKind::kIntegrity) << status;
  }
}

TEST_F(DockerTreeWriterTest, MoreThanTheLimitIsAnError) {
  options_.max_file_bytes = 4;
  RestoreEntry file = EntryOf(TarType::kFile, "file");
  file.bytes = 5;
  Add(file);
  EXPECT_TRUE(absl::IsResourceExhausted(writer().Write(Piece(0, "hello"))));
}

TEST_F(DockerTreeWriterTest, MoreDataThanTheHeaderSaysIsAnError) {
  RestoreEntry file = EntryOf(TarType::kFile, "file");
  file.bytes = 4;
  Add(file);
  EXPECT_TRUE(absl::IsDataLoss(writer().Write(Piece(0, "hello"))));
}

}  // namespace
}  // namespace volstream
