// S3Doctor: tries out at a destination all that a backup, its retention and its restore need, and
// says what will be used and why. It works on objects of its own under the prefix, and takes away
// every one of them, and every upload, also when a check fails or Cancel comes.
//
// Threads: Run on one thread; Cancel from any.
// Lifetime: the client and the options must outlive it.
#ifndef VOLSTREAM_STAGES_S3_DOCTOR_H_
#define VOLSTREAM_STAGES_S3_DOCTOR_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "stages/finding.h"
#include "stages/s3_bucket.h"
#include "stages/s3_client.h"
#include "stages/s3_config.h"
#include "stages/s3_probe.h"
#include "stages/s3_provider.h"

namespace volstream {

class S3Doctor {
 public:
  // `probe_bytes` are sent and read back to see the throughput; 0 = not tried.
  S3Doctor(S3Client* client, const S3Location& location, const S3Options& options,
           const S3Provider& provider, uint64_t probe_bytes, FindingSink on_finding);

  // kCancelled after Cancel; else OK, whatever was found.
  absl::Status Run();
  void Cancel() { probe_.Cancel(); }

 private:
  void Tell(Finding::State state, std::string_view check, std::string text);
  // The error's text, unless the run was cancelled.
  void TellFailure(std::string_view check, const absl::Status& status);

  void TellSettings();
  void CheckAll();
  // False if nothing more can be tried.
  bool CheckList();
  void CheckClock(const HttpResponse& answer);
  void CheckVersioning();
  // False if objects would have to stay.
  bool CheckObjectLock();
  // False if no object can be made.
  bool CheckPut();
  void CheckConditionalPut();
  void CheckChecksum();
  void CheckAbort();
  void CheckTransfer();
  void CheckRemoval();

  S3Client* const client_;
  const S3Location location_;
  const S3Options& options_;
  const S3Provider& provider_;
  const uint64_t probe_bytes_;
  const FindingSink on_finding_;
  S3Probe probe_;
  const std::string bytes_;  // that do not compress
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_S3_DOCTOR_H_
