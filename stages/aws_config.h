// AwsConfig: the profiles in the two files that AWS's tools share, ~/.aws/config and
// ~/.aws/credentials. Spec: "Shared config and credentials files" in the AWS SDKs and Tools
// Reference Guide. Reading is inih's.
//
// Both files may be absent. Errors have ErrorKind::kS3, name the file and the line, and never
// repeat what stands there.
// Threads: const methods are safe to call concurrently.
#ifndef VOLSTREAM_STAGES_AWS_CONFIG_H_
#define VOLSTREAM_STAGES_AWS_CONFIG_H_

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "stages/environment.h"

namespace volstream {

class AwsConfig {
 public:
  // Reads $AWS_CONFIG_FILE, else ~/.aws/config, and $AWS_SHARED_CREDENTIALS_FILE, else
  // ~/.aws/credentials. Changes inih's settings, which are the process's, at its first call.
  static absl::StatusOr<AwsConfig> Load(const Environment& environment);

  AwsConfig() = default;
  AwsConfig(const AwsConfig&) = default;
  AwsConfig(AwsConfig&&) = default;
  AwsConfig& operator=(const AwsConfig&) = default;
  AwsConfig& operator=(AwsConfig&&) = default;
  // Wipes all values.
  ~AwsConfig();

  bool HasProfile(const std::string& profile) const { return profiles_.count(profile) != 0; }
  // kNotFound, with the names of those that there are, unless the profile exists.
  absl::Status CheckProfile(const std::string& profile) const;

  // A setting of a profile, empty if it is not there. The credentials file wins.
  std::string Get(const std::string& profile, const std::string& name) const;
  // A setting of the `[services x]` section that the profile names: GetForService(p, "s3",
  // "endpoint_url").
  std::string GetForService(const std::string& profile, const std::string& service,
                            const std::string& name) const;
  // The endpoint that is configured for "s3" or "sts": of the service, else of the profile; empty
  // where none is, or where configured endpoints are to be ignored.
  std::string EndpointFor(const std::string& profile, const std::string& service) const;

  // "profile x (FILE)", where FILE is the one that holds `setting`.
  std::string Describe(const std::string& profile, const std::string& setting) const;

  // The paths of both files, for people.
  std::string Files() const;

 private:
  struct Section {
    std::map<std::string, std::string> values;
    // Of settings whose value is a block of indented settings, such as `s3 =`.
    std::map<std::string, std::map<std::string, std::string>> blocks;
    std::map<std::string, size_t> files;  // index into paths_, for each of `values`
  };
  class Reader;

  std::vector<std::string> paths_;  // config, credentials
  std::map<std::string, Section> profiles_;
  std::map<std::string, Section> services_;
};

// The profile to use where the user named none: $AWS_PROFILE, $AWS_DEFAULT_PROFILE, else "default".
std::string DefaultProfile(const Environment& environment);

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_AWS_CONFIG_H_
