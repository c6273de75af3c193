// What a server may answer: every parser of S3's documents, and the messages made of its errors.
#include <optional>
#include <string>
#include <string_view>

#include "engine/check.h"
#include "stages/s3_error.h"
#include "stages/s3_requests.h"

namespace volstream {
namespace {

void FuzzOne(std::string_view xml) {
  ParseUploadId(xml).IgnoreError();
  ParseObjectPage(xml).IgnoreError();
  ParseUploadPage(xml).IgnoreError();
  ParsePartCount(xml).IgnoreError();
  ParseDeleteFailures(xml).IgnoreError();
  ParseDeleteMarkers(xml).IgnoreError();
  PlainEtag(xml);
  // A message is one line of bounded length, whatever the server sends.
  const std::string text = ServerText(xml);
  VS_CHECK(text.find('\n') == std::string::npos);
  VS_CHECK(text.size() < 4096);
  S3Failure failure;
  failure.http_status = xml.empty() ? 0 : 100 + static_cast<uint8_t>(xml[0]) * 2;
  if (const std::optional<S3ErrorDocument> document = ParseErrorDocument(xml)) {
    failure.code = document->code;
    failure.message = document->message;
  }
  const absl::Status status = S3StatusOf(failure, "object a", "http://localhost:1");
  VS_CHECK(!status.ok());
  VS_CHECK(S3CodeOf(status) == failure.code);
}

}  // namespace
}  // namespace volstream

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // In memory of just its size, so that reading beyond shows.
  const std::string xml(reinterpret_cast<const char*>(data), size);
  volstream::FuzzOne(xml);
  return 0;
}
