#include "stages/s3_requests.h"

#include <cctype>
#include <utility>

#include <pugixml.hpp>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "engine/check.h"
#include "engine/status_macros.h"
#include "stages/absl_text.h"

namespace volstream {
namespace {

// A page holds at most 1,000 entries of a key of 1,024 bytes (three times that when encoded).
constexpr size_t kMaxPageBytes = 8 * kMiB;
constexpr char kXmlHead[] = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

S3Request Make(HttpMethod method, std::string_view key) {
  S3Request request;
  request.method = method;
  request.key = std::string(key);
  return request;
}

HttpHeader ContentMd5(const Md5Digest& md5) { return {"Content-MD5", ToBase64(md5)}; }

// Undoes encoding-type=url, in which a blank is '+' (AWS) or %20 (Ceph).
std::string UrlDecode(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && std::isxdigit(uint8_t(text[i + 1])) &&
        std::isxdigit(uint8_t(text[i + 2]))) {
      result.push_back(
          static_cast<char>(std::stoi(std::string(text.substr(i + 1, 2)), nullptr, 16)));
      i += 2;
    } else {
      result.push_back(text[i] == '+' ? ' ' : text[i]);
    }
  }
  return result;
}

absl::Status Malformed(std::string_view root, absl::string_view problem) {
  return absl::InternalError(
      absl::StrCat("the server's <", ToAbsl(root), "> is not as S3 specifies it: ", problem));
}

// Loads `xml` and returns its root, which has to be called `name`.
absl::StatusOr<pugi::xml_node> Root(pugi::xml_document& document, std::string_view xml,
                                    std::string_view name) {
  const pugi::xml_parse_result result = document.load_buffer(
      xml.data(), xml.size(), pugi::parse_default | pugi::parse_ws_pcdata_single);
  if (!result) return Malformed(name, result.description());
  const pugi::xml_node root = document.document_element();
  if (name != root.name()) {
    return Malformed(name, absl::StrCat("the root is <", root.name(), ">"));
  }
  return root;
}

absl::StatusOr<absl::Time> TimeOf(const pugi::xml_node& node, const char* child,
                                  std::string_view root) {
  absl::Time time;
  std::string error;
  if (!absl::ParseTime(absl::RFC3339_full, node.child_value(child), &time, &error)) {
    return Malformed(root, absl::StrCat("bad <", child, ">: ", error));
  }
  return time;
}

}  // namespace

std::string S3XmlText(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '&':
        result += "&amp;";
        break;
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '"':
        result += "&quot;";
        break;
      // A parser would turn a bare carriage return into a line feed.
      case '\r':
        result += "&#13;";
        break;
      default:
        result.push_back(c);
    }
  }
  return result;
}

S3Request HeadObjectRequest(std::string_view key) { return Make(HttpMethod::kHead, key); }

S3Request GetObjectRequest(std::string_view key, size_t max_bytes) {
  S3Request request = Make(HttpMethod::kGet, key);
  request.max_response_bytes = max_bytes;
  return request;
}

S3Request GetRangeRequest(std::string_view key, uint64_t offset, MutableByteSpan sink) {
  VS_CHECK(!sink.empty());
  S3Request request = Make(HttpMethod::kGet, key);
  request.headers.push_back(
      {"Range", absl::StrCat("bytes=", offset, "-", offset + sink.size() - 1)});
  request.sink = sink;
  return request;
}

S3Request PutObjectRequest(std::string_view key, ByteSpan body, const Md5Digest& md5) {
  S3Request request = Make(HttpMethod::kPut, key);
  request.headers.push_back(ContentMd5(md5));
  request.body = body;
  return request;
}

S3Request DeleteObjectRequest(std::string_view key, std::string_view version_id) {
  S3Request request = Make(HttpMethod::kDelete, key);
  if (!version_id.empty()) request.query = {{"versionId", std::string(version_id)}};
  return request;
}
S3Request PutSmallObjectRequest(std::string_view key, std::string body) {
  S3Request request = Make(HttpMethod::kPut, key);
  request.headers.push_back(ContentMd5(Md5Of(AsBytes(body))));
  request.owned_body = std::move(body);
  return request;
}

S3Request PutIfAbsentRequest(std::string_view key, std::string body) {
  S3Request request = PutSmallObjectRequest(key, std::move(body));
  request.headers.push_back({"If-None-Match", "*"});
  return request;
}

S3Request PutIfMatchRequest(std::string_view key, std::string body, std::string_view etag) {
  S3Request request = PutSmallObjectRequest(key, std::move(body));
  request.headers.push_back({"If-Match", std::string(etag)});
  return request;
}

