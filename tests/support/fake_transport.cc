#include "tests/support/fake_transport.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <set>

#include <pugixml.hpp>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "stages/absl_text.h"
#include "stages/digest.h"

namespace volstream {
namespace {

std::string Decode(absl::string_view text) {
  std::string result;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size()) {
      result += absl::HexStringToBytes(text.substr(i + 1, 2));
      i += 2;
    } else {
      result.push_back(text[i]);
    }
  }
  return result;
}

std::string Encode(const std::string& text) {
  // AWS's way in lists: a blank becomes '+'.
  std::string result;
  for (const char c : text) {
    if (std::isalnum(static_cast<unsigned char>(c)) || std::strchr("-._~/", c) != nullptr) {
      result.push_back(c);
    } else if (c == ' ') {
      result.push_back('+');
    } else {
      char buffer[4];
      std::snprintf(buffer, sizeof buffer, "%%%02X", static_cast<unsigned char>(c));
      result += buffer;
    }
  }
  return result;
}

std::string Text(ByteSpan bytes) { return std::string(bytes.begin(), bytes.end()); }

HttpResponse Ok(std::string body = "", std::vector<HttpHeader> headers = {}, int status = 200) {
  HttpResponse response;
  response.status = status;
  response.headers = std::move(headers);
  response.body = std::move(body);
  return response;
}

std::string Quoted(const std::string& text) { return absl::StrCat("\"", text, "\""); }

std::string PathOf(const std::string& url) {
  const size_t start = url.find('/', url.find("://") + 3);
  return url.substr(start);
}

}  // namespace

HttpResponse S3ErrorResponse(int status, std::string_view code, std::string_view message) {
  return Ok(absl::StrCat("<?xml version=\"1.0\"?><Error><Code>", ToAbsl(code), "</Code><Message>",
                         ToAbsl(message), "</Message></Error>"),
            {}, status);
}

std::string FakeTransport::Sent::Header(std::string_view name) const {
  for (const HttpHeader& header : headers) {
    if (absl::EqualsIgnoreCase(header.name, ToAbsl(name))) return header.value;
  }
  return "";
}

void FakeTransport::Submit(HttpRequest request, Done done) {
  absl::StatusOr<HttpResponse> result = absl::CancelledError("cancelled");
  {
    MutexLock lock(&mu_);
    const bool cancelled =
        cancel_all_ || (request.cancelled != nullptr && request.cancelled->load());
    if (!cancelled) {
      if (request.prepare) request.prepare(request);
      const std::string target = PathOf(request.url);
      const std::string method(HttpMethodName(request.method));
      const std::string line = absl::StrCat(method, " ", target);
      sent_.push_back({line, request.headers, Text(request.body), request.delay});

      TransportFault fault;
      for (TransportFault& candidate : faults_) {
        const std::pair<std::string, std::string> match =
            absl::StrSplit(candidate.match, absl::MaxSplits(' ', 1));
        if (candidate.times > 0 && (match.first == "*" || match.first == method) &&
            absl::StrContains(target, match.second)) {
          --candidate.times;
          fault = candidate;
          break;
        }
      }
      if (fault.hang) {
        held_.emplace_back(std::move(request), std::move(done));
        return;
      }
      const std::pair<std::string, std::string> halves =
          absl::StrSplit(target, absl::MaxSplits('?', 1));
      Parsed parsed{request.method, Decode(halves.first).substr(1), {}};
      for (absl::string_view param : absl::StrSplit(halves.second, '&', absl::SkipEmpty())) {
        const std::pair<std::string, std::string> pair =
            absl::StrSplit(param, absl::MaxSplits('=', 1));
        parsed.query[Decode(pair.first)] = Decode(pair.second);
      }
      const bool lost = !fault.transport.ok() || fault.response.has_value();
      HttpResponse served;
      if (!lost || fault.take_effect) served = Serve(parsed, request);
      if (!fault.transport.ok()) {
        result = fault.transport;
      } else {
        if (fault.response.has_value()) served = *fault.response;
        if (fault.edit) fault.edit(served);
        if (!request.sink.empty() && served.status / 100 == 2) {
          const size_t bytes = std::min(served.body.size(), request.sink.size());
          if (bytes > 0) std::memcpy(request.sink.data(), served.body.data(), bytes);
          served.sink_bytes = bytes;
          served.body.clear();
        }
        result = std::move(served);
      }
    }
  }
  done(std::move(result));
}

void FakeTransport::Sweep() { EndHeld(false); }

void FakeTransport::SetConcurrency(int transfers) {
  MutexLock lock(&mu_);
  concurrency_limits_.push_back(transfers);
}

std::vector<int> FakeTransport::ConcurrencyLimits() const {
  MutexLock lock(&mu_);
  return concurrency_limits_;
}

void FakeTransport::CancelAll() {
  {
    MutexLock lock(&mu_);
    cancel_all_ = true;
  }
  EndHeld(true);
}

