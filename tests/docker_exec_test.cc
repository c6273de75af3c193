// The frames of a command's output, and what becomes of the command.
#include "stages/docker_exec.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/support/fake_docker.h"

namespace volstream {
namespace {

using Lines = std::vector<std::string>;

std::string Frame(char stream, const std::string& data) {
  std::string frame = {stream,
                       0,
                       0,
                       0,
                       0,
                       0,
                       static_cast<char>(data.size() >> 8),
                       static_cast<char>(data.size() & 0xff)};
  return frame + data;
}

Lines Cut(const std::string& raw, size_t piece) {
  Lines lines;
  DockerFrames frames([&lines](std::string_view line) { lines.emplace_back(line); });
  for (size_t at = 0; at < raw.size(); at += piece) {
    const std::string part = raw.substr(at, piece);
    frames.Feed(ByteSpan(reinterpret_cast<const uint8_t*>(part.data()), part.size()));
  }
  frames.Finish();
  return lines;
}

TEST(DockerFrames, AreTakenApartWhereverThePiecesEnd) {
  const std::string raw = Frame(1, "out ") + Frame(2, "err\n") + Frame(1, "put\n") +
                          Frame(1, std::string(300, 'x')) + Frame(2, "");
  for (const size_t piece : {size_t{1}, size_t{5}, size_t{8}, raw.size()}) {
    EXPECT_EQ(Cut(raw, piece), (Lines{"err", "out put", std::string(300, 'x')})) << piece;
  }
}

class DockerExecTest : public ::testing::Test {
 protected:
  FakeReply Serve(const std::string& line, const std::string& body) {
    if (line == "POST /containers/a/exec") {
      created_ = body;
      return {201, R"({"Id":"e"})"};
    }
    if (line == "POST /exec/e/start") return output_;
    if (running_-- > 0) return {200, R"({"Running":true,"ExitCode":null})"};
    return {200, R"({"Running":false,"ExitCode":)" + exit_code_ + "}"};
  }

  absl::Status Run(absl::Duration timeout = absl::Minutes(1),
                   std::shared_ptr<const CancelFlag> cancelled = nullptr) {
    const auto client = fake_.Connect();
    return RunInContainer(
        client.get(), FakeContainer("a"), "command", {"A=B"}, timeout,
        [this](std::string_view line) { lines_.emplace_back(line); }, cancelled);
  }

  FakeReply output_{200, Frame(1, "hello\n")};
  std::string exit_code_ = "0";
  int running_ = 0;
  std::string created_;
  Lines lines_;
  FakeDocker fake_{
      [this](const std::string& line, const std::string& body) { return Serve(line, body); }};
};

TEST_F(DockerExecTest, RunsAShellAndPassesItsOutputOn) {
  EXPECT_TRUE(Run().ok());
  EXPECT_EQ(lines_, Lines{"hello"});
  EXPECT_NE(created_.find(R"("Cmd":["/bin/sh","-c","command"])"), std::string::npos) << created_;
  EXPECT_NE(created_.find(R"("Env":["A=B"])"), std::string::npos) << created_;
}

TEST_F(DockerExecTest, AnExitCodeIsAFailure) {
  exit_code_ = "3";
  const absl::Status status = Run();
  EXPECT_TRUE(absl::IsAborted(status));
  EXPECT_EQ(status.message(), "exit code 3");
}

TEST_F(DockerExecTest, WaitsForACommandThatClosedItsOutput) {
  running_ = 2;
  EXPECT_TRUE(Run().ok());
  EXPECT_EQ(fake_.Count("/exec/e/json"), 3);
}

TEST_F(DockerExecTest, EndsWhenTimeIsUp) {
  running_ = 1 << 30;
  EXPECT_TRUE(absl::IsDeadlineExceeded(Run(absl::Milliseconds(1))));
  output_.cut = absl::DeadlineExceededError("no answer");
  EXPECT_TRUE(absl::IsDeadlineExceeded(Run()));
}

TEST_F(DockerExecTest, EndsWhenCancelled) {
  EXPECT_TRUE(absl::IsCancelled(Run(absl::Minutes(1), std::make_shared<CancelFlag>(true))));
}

}  // namespace
}  // namespace volstream