S3Request DeleteObjectsRequest(const std::vector<std::string>& keys, bool quiet) {
  VS_CHECK(keys.size() <= kS3MaxDeleteBatch);
  S3Request request = Make(HttpMethod::kPost, "");
  request.query = {{"delete", ""}};
  request.owned_body = absl::StrCat(kXmlHead, "<Delete xmlns=\"", kS3XmlNamespace, "\"><Quiet>",
                                    quiet ? "true" : "false", "</Quiet>");
  for (const std::string& key : keys) {
    absl::StrAppend(&request.owned_body, "<Object><Key>", S3XmlText(key), "</Key></Object>");
  }
  request.owned_body += "</Delete>";
  request.headers = {ContentMd5(Md5Of(AsBytes(request.owned_body))),
                     {"Content-Type", "application/xml"}};
  request.max_response_bytes = kMaxPageBytes;
  return request;
}

S3Request HeadBucketRequest() { return Make(HttpMethod::kHead, ""); }

S3Request ListObjectsRequest(std::string_view prefix, std::string_view token, int max_keys) {
  S3Request request = Make(HttpMethod::kGet, "");
  request.query = {{"list-type", "2"},
                   {"delimiter", "/"},
                   {"encoding-type", "url"},
                   {"max-keys", absl::StrCat(max_keys)},
                   {"prefix", std::string(prefix)}};
  if (!token.empty()) request.query.push_back({"continuation-token", std::string(token)});
  request.max_response_bytes = kMaxPageBytes;
  return request;
}

S3Request CreateUploadRequest(std::string_view key) {
  S3Request request = Make(HttpMethod::kPost, key);
  request.query = {{"uploads", ""}};
  return request;
}

S3Request UploadPartRequest(std::string_view key, std::string_view upload_id, uint64_t part_number,
                            ByteSpan body, const Md5Digest& md5) {
  S3Request request = PutObjectRequest(key, body, md5);
  request.query = {{"partNumber", absl::StrCat(part_number)}, {"uploadId", std::string(upload_id)}};
  return request;
}

S3Request CompleteUploadRequest(std::string_view key, std::string_view upload_id,
                                const std::vector<UploadedPart>& parts,
                                std::string_view checksum_element) {
  S3Request request = Make(HttpMethod::kPost, key);
  request.query = {{"uploadId", std::string(upload_id)}};
  std::string& xml = request.owned_body;
  xml = absl::StrCat(kXmlHead, "<CompleteMultipartUpload xmlns=\"", kS3XmlNamespace, "\">");
  const absl::string_view element = ToAbsl(checksum_element);
  for (size_t i = 0; i < parts.size(); ++i) {
    absl::StrAppend(&xml, "<Part><PartNumber>", i + 1, "</PartNumber><ETag>",
                    S3XmlText(absl::StrCat("\"", parts[i].etag, "\"")), "</ETag>");
    if (!parts[i].checksum.empty()) {
      absl::StrAppend(&xml, "<", element, ">", S3XmlText(parts[i].checksum), "</", element, ">");
    }
    xml += "</Part>";
  }
  request.owned_body += "</CompleteMultipartUpload>";
  request.headers = {{"Content-Type", "application/xml"}};
  request.error_in_ok_body = true;
  return request;
}

S3Request AbortUploadRequest(std::string_view key, std::string_view upload_id) {
  S3Request request = Make(HttpMethod::kDelete, key);
  request.query = {{"uploadId", std::string(upload_id)}};
  return request;
}

S3Request ListPartsRequest(std::string_view key, std::string_view upload_id) {
  S3Request request = Make(HttpMethod::kGet, key);
  request.query = {{"uploadId", std::string(upload_id)}, {"max-parts", "1"}};
  return request;
}

S3Request ListUploadsRequest(std::string_view prefix, std::string_view key_marker,
                             std::string_view upload_id_marker) {
  S3Request request = Make(HttpMethod::kGet, "");
  request.query = {{"uploads", ""},
                   {"encoding-type", "url"},
                   {"max-uploads", "1000"},
                   {"prefix", std::string(prefix)}};
  if (!key_marker.empty()) request.query.push_back({"key-marker", std::string(key_marker)});
  if (!upload_id_marker.empty()) {
    request.query.push_back({"upload-id-marker", std::string(upload_id_marker)});
  }
  request.max_response_bytes = kMaxPageBytes;
  return request;
}

std::optional<S3ErrorDocument> ParseErrorDocument(std::string_view xml) {
  pugi::xml_document document;
  const absl::StatusOr<pugi::xml_node> root = Root(document, xml, "Error");
  if (!root.ok()) return std::nullopt;
  S3ErrorDocument error{root->child_value("Code"), root->child_value("Message")};
  if (error.code.empty()) return std::nullopt;
  return error;
}

