// What the users of libcurl's URL parser share.
#ifndef VOLSTREAM_STAGES_CURL_URL_H_
#define VOLSTREAM_STAGES_CURL_URL_H_

#include <curl/curl.h>

#include <memory>
#include <string>

namespace volstream {

struct FreeCurlUrl {
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
};
using CurlUrl = std::unique_ptr<CURLU, FreeCurlUrl>;

// A part of it, as it is written; empty where there is none.
inline std::string PartOf(const CurlUrl& url, CURLUPart part) {
  char* text = nullptr;
  if (curl_url_get(url.get(), part, &text, 0) != CURLUE_OK || text == nullptr) return "";
  std::string result(text);
  curl_free(text);
  return result;
}

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_CURL_URL_H_
