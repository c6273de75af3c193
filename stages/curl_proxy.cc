#include "stages/curl_proxy.h"

#include <cstdlib>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "stages/absl_text.h"
#include "stages/curl_url.h"

namespace volstream {
namespace {

// libcurl's own for a proxy that names none.
constexpr char kDefaultPort[] = "1080";

}  // namespace

std::string ProxyThatFailed(std::string_view url, std::string_view detail) {
  const bool https = absl::StartsWithIgnoreCase(ToAbsl(url), "https:");
  for (const char* name : {https ? "https_proxy" : "http_proxy",
                           https ? "HTTPS_PROXY" : "http_proxy", "all_proxy", "ALL_PROXY"}) {
    const char* const value = std::getenv(name);
    if (value == nullptr || *value == '\0') continue;
    const CurlUrl proxy(curl_url());
    if (curl_url_set(proxy.get(), CURLUPART_URL, value,
                     CURLU_GUESS_SCHEME | CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK) {
      continue;
    }
    const std::string host = PartOf(proxy, CURLUPART_HOST);
    std::string port = PartOf(proxy, CURLUPART_PORT);
    if (port.empty()) port = kDefaultPort;
    if (absl::StrContains(ToAbsl(detail), absl::StrCat("connect to ", host, " port ", port, " "))) {
      return absl::StrCat(host, ":", port);
    }
  }
  return "";
}

std::string WithoutUserInfo(std::string_view text) {
  // The last, as a password may hold one too.
  const size_t at = text.rfind('@');
  if (at == std::string_view::npos) return std::string(text);
  size_t start = text.find("://");
  if (start != std::string_view::npos && start < at) {
    start += 3;
  } else {
    // A proxy without a scheme; libcurl puts it into quotes.
    start = text.find('\'');
    start = start < at ? start + 1 : 0;
  }
  return std::string(text.substr(0, start)).append(text.substr(at + 1));
}

}  // namespace volstream
