// A command run inside a container, with its output as lines. Docker Engine API v1.41, "Exec" and
// "Stream format" of ContainerAttach: frames of 8 bytes (stream, three zeros, length in big endian)
// and the data.
#ifndef VOLSTREAM_STAGES_DOCKER_EXEC_H_
#define VOLSTREAM_STAGES_DOCKER_EXEC_H_

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "engine/bytes.h"
#include "stages/docker_client.h"
#include "stages/line_cutter.h"

namespace volstream {

// Takes the frames apart; standard output and error are cut into lines each for itself.
class DockerFrames {
 public:
  explicit DockerFrames(LineCutter::OnLine on_line) : out_(on_line), err_(on_line) {}
  void Feed(ByteSpan bytes);
  void Finish();

 private:
  static constexpr size_t kHeaderBytes = 8;
  std::array<uint8_t, kHeaderBytes> header_ = {};
  size_t header_bytes_ = 0;
  uint32_t left_ = 0;  // of the current frame
  LineCutter out_;
  LineCutter err_;
};

// Runs `/bin/sh -c command` in the container and waits for its end. An exit code other than 0 is
// kAborted, a timeout kDeadlineExceeded; `cancelled` ends the wait (after a DockerClient::Sweep).
// The API has no way to end the command itself. `on_line` runs on another thread.
absl::Status RunInContainer(DockerClient* client, const DockerContainer& container,
                            const std::string& command, const std::vector<std::string>& environment,
                            absl::Duration timeout, const LineCutter::OnLine& on_line,
                            const std::shared_ptr<const CancelFlag>& cancelled);

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_DOCKER_EXEC_H_
