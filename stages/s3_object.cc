#include "stages/s3_object.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "stages/absl_text.h"
#include "stages/digest.h"
#include "stages/error_kind.h"
#include "stages/sigv4.h"

namespace volstream {
namespace {

constexpr size_t kCustomerKeyBytes = 32;
// Amazon S3 User Guide, "Categorizing your storage using tags".
constexpr size_t kMaxTags = 10;
constexpr size_t kMaxMetadataBytes = 2048;
constexpr char kEncryption[] = "x-amz-server-side-encryption";

absl::Status Invalid(const std::string& message) {
  return MakeError(ErrorKind::kS3, absl::StatusCode::kInvalidArgument, message);
}

bool IsGraphic(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return absl::ascii_isgraph(static_cast<unsigned char>(c)); });
}

bool IsMetadataName(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_';
  });
}

bool IsPrintable(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return absl::ascii_isprint(static_cast<unsigned char>(c)); });
}

}  // namespace

S3ObjectOptions::~S3ObjectOptions() { WipeSecret(customer_key); }

absl::Status S3ObjectOptions::Validate(bool https) const {
  if (encryption == S3Encryption::kCustomerKey) {
    if (customer_key.size() != kCustomerKeyBytes) {
      return Invalid("encryption with a customer key needs a key of 32 bytes");
    }
    if (!https) {
      return Invalid(
          "a customer key goes with every request: it needs an https:// endpoint, and this one is "
          "http://");
    }
  }
  if (!IsGraphic(kms_key_id) || !IsGraphic(storage_class)) {
    return Invalid("the KMS key or the storage class holds a blank or a control character");
  }
  if (tags.size() > kMaxTags) return Invalid(absl::StrCat("S3 takes at most ", kMaxTags, " tags"));
  size_t metadata_bytes = 0;
  for (const auto& [name, value] : metadata) {
    if (!IsMetadataName(name) || !IsPrintable(value)) {
      return Invalid(absl::StrCat("metadata \"", name, "\": a name holds letters, digits, '-' and ",
                                  "'_', a value printable ASCII"));
    }
    metadata_bytes += name.size() + value.size();
  }
  if (metadata_bytes > kMaxMetadataBytes) {
    return Invalid(absl::StrCat("S3 takes at most ", kMaxMetadataBytes, " bytes of metadata"));
  }
  if (lock_mode.empty() != (lock_for == absl::ZeroDuration())) {
    return Invalid("Object Lock needs both a mode and a time to hold");
  }
  return absl::OkStatus();
}

std::vector<HttpHeader> S3ObjectOptions::CreateHeaders(absl::Time now, bool archive) const {
  std::vector<HttpHeader> headers = KeyHeaders();
  if (encryption == S3Encryption::kS3) headers.push_back({kEncryption, "AES256"});
  if (encryption == S3Encryption::kKms) {
    headers.push_back({kEncryption, "aws:kms"});
    if (!kms_key_id.empty()) {
      headers.push_back({"x-amz-server-side-encryption-aws-kms-key-id", kms_key_id});
    }
  }
  if (archive && !storage_class.empty()) headers.push_back({"x-amz-storage-class", storage_class});
  if (!tags.empty()) {
    std::string text;
    for (const auto& [name, value] : tags) {
      absl::StrAppend(&text, text.empty() ? "" : "&", UriEncode(name, false), "=",
                      UriEncode(value, false));
    }
    headers.push_back({"x-amz-tagging", std::move(text)});
  }
  for (const auto& [name, value] : metadata) {
    headers.push_back({absl::StrCat("x-amz-meta-", absl::AsciiStrToLower(name)), value});
  }
  if (!lock_mode.empty()) {
    headers.push_back({"x-amz-object-lock-mode", lock_mode});
    headers.push_back(
        {"x-amz-object-lock-retain-until-date",
         absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", now + lock_for, absl::UTCTimeZone())});
  }
  return headers;
}

std::vector<HttpHeader> S3ObjectOptions::KeyHeaders() const {
  if (encryption != S3Encryption::kCustomerKey) return {};
  const std::string prefix = absl::StrCat(kEncryption, "-customer-");
  return {{prefix + "algorithm", "AES256"},
          {prefix + "key", absl::Base64Escape(customer_key)},
          {prefix + "key-MD5", ToBase64(Md5Of(AsBytes(customer_key)))}};
}

absl::StatusOr<std::string> ReadCustomerKey(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    return Invalid(absl::StrCat("cannot read the key file ", path, ": ", std::strerror(errno)));
  }
  // One byte more than the longest form, so that a longer file is seen.
  constexpr size_t kMaxFileBytes = 64;
  std::string text(kMaxFileBytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(file.gcount()));
  if (text.size() == kCustomerKeyBytes) return text;
  std::string key;
  const bool decoded = absl::Base64Unescape(absl::StripAsciiWhitespace(text), &key);
  WipeSecret(text);
  if (decoded && key.size() == kCustomerKeyBytes) return key;
  WipeSecret(key);
  return Invalid(absl::StrCat("the key file ", path, " holds no key: it needs 32 bytes, as they ",
                              "are or in base64 (openssl rand -base64 32 makes one)"));
}

absl::StatusOr<std::pair<std::string, std::string>> ParseNameValue(std::string_view text,
                                                                   std::string_view option) {
  const size_t equals = text.find('=');
  if (equals == std::string_view::npos || equals == 0) {
    return Invalid(absl::StrCat(ToAbsl(option), " ", ToAbsl(text), ": write NAME=VALUE"));
  }
  return std::make_pair(std::string(text.substr(0, equals)), std::string(text.substr(equals + 1)));
}

}  // namespace volstream
