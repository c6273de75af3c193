// Doctor: tries out a destination as a whole; what it finds goes to a FindingSink as it is found.
// It leaves nothing behind.
//
// Threads: Run on one thread; Cancel from any.
#ifndef VOLSTREAM_STAGES_DOCTOR_H_
#define VOLSTREAM_STAGES_DOCTOR_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "stages/finding.h"
#include "stages/s3_config.h"

namespace volstream {

class Doctor {
 public:
  virtual ~Doctor() = default;
  // kCancelled after Cancel; else OK, whatever was found.
  virtual absl::Status Run() = 0;
  virtual void Cancel() {}
};

std::unique_ptr<Doctor> OpenLocalDoctor(std::string directory, FindingSink on_finding);
// Fails on options that cannot work. See S3Doctor for probe_bytes.
absl::StatusOr<std::unique_ptr<Doctor>> OpenS3Doctor(const S3Location& location,
                                                     const S3Options& options, uint64_t probe_bytes,
                                                     FindingSink on_finding);

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_DOCTOR_H_
