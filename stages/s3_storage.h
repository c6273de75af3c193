// S3Storage: Storage over one bucket and prefix.
#ifndef VOLSTREAM_STAGES_S3_STORAGE_H_
#define VOLSTREAM_STAGES_S3_STORAGE_H_

#include <memory>

#include "absl/status/statusor.h"
#include "stages/http_transport.h"
#include "stages/s3_client.h"
#include "stages/s3_config.h"
#include "stages/storage.h"

namespace volstream {

// Completes the options (ResolveS3Options), which may wait for whoever issues the credentials, and
// sends nothing to S3 yet; fails on options that cannot work (no credentials, a bad endpoint). The
// storage owns its transport: its destruction ends all requests, so sinks must be gone by then.
absl::StatusOr<std::unique_ptr<Storage>> OpenS3Storage(const S3Location& location,
                                                       const S3Options& options);

// The transport that OpenS3Storage makes for itself.
std::unique_ptr<HttpTransport> NewS3Transport(const S3Options& options);

// The same over a transport that is borrowed and outlives the storage.
absl::StatusOr<std::unique_ptr<Storage>> OpenS3StorageOver(HttpTransport* transport,
                                                           const S3Location& location,
                                                           const S3Options& options,
                                                           const S3ClientHooks& hooks = {});

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_S3_STORAGE_H_
