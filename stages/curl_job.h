// CurlJob: one request of a CurlTransport while libcurl has it: what its callbacks need, the easy
// handle's options, and what its outcome means. For curl_transport.cc alone.
//
// Threads: the transport's I/O thread.
#ifndef VOLSTREAM_STAGES_CURL_JOB_H_
#define VOLSTREAM_STAGES_CURL_JOB_H_

#include <curl/curl.h>

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "stages/curl_transport.h"
#include "stages/http_transport.h"

namespace volstream {

// libcurl's options and details are longs.
inline long Long(int64_t value) {   // NOLINT(google-runtime-int)
  return static_cast<long>(value);  // NOLINT(google-runtime-int)
}

struct CurlJob {
  HttpRequest request;
  HttpTransport::Done done;
  HttpResponse response;
  size_t sent_bytes = 0;  // of request.body, by the current pass over it
  RateLimit* send_limit = nullptr;
  RateLimit::Ticket send_ticket;
  bool paused = false;  // until send_limit lets the body go on, at
  RateLimit::TimePoint resume_at;
  bool starved = false;        // request.pull_body had nothing; until a Wake
  bool gave_up = false;        // request.pull_body did
  bool head_complete = false;  // of the final answer
  bool head_acknowledged = false;
  bool over_cap = false;
  bool refused = false;  // on_body wanted no more
  curl_slist* header_list = nullptr;
  char curl_error[CURL_ERROR_SIZE] = {};

  CurlJob() = default;
  CurlJob(const CurlJob&) = delete;
  CurlJob& operator=(const CurlJob&) = delete;
  ~CurlJob() { curl_slist_free_all(header_list); }
};

// Sets the (fresh or reset) handle up for the request. The handle keeps pointers into `job`.
absl::Status PrepareCurlJob(CURL* easy, const CurlTransportOptions& options, CurlJob* job);

// The outcome as HttpTransport promises it.
absl::Status CurlJobStatus(CURL* easy, CURLcode code, const CurlJob& job,
                           const CurlTransportOptions& options);

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_CURL_JOB_H_