absl::StatusOr<std::string> ParseUploadId(std::string_view xml) {
  constexpr std::string_view kRoot = "InitiateMultipartUploadResult";
  pugi::xml_document document;
  VS_ASSIGN_OR_RETURN(const pugi::xml_node root, Root(document, xml, kRoot));
  std::string upload_id = root.child_value("UploadId");
  if (upload_id.empty()) return Malformed(kRoot, "no <UploadId>");
  return upload_id;
}

absl::StatusOr<ObjectPage> ParseObjectPage(std::string_view xml) {
  constexpr std::string_view kRoot = "ListBucketResult";
  pugi::xml_document document;
  VS_ASSIGN_OR_RETURN(const pugi::xml_node root, Root(document, xml, kRoot));
  const bool encoded = absl::string_view(root.child_value("EncodingType")) == "url";
  ObjectPage page;
  for (const pugi::xml_node& node : root.children("Contents")) {
    ListedObject object;
    object.key = encoded ? UrlDecode(node.child_value("Key")) : node.child_value("Key");
    if (object.key.empty()) return Malformed(kRoot, "an entry without <Key>");
    if (!absl::SimpleAtoi(node.child_value("Size"), &object.bytes)) {
      return Malformed(kRoot, "an entry without <Size>");
    }
    VS_ASSIGN_OR_RETURN(object.modified, TimeOf(node, "LastModified", kRoot));
    object.etag = PlainEtag(node.child_value("ETag"));
    page.objects.push_back(std::move(object));
  }
  if (absl::string_view(root.child_value("IsTruncated")) == "true") {
    page.next_token = root.child_value("NextContinuationToken");
    if (page.next_token.empty()) return Malformed(kRoot, "cut short without a next page");
  }
  return page;
}

absl::StatusOr<UploadPage> ParseUploadPage(std::string_view xml) {
  constexpr std::string_view kRoot = "ListMultipartUploadsResult";
  pugi::xml_document document;
  VS_ASSIGN_OR_RETURN(const pugi::xml_node root, Root(document, xml, kRoot));
  const bool encoded = absl::string_view(root.child_value("EncodingType")) == "url";
  const auto text = [encoded](const char* value) {
    return encoded ? UrlDecode(value) : std::string(value);
  };
  UploadPage page;
  for (const pugi::xml_node& node : root.children("Upload")) {
    ListedUpload upload;
    upload.key = text(node.child_value("Key"));
    upload.upload_id = node.child_value("UploadId");
    if (upload.key.empty() || upload.upload_id.empty()) {
      return Malformed(kRoot, "an entry without <Key> or <UploadId>");
    }
    VS_ASSIGN_OR_RETURN(upload.initiated, TimeOf(node, "Initiated", kRoot));
    page.uploads.push_back(std::move(upload));
  }
  page.truncated = absl::string_view(root.child_value("IsTruncated")) == "true";
  page.next_key_marker = text(root.child_value("NextKeyMarker"));
  page.next_upload_id_marker = root.child_value("NextUploadIdMarker");
  if (page.truncated && page.next_key_marker.empty()) {
    return Malformed(kRoot, "cut short without a next page");
  }
  return page;
}

absl::StatusOr<size_t> ParsePartCount(std::string_view xml) {
  pugi::xml_document document;
  VS_ASSIGN_OR_RETURN(const pugi::xml_node root, Root(document, xml, "ListPartsResult"));
  size_t count = 0;
  for ([[maybe_unused]] const pugi::xml_node& part : root.children("Part")) ++count;
  return count;
}

absl::StatusOr<std::vector<DeleteFailure>> ParseDeleteFailures(std::string_view xml) {
  pugi::xml_document document;
  VS_ASSIGN_OR_RETURN(const pugi::xml_node root, Root(document, xml, "DeleteResult"));
  std::vector<DeleteFailure> failures;
  for (const pugi::xml_node& node : root.children("Error")) {
    failures.push_back(
        {node.child_value("Key"), node.child_value("Code"), node.child_value("Message")});
  }
  return failures;
}

absl::StatusOr<std::vector<DeletedMarker>> ParseDeleteMarkers(std::string_view xml) {
  pugi::xml_document document;
  VS_ASSIGN_OR_RETURN(const pugi::xml_node root, Root(document, xml, "DeleteResult"));
  std::vector<DeletedMarker> markers;
  for (const pugi::xml_node& node : root.children("Deleted")) {
    const std::string version_id = node.child_value("DeleteMarkerVersionId");
    if (!version_id.empty()) markers.push_back({node.child_value("Key"), version_id});
  }
  return markers;
}

std::string PlainEtag(std::string_view etag) {
  if (etag.substr(0, 2) == "W/") etag.remove_prefix(2);
  if (etag.size() >= 2 && etag.front() == '"' && etag.back() == '"') {
    etag = etag.substr(1, etag.size() - 2);
  }
  return std::string(etag);
}

}  // namespace volstream
