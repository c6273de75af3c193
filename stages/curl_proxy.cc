#include "stages/curl_proxy.h"

#include <curl/curl.h>

#include <cstdlib>
#include <memory>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "stages/absl_text.h"

namespace volstream {
namespace {

// libcurl's own for a proxy that names none.
constexpr char kDefaultPort[] = "1080";

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

std::string ProxyThatFailed(std::string_view url, std::string_view detail) {
  const bool https = absl::StartsWithIgnoreCase(ToAbsl(url), "https:");
  for (const char* name : {https ? "https_proxy" : "http_proxy",
                           https ? "HTTPS_PROXY" : "http_proxy", "all_proxy", "ALL_PROXY"}) {
    const char* const value = std::getenv(name);
    if (value == nullptr || *value == '\0') continue;
    const std::unique_ptr<CURLU, FreeUrl> proxy(curl_url());
    if (curl_url_set(proxy.get(), CURLUPART_URL, value,
                     CURLU_GUESS_SCHEME | CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK) {
      continue;
    }
    const std::string host = Get(proxy.get(), CURLUPART_HOST);
    std::string port = Get(proxy.get(), CURLUPART_PORT);
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
