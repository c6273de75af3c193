#include "stages/url.h"

#include <curl/curl.h>

#include <memory>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "stages/absl_text.h"

namespace volstream {
namespace {

struct FreeUrl {
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
};

std::string Get(CURLU* url, CURLUPart part) {
  char* text = nullptr;
  if (curl_url_get(url, part, &text, 0) != CURLUE_OK || text == nullptr) return "";
  std::string result(text);
  curl_free(text);
  return result;
}

}  // namespace

std::string Url::HostHeader() const { return port == 0 ? host : absl::StrCat(host, ":", port); }

absl::StatusOr<Url> ParseUrl(std::string_view text) {
  // The text may hold a password, so an error does not repeat it unless it is known to have none.
  const std::string copy(text);
  const std::unique_ptr<CURLU, FreeUrl> parsed(curl_url());
  if (parsed == nullptr) return absl::ResourceExhaustedError("no memory for a URL");
  const CURLUcode code = curl_url_set(parsed.get(), CURLUPART_URL, copy.c_str(), 0);
  if (code != CURLUE_OK) {
    return absl::InvalidArgumentError(
        absl::StrCat("not a URL such as https://host:port: ", curl_url_strerror(code)));
  }
  if (!Get(parsed.get(), CURLUPART_USER).empty() ||
      !Get(parsed.get(), CURLUPART_PASSWORD).empty()) {
    return absl::InvalidArgumentError("a URL with a user name or a password is not accepted");
  }
  if (!Get(parsed.get(), CURLUPART_QUERY).empty() ||
      !Get(parsed.get(), CURLUPART_FRAGMENT).empty()) {
    return absl::InvalidArgumentError("a URL with '?' or '#' is not accepted");
  }
  Url url;
  url.scheme = absl::AsciiStrToLower(Get(parsed.get(), CURLUPART_SCHEME));
  if (url.scheme != "http" && url.scheme != "https") {
    return absl::InvalidArgumentError(
        absl::StrCat("the URL begins with ", url.scheme, "://, not with http:// or https://"));
  }
  url.host = absl::AsciiStrToLower(Get(parsed.get(), CURLUPART_HOST));
  url.path = Get(parsed.get(), CURLUPART_PATH);
  const std::string port = Get(parsed.get(), CURLUPART_PORT);
  if (!port.empty() && !absl::SimpleAtoi(port, &url.port)) {
    return absl::InvalidArgumentError("the port is not a number");
  }
  if (url.port == (url.https() ? 443 : 80)) url.port = 0;
  return url;
}

}  // namespace volstream
