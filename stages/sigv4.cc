#include "stages/sigv4.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "engine/check.h"
#include "stages/absl_text.h"

namespace volstream {
namespace {

constexpr char kAlgorithm[] = "AWS4-HMAC-SHA256";

bool IsUnreserved(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '.' || c == '_' ||
         c == '~';
}

// Trimmed, with each run of blanks as one, as the canonical form wants.
std::string CanonicalValue(const std::string& value) {
  std::string result = value;
  absl::RemoveExtraAsciiWhitespace(&result);
  return result;
}

struct CanonicalHeaders {
  std::string lines;  // "name:value\n" each
  std::string names;  // joined by ';'
};

CanonicalHeaders Canonicalize(const std::vector<HttpHeader>& headers) {
  std::vector<std::pair<std::string, std::string>> sorted;
  sorted.reserve(headers.size());
  for (const HttpHeader& header : headers) {
    sorted.emplace_back(absl::AsciiStrToLower(header.name), CanonicalValue(header.value));
  }
  // Stable: the values of a header that comes twice stay in the order in which they are sent.
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  CanonicalHeaders result;
  for (size_t i = 0; i < sorted.size(); ++i) {
    if (i > 0 && sorted[i].first == sorted[i - 1].first) {
      result.lines.back() = ',';
      absl::StrAppend(&result.lines, sorted[i].second, "\n");
      continue;
    }
    absl::StrAppend(&result.lines, sorted[i].first, ":", sorted[i].second, "\n");
    absl::StrAppend(&result.names, result.names.empty() ? "" : ";", sorted[i].first);
  }
  return result;
}

}  // namespace

std::string UriEncode(std::string_view text, bool keep_slash) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  std::string result;
  result.reserve(text.size());
  for (const char c : text) {
    if (IsUnreserved(c) || (c == '/' && keep_slash)) {
      result.push_back(c);
    } else {
      const auto byte = static_cast<uint8_t>(c);
      result.push_back('%');
      result.push_back(kDigits[byte >> 4]);
      result.push_back(kDigits[byte & 15]);
    }
  }
  return result;
}

std::string CanonicalQuery(std::vector<QueryParam> params) {
  // The order is that of the encoded names, then of the encoded values.
  for (QueryParam& param : params) {
    param.name = UriEncode(param.name, false);
    param.value = UriEncode(param.value, false);
  }
  std::sort(params.begin(), params.end(), [](const QueryParam& a, const QueryParam& b) {
    return std::tie(a.name, a.value) < std::tie(b.name, b.value);
  });
  std::string query;
  for (const QueryParam& param : params) {
    absl::StrAppend(&query, query.empty() ? "" : "&", param.name, "=", param.value);
  }
  return query;
}

std::string AmzDate(absl::Time time) {
  return absl::FormatTime("%Y%m%dT%H%M%SZ", time, absl::UTCTimeZone());
}

Sigv4Signer::Sigv4Signer(std::string access_key_id, std::string secret_access_key,
                         std::string region, std::string service)
    : access_key_id_(std::move(access_key_id)),
      secret_access_key_(std::move(secret_access_key)),
      region_(std::move(region)),
      service_(std::move(service)) {}

Sigv4Signer::~Sigv4Signer() {
  WipeSecret(secret_access_key_);
  MutexLock lock(&mu_);
  WipeSecret(key_);
}

std::string Sigv4Signer::Authorization(const SigningInput& input) const {
  VS_CHECK(input.headers != nullptr);
  const CanonicalHeaders headers = Canonicalize(*input.headers);
  const std::string canonical_request = absl::StrCat(
      ToAbsl(HttpMethodName(input.method)), "\n", ToAbsl(input.path), "\n", ToAbsl(input.query),
      "\n", headers.lines, "\n", headers.names, "\n", ToAbsl(input.payload_hash));
  const std::string stamp = AmzDate(input.time);
  const std::string date = stamp.substr(0, 8);
  const std::string scope = absl::StrCat(date, "/", region_, "/", service_, "/aws4_request");
  const std::string to_sign = absl::StrCat(kAlgorithm, "\n", stamp, "\n", scope, "\n",
                                           ToHex(Sha256Of(AsBytes(canonical_request))));
  Sha256Digest key = KeyFor(date);
  const std::string signature = ToHex(HmacSha256(key, AsBytes(to_sign)));
  WipeSecret(key);
  return absl::StrCat(kAlgorithm, " Credential=", access_key_id_, "/", scope,
                      ", SignedHeaders=", headers.names, ", Signature=", signature);
}

Sha256Digest Sigv4Signer::KeyFor(const std::string& date) const {
  MutexLock lock(&mu_);
  if (date != key_date_) {
    std::string seed = absl::StrCat("AWS4", secret_access_key_);
    Sha256Digest key = HmacSha256(AsBytes(seed), AsBytes(date));
    WipeSecret(seed);
    key = HmacSha256(key, AsBytes(region_));
    key = HmacSha256(key, AsBytes(service_));
    key_ = HmacSha256(key, AsBytes("aws4_request"));
    WipeSecret(key);
    key_date_ = date;
  }
  return key_;
}

}  // namespace volstream
