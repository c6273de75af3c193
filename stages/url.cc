#include "stages/url.h"

#include <arpa/inet.h>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "stages/absl_text.h"
#include "stages/curl_url.h"

namespace volstream {
std::string Url::HostHeader() const { return port == 0 ? host : absl::StrCat(host, ":", port); }

bool Url::loopback() const {
  in_addr address = {};
  if (inet_pton(AF_INET, host.c_str(), &address) == 1) return ntohl(address.s_addr) >> 24 == 127;
  return host == "localhost" || host == "[::1]";
}

absl::StatusOr<Url> ParseUrl(std::string_view text) {
  // The text may hold a password, so an error does not repeat it unless it is known to have none.
  const std::string copy(text);
  const CurlUrl parsed(curl_url());
  if (parsed == nullptr) return absl::ResourceExhaustedError("no memory for a URL");
  const CURLUcode code = curl_url_set(parsed.get(), CURLUPART_URL, copy.c_str(), 0);
  if (code != CURLUE_OK) {
    return absl::InvalidArgumentError(
        absl::StrCat("not a URL such as https://host:port: ", curl_url_strerror(code)));
  }
  if (!PartOf(parsed, CURLUPART_USER).empty() || !PartOf(parsed, CURLUPART_PASSWORD).empty()) {
    return absl::InvalidArgumentError("a URL with a user name or a password is not accepted");
  }
  if (!PartOf(parsed, CURLUPART_QUERY).empty() || !PartOf(parsed, CURLUPART_FRAGMENT).empty()) {
    return absl::InvalidArgumentError("a URL with '?' or '#' is not accepted");
  }
  Url url;
  url.scheme = absl::AsciiStrToLower(PartOf(parsed, CURLUPART_SCHEME));
  if (url.scheme != "http" && url.scheme != "https") {
    return absl::InvalidArgumentError(
        absl::StrCat("the URL begins with ", url.scheme, "://, not with http:// or https://"));
  }
  url.host = absl::AsciiStrToLower(PartOf(parsed, CURLUPART_HOST));
  url.path = PartOf(parsed, CURLUPART_PATH);
  const std::string port = PartOf(parsed, CURLUPART_PORT);
  if (!port.empty() && !absl::SimpleAtoi(port, &url.port)) {
    return absl::InvalidArgumentError("the port is not a number");
  }
  if (url.port == (url.https() ? 443 : 80)) url.port = 0;
  return url;
}

}  // namespace volstream
