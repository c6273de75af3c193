// The flags that say how to reach S3 and how to store there, bound to options that the environment
// filled.
#ifndef VOLSTREAM_TOOLS_S3_FLAGS_H_
#define VOLSTREAM_TOOLS_S3_FLAGS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "CLI/App.hpp"
#include "absl/status/statusor.h"
#include "stages/event_log.h"
#include "stages/s3_config.h"

namespace volstream {

class S3Flags {
 public:
  S3Flags() : options_(S3OptionsFromEnvironment()) {}

  // What every command needs.
  void AddTo(CLI::App* app);
  // How a backup's objects are stored.
  void AddStoringTo(CLI::App* app);
  int connections() const { return options_.connections; }
  // Where outages that are waited out are told.
  void LogTo(EventLog log) { options_.on_event = std::move(log); }

  // Reads the key file. Options of one S3Flags share the bandwidth and the
  // credentials.
  absl::StatusOr<S3Options> Options() const;

 private:
  absl::Status AddObjectOptions(S3ObjectOptions* object) const;

  S3Options options_;
  double retry_for_seconds_ = 300;
  double stall_timeout_seconds_ = 60;
  double connect_timeout_seconds_ = 10;
  std::string addressing_ = "auto";
  std::string customer_key_file_;
  std::string encryption_;
  std::string checksum_ = "auto";
  std::vector<std::string> tags_;
  std::vector<std::string> metadata_;
  std::string lock_mode_;
  int lock_days_ = 0;
  uint64_t upload_bytes_per_second_ = 0;  // 0 = no limit
  mutable std::shared_ptr<RateLimit> upload_limit_;
  const std::shared_ptr<CredentialPool> credential_pool_ = std::make_shared<CredentialPool>();
};

}  // namespace volstream

#endif  // VOLSTREAM_TOOLS_S3_FLAGS_H_
