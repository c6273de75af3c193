#include "tests/support/fake_s3_store.h"

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <pugixml.hpp>
#include <set>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "engine/bytes.h"
#include "stages/digest.h"

namespace volstream {
namespace {

constexpr char kXmlHead[] = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

std::string Escape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

// <name>escaped text</name>
std::string Element(const std::string& name, std::string_view text) {
  return "<" + name + ">" + Escape(text) + "</" + name + ">";
}

std::string Document(const std::string& name, const std::string& children) {
  return kXmlHead + ("<" + name + " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">") +
         children + "</" + name + ">\n";
}

std::string Quoted(const std::string& etag) { return "\"" + etag + "\""; }

std::string Iso8601(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", time, absl::UTCTimeZone());
}

std::string RawMd5(std::string_view bytes) {
  const Md5Digest digest = Md5Of(AsBytes(bytes));
  return std::string(digest.begin(), digest.end());
}

bool StartsWith(std::string_view text, std::string_view prefix) {
  return text.substr(0, prefix.size()) == prefix;
}

// Keys in a listing: as they are, or percent-encoded when encoding-type=url asks for it.
std::string KeyText(const std::string& key, const S3Query& query) {
  if (QueryValue(query, "encoding-type") != "url") return key;
  std::string out;
  for (const char c : key) {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0 ||
        std::string_view("-._~/").find(c) != std::string_view::npos) {
      out += c;
      continue;
    }
    char code[4];
    std::snprintf(code, sizeof(code), "%%%02X", static_cast<unsigned char>(c));
    out += code;
  }
  return out;
}

}  // namespace

S3Answer S3Error(int status, std::string_view code, std::string_view message) {
  S3Answer answer;
  answer.status = status;
  answer.body = kXmlHead + ("<Error>" + Element("Code", code) + Element("Message", message) +
                            Element("RequestId", "FAKE0000") + "</Error>\n");
  return answer;
}

S3Answer S3Store::NoSuchUpload(const std::string& upload_id) const {
  return S3Error(404, "NoSuchUpload", "no upload " + upload_id);
}

void S3Store::AddUpload(const std::string& key, absl::Time initiated) {
  uploads_["upload-" + std::to_string(next_upload_++)] = Upload{key, initiated, {}};
}

S3Answer S3Store::CreateUpload(const std::string& key) {
  const std::string id = "upload-" + std::to_string(next_upload_);
  AddUpload(key, absl::Now());
  S3Answer answer;
  answer.body =
      Document("InitiateMultipartUploadResult",
               Element("Bucket", "bucket") + Element("Key", key) + Element("UploadId", id));
  return answer;
}

S3Answer S3Store::PutPart(const std::string& upload_id, int part_number, std::string bytes) {
  const auto upload = uploads_.find(upload_id);
  if (upload == uploads_.end()) return NoSuchUpload(upload_id);
  if (part_number < 1 || part_number > 10'000) {
    return S3Error(400, "InvalidArgument", "part numbers go from 1 to 10000");
  }
  S3Answer answer;
  Part part{std::move(bytes), ""};
  part.md5 = RawMd5(part.bytes);
  answer.etag = ToHex(AsBytes(part.md5));
  upload->second.parts[part_number] = std::move(part);
  return answer;
}

S3Answer S3Store::Complete(const std::string& key, const std::string& upload_id,
                           const std::string& body, bool keep) {
  const auto upload = uploads_.find(upload_id);
  if (upload == uploads_.end()) return NoSuchUpload(upload_id);
  pugi::xml_document document;
  if (!document.load_string(body.c_str())) return S3Error(400, "MalformedXML", "not XML");

  std::map<int, Part>& parts = upload->second.parts;
  const pugi::xml_node root = document.child("CompleteMultipartUpload");
  const size_t count = static_cast<size_t>(
      std::distance(root.children("Part").begin(), root.children("Part").end()));
  if (count == 0) return S3Error(400, "MalformedXML", "no parts");
  std::string whole;
  std::string md5s;
  int last_number = 0;
  size_t index = 0;
  for (const pugi::xml_node node : root.children("Part")) {
    const int number = node.child("PartNumber").text().as_int();
    std::string etag = node.child_value("ETag");
    std::erase(etag, '"');
    const auto part = parts.find(number);
    if (part == parts.end() || ToHex(AsBytes(part->second.md5)) != etag) {
      return S3Error(400, "InvalidPart", "part " + std::to_string(number));
    }
    if (number <= last_number) return S3Error(400, "InvalidPartOrder", "not ascending");
    if (++index < count && part->second.bytes.size() < kLeastPartBytes) {
      return S3Error(400, "EntityTooSmall", "part " + std::to_string(number));
    }
    last_number = number;
    whole += part->second.bytes;
    md5s += part->second.md5;
  }
  S3Answer answer;
  answer.etag = ToHex(Md5Of(AsBytes(md5s))) + "-" + std::to_string(count);
  answer.body =
      Document("CompleteMultipartUploadResult", Element("Bucket", "bucket") + Element("Key", key) +
                                                    Element("ETag", Quoted(answer.etag)));
  if (keep) {
    objects_[key] = {std::make_shared<const std::string>(std::move(whole)), answer.etag,
                     absl::Now()};
  }
  uploads_.erase(upload);
  return answer;
}

S3Answer S3Store::Abort(const std::string& upload_id) {
  if (uploads_.erase(upload_id) == 0) return NoSuchUpload(upload_id);
  S3Answer answer;
  answer.status = 204;
  return answer;
}

S3Answer S3Store::ListParts(const std::string& upload_id) const {
  const auto upload = uploads_.find(upload_id);
  if (upload == uploads_.end()) return NoSuchUpload(upload_id);
  std::string children = Element("UploadId", upload_id) + Element("IsTruncated", "false");
  for (const auto& [number, part] : upload->second.parts) {
    children += "<Part>" + Element("PartNumber", std::to_string(number)) +
                Element("ETag", Quoted(ToHex(AsBytes(part.md5)))) +
                Element("Size", std::to_string(part.bytes.size())) + "</Part>";
  }
  S3Answer answer;
  answer.body = Document("ListPartsResult", children);
  return answer;
}

S3Answer S3Store::ListUploads(const S3Query& query) const {
  std::string children = Element("Bucket", "bucket") + Element("IsTruncated", "false");
  for (const auto& [id, upload] : uploads_) {
    if (!StartsWith(upload.key, QueryValue(query, "prefix"))) continue;
    children += "<Upload>" + Element("Key", KeyText(upload.key, query)) + Element("UploadId", id) +
                Element("Initiated", Iso8601(upload.initiated)) + "</Upload>";
  }
  S3Answer answer;
  answer.body = Document("ListMultipartUploadsResult", children);
  return answer;
}

S3Answer S3Store::Put(const std::string& key, std::string bytes, bool keep) {
  S3Answer answer;
  answer.etag = ToHex(AsBytes(RawMd5(bytes)));
  if (keep) {
    objects_[key] = {std::make_shared<const std::string>(std::move(bytes)), answer.etag,
                     absl::Now()};
  }
  return answer;
}

S3Answer S3Store::Get(const std::string& key) const {
  const auto object = objects_.find(key);
  if (object == objects_.end()) return S3Error(404, "NoSuchKey", "no object " + key);
  S3Answer answer;
  answer.etag = object->second.etag;
  answer.object = object->second.bytes;
  answer.modified = object->second.modified;
  return answer;
}

S3Answer S3Store::Delete(const std::string& key) {
  objects_.erase(key);
  S3Answer answer;
  answer.status = 204;
  return answer;
}

S3Answer S3Store::DeleteMany(const std::string& body) {
  pugi::xml_document document;
  if (!document.load_string(body.c_str())) return S3Error(400, "MalformedXML", "not XML");
  const pugi::xml_node root = document.child("Delete");
  std::string children;
  for (const pugi::xml_node node : root.children("Object")) {
    const std::string key = node.child_value("Key");
    objects_.erase(key);
    children += "<Deleted>" + Element("Key", key) + "</Deleted>";
  }
  if (root.child("Quiet").text().as_bool()) children.clear();
  S3Answer answer;
  answer.body = Document("DeleteResult", children);
  return answer;
}

S3Answer S3Store::List(const S3Query& query) const {
  const std::string prefix = QueryValue(query, "prefix");
  const std::string delimiter = QueryValue(query, "delimiter");
  const std::string after =
      std::max(QueryValue(query, "start-after"), QueryValue(query, "continuation-token"));
  const std::string max_keys = QueryValue(query, "max-keys");
  const size_t limit = max_keys.empty() ? 1000 : std::strtoul(max_keys.c_str(), nullptr, 10);

  std::string children;
  std::string last;
  std::set<std::string> groups;
  size_t count = 0;
  bool truncated = false;
  for (const auto& [key, object] : objects_) {
    if (!StartsWith(key, prefix) || key <= after) continue;
    const size_t cut = delimiter.empty() ? std::string::npos : key.find(delimiter, prefix.size());
    const std::string group = cut == std::string::npos ? "" : key.substr(0, cut + delimiter.size());
    if (groups.contains(group)) {
      last = key;
      continue;
    }
    truncated = count == limit;
    if (truncated) break;
    ++count;
    last = key;
    if (!group.empty()) {
      groups.insert(group);
      children +=
          "<CommonPrefixes>" + Element("Prefix", KeyText(group, query)) + "</CommonPrefixes>";
      continue;
    }
    children += "<Contents>" + Element("Key", KeyText(key, query)) +
                Element("LastModified", Iso8601(object.modified)) +
                Element("ETag", Quoted(object.etag)) +
                Element("Size", std::to_string(object.bytes->size())) + "</Contents>";
  }
  S3Answer answer;
  answer.body = Document("ListBucketResult",
                         Element("Name", "bucket") + Element("Prefix", KeyText(prefix, query)) +
                             Element("KeyCount", std::to_string(count)) +
                             Element("IsTruncated", truncated ? "true" : "false") +
                             (truncated ? Element("NextContinuationToken", last) : "") + children);
  return answer;
}

}  // namespace volstream
