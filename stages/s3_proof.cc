#include "stages/s3_proof.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "stages/absl_text.h"
#include "stages/error_kind.h"
#include "stages/s3_requests.h"

namespace volstream {
namespace {

constexpr size_t kMd5Digits = 32;

}  // namespace

std::string_view EncryptionOf(const HttpResponse& response) {
  if (!response.Header("x-amz-server-side-encryption-customer-algorithm").empty()) return "SSE-C";
  const std::string_view sse = response.Header("x-amz-server-side-encryption");
  if (absl::StartsWith(ToAbsl(sse), "aws:kms")) return "SSE-KMS";
  return sse.empty() ? "" : "SSE-S3";
}

bool IsMd5Etag(const HttpResponse& response, std::string_view etag) {
  const std::string_view encryption = EncryptionOf(response);
  if (encryption == "SSE-KMS" || encryption == "SSE-C") return false;
  const std::string_view hash = etag.substr(0, etag.find('-'));
  return hash.size() == kMd5Digits && std::all_of(hash.begin(), hash.end(), [](char c) {
           return absl::ascii_isxdigit(static_cast<unsigned char>(c));
         });
}

absl::Status ConfirmEncryption(S3Encryption asked, const HttpResponse& created,
                               const std::string& url) {
  std::string_view wanted;
  switch (asked) {
    case S3Encryption::kDefault:
      return absl::OkStatus();
    case S3Encryption::kS3:
      wanted = "SSE-S3";
      break;
    case S3Encryption::kKms:
      wanted = "SSE-KMS";
      break;
    case S3Encryption::kCustomerKey:
      wanted = "SSE-C";
      break;
  }
  if (EncryptionOf(created) == wanted) return absl::OkStatus();
  return MakeError(
      ErrorKind::kS3, absl::StatusCode::kFailedPrecondition,
      absl::StrCat(url, ": the server does not confirm the encryption asked for (", ToAbsl(wanted),
                   "): choose one that the provider offers, or leave --sse out"));
}

S3Proof ProveByHead(const HttpResponse& head, const S3Expectation& expected) {
  S3Proof proof;
  proof.etag = PlainEtag(head.Header("ETag"));
  uint64_t bytes = 0;
  const std::string_view length = head.Header("Content-Length");
  if (!absl::SimpleAtoi(ToAbsl(length), &bytes) || bytes != expected.bytes) {
    proof.difference =
        absl::StrCat("the object has ", ToAbsl(length), " bytes, not ", expected.bytes);
    return proof;
  }
  const bool md5 = IsMd5Etag(head, proof.etag);
  if (md5 && !absl::EqualsIgnoreCase(proof.etag, expected.etag)) {
    proof.difference = absl::StrCat("the object has ETag ", proof.etag, ", not ", expected.etag);
    return proof;
  }
  const std::string_view checksum =
      expected.checksum.empty() ? "" : head.Header(expected.checksum_header);
  // The checksum of a multipart object may also be one of the parts' checksums, which ends in
  // their number; it says nothing of the bytes as a whole.
  const bool whole = !checksum.empty() && !absl::StrContains(ToAbsl(checksum), '-');
  if (whole && checksum != expected.checksum) {
    proof.difference = absl::StrCat("the object has ", expected.checksum_algorithm, " ",
                                    ToAbsl(checksum), ", not ", expected.checksum);
    return proof;
  }
  proof.same = true;
  const std::string_view encryption = EncryptionOf(head);
  std::string text = "size";
  if (md5) text += ", ETag";
  if (whole) absl::StrAppend(&text, ", ", expected.checksum_algorithm);
  if (!md5) {
    text += ", Content-MD5 of each part; the ETag is no MD5";
    if (!encryption.empty()) absl::StrAppend(&text, " under ", ToAbsl(encryption));
  }
  proof.facts.emplace_back("proof", std::move(text));
  if (!encryption.empty()) proof.facts.emplace_back("encryption", encryption);
  if (!expected.checksum.empty()) {
    proof.facts.emplace_back("checksum",
                             absl::StrCat(expected.checksum_algorithm, " ", expected.checksum,
                                          whole ? "" : " (sent; the server keeps none)"));
  }
  const std::pair<const char*, const char*> kTold[] = {
      {"version_id", "x-amz-version-id"}, {"locked_until", "x-amz-object-lock-retain-until-date"}};
  for (const auto& [name, header] : kTold) {
    if (const std::string_view value = head.Header(header); !value.empty()) {
      proof.facts.emplace_back(name, value);
    }
  }
  return proof;
}

}  // namespace volstream