void FakeTransport::EndHeld(bool all) {
  std::vector<Done> ended;
  {
    MutexLock lock(&mu_);
    std::vector<std::pair<HttpRequest, Done>> kept;
    for (auto& [request, done] : held_) {
      if (all || (request.cancelled != nullptr && request.cancelled->load())) {
        ended.push_back(std::move(done));
      } else {
        kept.emplace_back(std::move(request), std::move(done));
      }
    }
    held_.swap(kept);
  }
  for (const Done& done : ended) done(absl::CancelledError("cancelled"));
}

void FakeTransport::Add(TransportFault fault) {
  MutexLock lock(&mu_);
  faults_.push_back(std::move(fault));
}

std::vector<FakeTransport::Sent> FakeTransport::Requests(std::string_view text) const {
  MutexLock lock(&mu_);
  std::vector<Sent> found;
  for (const Sent& sent : sent_) {
    if (absl::StrContains(sent.line, ToAbsl(text))) found.push_back(sent);
  }
  return found;
}

std::map<std::string, std::string> FakeTransport::Objects() const {
  MutexLock lock(&mu_);
  std::map<std::string, std::string> objects;
  for (const auto& [path, object] : objects_) objects[path] = object.data;
  return objects;
}

void FakeTransport::PutObject(const std::string& path, const std::string& data) {
  MutexLock lock(&mu_);
  objects_[path] = {data, ToHex(Md5Of(AsBytes(data)))};
}

size_t FakeTransport::UploadCount() const {
  MutexLock lock(&mu_);
  return uploads_.size();
}

void FakeTransport::SetNow(absl::Time now) {
  MutexLock lock(&mu_);
  now_ = now;
}

HttpResponse FakeTransport::Serve(const Parsed& parsed, const HttpRequest& request) {
  for (const HttpHeader& header : request.headers) {
    if (header.name == "Content-MD5" && header.value != ToBase64(Md5Of(request.body))) {
      return S3ErrorResponse(400, "BadDigest");
    }
  }
  const auto& query = parsed.query;
  if (query.count("list-type") > 0) return List(parsed);
  if (query.count("delete") > 0) return DeleteMany(parsed, request);
  if (query.count("uploadId") > 0) return ServeUpload(parsed, request);
  if (query.count("uploads") > 0) {
    if (parsed.method == HttpMethod::kGet) return ListUploads(parsed);
    const std::string id = absl::StrCat("upload-", next_upload_++);
    uploads_[id] = {parsed.path, now_, {}};
    return Ok(absl::StrCat("<InitiateMultipartUploadResult><UploadId>", id,
                           "</UploadId></InitiateMultipartUploadResult>"));
  }
  return ServeObject(parsed, request);
}

HttpResponse FakeTransport::ServeObject(const Parsed& parsed, const HttpRequest& request) {
  if (parsed.method == HttpMethod::kPut) {
    const std::string etag = ToHex(Md5Of(request.body));
    const auto before = objects_.find(parsed.path);
    for (const HttpHeader& header : request.headers) {
      const bool match = header.name == "If-Match";
      if (!match && header.name != "If-None-Match") continue;
      if (match && before == objects_.end()) return S3ErrorResponse(404, "NoSuchKey");
      if (match ? before->second.etag != header.value : before != objects_.end()) {
        return S3ErrorResponse(412, "PreconditionFailed");
      }
    }
    objects_[parsed.path] = {Text(request.body), etag};
    return Ok("", {{"ETag", Quoted(etag)}});
  }
  const auto found = objects_.find(parsed.path);
  if (parsed.method == HttpMethod::kDelete) {
    if (found != objects_.end()) objects_.erase(found);
    return Ok("", {}, 204);
  }
  const bool head = parsed.method == HttpMethod::kHead;
  if (found == objects_.end()) return head ? Ok("", {}, 404) : S3ErrorResponse(404, "NoSuchKey");
  const Object& object = found->second;
  std::vector<HttpHeader> headers = {
      {"ETag", Quoted(object.etag)},
      {"Content-Length", absl::StrCat(object.data.size())},
      {"Last-Modified", absl::FormatTime("%a, %d %b %Y %H:%M:%S GMT", now_, absl::UTCTimeZone())}};
  if (head) return Ok("", headers);
  for (const HttpHeader& header : request.headers) {
    unsigned long first = 0;  // NOLINT(google-runtime-int): sscanf's
    unsigned long last = 0;   // NOLINT(google-runtime-int)
    if (header.name != "Range" ||
        std::sscanf(header.value.c_str(), "bytes=%lu-%lu", &first, &last) != 2) {
      continue;
    }
    if (first >= object.data.size()) return S3ErrorResponse(416, "InvalidRange");
    headers.push_back({"Content-Range", absl::StrCat("bytes ", first, "-", last, "/*")});
    return Ok(object.data.substr(first, last - first + 1), headers, 206);
  }
  return Ok(object.data, headers);
}

