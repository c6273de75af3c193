// What is said of proxies when a transfer fails. Which proxy a transfer takes, libcurl decides by
// itself: http_proxy (lower case alone), https_proxy or HTTPS_PROXY, all_proxy or ALL_PROXY, and
// no_proxy or NO_PROXY for hosts that are reached without one.
#ifndef VOLSTREAM_STAGES_CURL_PROXY_H_
#define VOLSTREAM_STAGES_CURL_PROXY_H_

#include <string>
#include <string_view>

namespace volstream {

// The proxy, as host:port, that libcurl's `detail` of a failed connection for `url` is about; empty
// if it is about the URL's own host.
std::string ProxyThatFailed(std::string_view url, std::string_view detail);

// `text` of libcurl's without the user name and password of a URL that is in it.
std::string WithoutUserInfo(std::string_view text);

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_CURL_PROXY_H_
