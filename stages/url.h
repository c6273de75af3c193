// Url: the parts of an http or https URL. Parsing is libcurl's, so that volstream and the transport
// never read one URL in two ways.
#ifndef VOLSTREAM_STAGES_URL_H_
#define VOLSTREAM_STAGES_URL_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace volstream {

struct Url {
  std::string scheme;  // "http" or "https"
  std::string host;    // lower case; an IPv6 address keeps its brackets
  int port = 0;        // 0 = the scheme's own
  std::string path;    // begins with '/'

  bool https() const { return scheme == "https"; }
  // The host is this machine by its name or address (127.0.0.0/8, ::1): no network is on the way.
  bool loopback() const;
  // host, and :port where it is not the scheme's own: the Host header as libcurl sends it.
  std::string HostHeader() const;
  // scheme://host[:port], no path.
  std::string Origin() const { return scheme + "://" + HostHeader(); }
};

// kInvalidArgument for anything else than http://host[:port][/path] or https://...; a user name,
// a password, a query or a fragment is refused. Safe for concurrent calls.
absl::StatusOr<Url> ParseUrl(std::string_view text);

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_URL_H_
