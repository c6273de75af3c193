#include "stages/docker_exec.h"

#include <algorithm>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "engine/status_macros.h"

namespace volstream {
namespace {

// Between the end of the output and the engine's word that the command has ended.
constexpr absl::Duration kEndPoll = absl::Milliseconds(50);

}  // namespace

void DockerFrames::Feed(ByteSpan bytes) {
  constexpr uint8_t kStandardError = 2;
  while (!bytes.empty()) {
    if (left_ > 0) {
      const size_t taken = std::min<size_t>(left_, bytes.size());
      LineCutter& cutter = header_[0] == kStandardError ? err_ : out_;
      cutter.Feed(std::string_view(reinterpret_cast<const char*>(bytes.data()), taken));
      left_ -= static_cast<uint32_t>(taken);
      bytes = bytes.subspan(taken);
      continue;
    }
    header_[header_bytes_++] = bytes.front();
    bytes = bytes.subspan(1);
    if (header_bytes_ < kHeaderBytes) continue;
    header_bytes_ = 0;
    left_ = uint32_t{header_[4]} << 24 | uint32_t{header_[5]} << 16 | uint32_t{header_[6]} << 8 |
            header_[7];
  }
}

void DockerFrames::Finish() {
  out_.Finish();
  err_.Finish();
}

absl::Status RunInContainer(DockerClient* client, const DockerContainer& container,
                            const std::string& command, const std::vector<std::string>& environment,
                            absl::Duration timeout, const LineCutter::OnLine& on_line,
                            const std::shared_ptr<const CancelFlag>& cancelled) {
  const absl::Time end = absl::Now() + timeout;
  VS_ASSIGN_OR_RETURN(
      const std::string id,
      client->CreateExec(container.id, {"/bin/sh", "-c", command}, environment, cancelled));
  DockerFrames frames(on_line);
  const absl::Status status = client->StartExec(
      id, timeout, [&frames](ByteSpan bytes) { frames.Feed(bytes); }, cancelled);
  frames.Finish();
  const auto too_long = [&] {
    return absl::DeadlineExceededError(
        absl::StrCat("it took longer than ", absl::FormatDuration(timeout),
                     " and may still run in the container; see --hook-timeout"));
  };
  if (absl::IsDeadlineExceeded(status)) return too_long();
  VS_RETURN_IF_ERROR(status);
  while (true) {
    VS_ASSIGN_OR_RETURN(const DockerExecState state, client->InspectExec(id));
    if (!state.running) {
      if (state.exit_code == 0) return absl::OkStatus();
      return absl::AbortedError(absl::StrCat("exit code ", state.exit_code));
    }
    // It closed its output and goes on.
    if (cancelled != nullptr && cancelled->load()) return absl::CancelledError("cancelled");
    if (absl::Now() >= end) return too_long();
    absl::SleepFor(kEndPoll);
  }
}

}  // namespace volstream
