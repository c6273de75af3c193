#include "stages/verification.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "stages/json_fields.h"

namespace volstream {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kVersion = 1;

// Seconds; 0 where the field is missing. Throws Json::exception on anything else.
double SecondsFrom(const Json& json, const char* key) {
  const auto field = json.find(key);
  return field == json.end() ? 0 : field->get<double>();
}

int DepthOf(std::string_view level) { return level == "drill" ? 2 : level == "deep" ? 1 : 0; }

}  // namespace

bool Verification::OutweighsNewer(const Verification& newer) const {
  // The record keeps whole seconds.
  const bool same_object = bytes == newer.bytes && etag == newer.etag &&
                           absl::ToUnixSeconds(modified) == absl::ToUnixSeconds(newer.modified);
  return same_object && newer.ok && DepthOf(newer.level) < DepthOf(level);
}

void Verification::AddError(std::string_view text) {
  ++error_count;
  if (errors.size() < kMaxErrors) errors.emplace_back(text.substr(0, kMaxErrorBytes));
}

std::string Verification::ToJson() const {
  Json json;
  json["volstream_verification"] = kVersion;
  json["archive"] = archive;
  json["level"] = level;
  json["ok"] = ok;
  json["checked"] = TimeText(checked);
  json["version"] = version;
  json["bytes"] = bytes;
  json["etag"] = etag;
  if (modified != absl::InfinitePast()) json["modified"] = TimeText(modified);
  json["bytes_read"] = bytes_read;
  json["seconds"] = seconds;
  if (restore_seconds != 0) json["restore_seconds"] = restore_seconds;
  if (!archive_md5.empty()) json["archive_md5"] = archive_md5;
  if (!archive_xxh3.empty()) json["archive_xxh3"] = archive_xxh3;
  json["error_count"] = error_count;
  json["errors"] = errors;
  // Errors name files, whose names need not be UTF-8; JSON must be.
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

absl::StatusOr<Verification> Verification::FromJson(std::string_view text) {
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("volstream_verification")) {
    return absl::DataLossError("not a volstream verification");
  }
  // value() throws on a member of another type; no exception may leave.
  try {
    const int version = json.value("volstream_verification", 0);
    if (version != kVersion) {
      return absl::DataLossError(absl::StrCat("verification of version ", version,
                                              "; this volstream reads version ", kVersion));
    }
    Verification result;
    result.archive = json.value("archive", "");
    result.level = json.value("level", "");
    result.ok = json.value("ok", false);
    result.checked = TimeFrom(json, "checked");
    result.version = json.value("version", "");
    result.bytes = CountFrom(json, "bytes");
    result.etag = json.value("etag", "");
    result.modified = TimeFrom(json, "modified");
    result.bytes_read = CountFrom(json, "bytes_read");
    result.seconds = SecondsFrom(json, "seconds");
    result.restore_seconds = SecondsFrom(json, "restore_seconds");
    result.archive_md5 = json.value("archive_md5", "");
    result.archive_xxh3 = json.value("archive_xxh3", "");
    for (const std::string& error : json.value("errors", std::vector<std::string>())) {
      result.AddError(error);
    }
    result.error_count = std::max(result.error_count, CountFrom(json, "error_count"));
    return result;
  } catch (const Json::exception& e) {
    return absl::DataLossError(absl::StrCat("damaged verification: ", e.what()));
  }
}

}  // namespace volstream