HttpResponse FakeTransport::ServeUpload(const Parsed& parsed, const HttpRequest& request) {
  const auto found = uploads_.find(parsed.query.at("uploadId"));
  if (found == uploads_.end() || found->second.path != parsed.path) {
    return S3ErrorResponse(404, "NoSuchUpload");
  }
  Upload& upload = found->second;
  switch (parsed.method) {
    case HttpMethod::kPut: {
      int number = 0;
      if (!absl::SimpleAtoi(parsed.query.at("partNumber"), &number)) {
        return S3ErrorResponse(400, "InvalidArgument");
      }
      upload.parts[number] = Text(request.body);
      return Ok("", {{"ETag", Quoted(ToHex(Md5Of(request.body)))}});
    }
    case HttpMethod::kDelete:
      uploads_.erase(found);
      return Ok("", {}, 204);
    case HttpMethod::kPost: {
      pugi::xml_document document;
      document.load_string(Text(request.body).c_str());
      Object object;
      Md5Stream md5;
      int count = 0;
      for (const pugi::xml_node& node : document.document_element().children("Part")) {
        const int number = node.child("PartNumber").text().as_int();
        if (upload.parts.count(number) == 0 ||
            Quoted(ToHex(Md5Of(AsBytes(upload.parts[number])))) != node.child_value("ETag")) {
          return S3ErrorResponse(400, "InvalidPart");
        }
        md5.Update(Md5Of(AsBytes(upload.parts[number])));
        object.data += upload.parts[number];
        ++count;
      }
      object.etag = absl::StrCat(ToHex(md5.Finish()), "-", count);
      const std::string body =
          absl::StrCat("<CompleteMultipartUploadResult><ETag>&quot;", object.etag,
                       "&quot;</ETag></CompleteMultipartUploadResult>");
      objects_[parsed.path] = std::move(object);
      uploads_.erase(found);
      return Ok(body);
    }
    default: {
      std::string body = "<ListPartsResult>";
      for (const auto& part : upload.parts) {
        absl::StrAppend(&body, "<Part><PartNumber>", part.first, "</PartNumber></Part>");
      }
      return Ok(body + "</ListPartsResult>");
    }
  }
}

HttpResponse FakeTransport::List(const Parsed& parsed) {
  const std::string base = parsed.path;  // "bucket/"
  const std::string prefix = base + parsed.query.at("prefix");
  const auto token = parsed.query.find("continuation-token");
  int max_keys = 0;
  if (!absl::SimpleAtoi(parsed.query.at("max-keys"), &max_keys)) max_keys = 1000;
  std::string body = "<ListBucketResult><EncodingType>url</EncodingType>";
  std::string last;
  for (const auto& [path, object] : objects_) {
    if (!absl::StartsWith(path, prefix) || path.find('/', prefix.size()) != std::string::npos ||
        (token != parsed.query.end() && path <= token->second)) {
      continue;
    }
    if (max_keys-- == 0) {
      absl::StrAppend(&body, "<IsTruncated>true</IsTruncated><NextContinuationToken>", last,
                      "</NextContinuationToken>");
      break;
    }
    absl::StrAppend(&body, "<Contents><Key>", Encode(path.substr(base.size())), "</Key><Size>",
                    object.data.size(), "</Size><LastModified>",
                    absl::FormatTime(absl::RFC3339_full, now_, absl::UTCTimeZone()),
                    "</LastModified><ETag>&quot;", object.etag, "&quot;</ETag></Contents>");
    last = path;
  }
  return Ok(body + "</ListBucketResult>");
}

HttpResponse FakeTransport::ListUploads(const Parsed& parsed) {
  const std::string prefix = parsed.path + parsed.query.at("prefix");
  std::string body =
      "<ListMultipartUploadsResult><EncodingType>url</EncodingType>"
      "<IsTruncated>false</IsTruncated>";
  for (const auto& [id, upload] : uploads_) {
    if (!absl::StartsWith(upload.path, prefix)) continue;
    absl::StrAppend(&body, "<Upload><Key>", Encode(upload.path.substr(parsed.path.size())),
                    "</Key><UploadId>", id, "</UploadId><Initiated>",
                    absl::FormatTime(absl::RFC3339_full, upload.initiated, absl::UTCTimeZone()),
                    "</Initiated></Upload>");
  }
  return Ok(body + "</ListMultipartUploadsResult>");
}

HttpResponse FakeTransport::DeleteMany(const Parsed& parsed, const HttpRequest& request) {
  pugi::xml_document document;
  document.load_string(Text(request.body).c_str());
  for (const pugi::xml_node& node : document.document_element().children("Object")) {
    objects_.erase(parsed.path + node.child_value("Key"));
  }
  return Ok("<DeleteResult></DeleteResult>");
}

}  // namespace volstream
