// CallHttp: one request and its answer, waited for, over a transport made for it alone. For what is
// asked once an hour.
#ifndef VOLSTREAM_STAGES_HTTP_CALL_H_
#define VOLSTREAM_STAGES_HTTP_CALL_H_

#include "absl/status/statusor.h"
#include "stages/curl_transport.h"
#include "stages/http_transport.h"
#include "stages/stop_signal.h"

namespace volstream {

// Tries again, at most `tries` times in all, what may pass by itself (RetryPolicy). The answer may
// have any status; an error is the transport's, kCancelled once `stop` (may be null) says so. Any
// thread but a transport's.
absl::StatusOr<HttpResponse> CallHttp(const CurlTransportOptions& options,
                                      const HttpRequest& request, int tries,
                                      StopSignal* stop = nullptr);

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_HTTP_CALL_H_
