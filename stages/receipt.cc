#include "stages/receipt.h"

#include <nlohmann/json.hpp>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "stages/json_fields.h"

namespace volstream {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kVersion = 1;

Json JsonOf(const LevelHistory& levels) {
  Json json;
  json["min"] = levels.range.min;
  json["max"] = levels.range.max;
  json["start"] = levels.range.start;
  json["blocks"] = Json::object();
  for (const auto& [level, count] : levels.blocks) json["blocks"][std::to_string(level)] = count;
  json["change_count"] = levels.change_count;
  json["changes"] = Json::array();
  for (const LevelHistory::Change& change : levels.changes) {
    json["changes"].push_back({{"tar_offset", change.source_offset}, {"level", change.level}});
  }
  return json;
}

// Throws Json::exception on members of another type.
LevelHistory LevelsFrom(const Json& json) {
  LevelHistory levels;
  levels.range = {json.value("min", 0), json.value("max", 0), json.value("start", 0)};
  levels.change_count = CountFrom(json, "change_count");
  const Json blocks = json.value("blocks", Json::object());
  for (const auto& [level, count] : blocks.items()) {
    int number = 0;
    if (absl::SimpleAtoi(level, &number)) levels.blocks[number] = count.get<uint64_t>();
  }
  for (const Json& change : json.value("changes", Json::array())) {
    levels.changes.push_back({CountFrom(change, "tar_offset"), change.value("level", 0)});
  }
  return levels;
}

}  // namespace

void Receipt::SetParts(const PartSizes& sizes) {
  part_bytes = sizes.first_bytes;
  if (!sizes.grows()) return;
  part_step_bytes = sizes.step_bytes;
  parts_per_step = sizes.parts_per_step;
  max_part_bytes = sizes.max_bytes;
}

std::string Receipt::ToJson() const {
  Json json;
  json["volstream_receipt"] = kVersion;
  json["archive"] = archive;
  json["bytes"] = bytes;
  if (!md5.empty()) json["md5"] = md5;
  json["xxh3"] = xxh3;
  json["etag"] = etag;
  if (!object.empty()) json["object"] = object;
  json["part_bytes"] = part_bytes;
  if (part_step_bytes != 0) {
    json["part_step_bytes"] = part_step_bytes;
    json["parts_per_step"] = parts_per_step;
    json["max_part_bytes"] = max_part_bytes;
  }
  json["part_count"] = part_count;
  json["tar_bytes"] = tar_bytes;
  json["index_bytes"] = index_bytes;
  json["entries"] = entries;
  json["sqlite_snapshots"] = sqlite_snapshots;
  json["excluded"] = excluded;
  json["blocks"] = blocks;
  json["blocks_stored"] = blocks_stored;
  json["codec"] = codec;
  json["level"] = level;
  if (levels.has_value()) json["levels"] = JsonOf(*levels);
  json["source"] = source;
  json["host"] = host;
  json["version"] = version;
  json["started"] = TimeText(started);
  json["finished"] = TimeText(finished);
  json["warning_count"] = warning_count;
  json["missing_count"] = missing_count;
  json["warnings"] = warnings;
  // File names need not be UTF-8; JSON must be.
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

absl::StatusOr<Receipt> Receipt::FromJson(std::string_view text) {
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("volstream_receipt")) {
    return absl::DataLossError("not a volstream receipt");
  }
  // value() throws on a member of another type; no exception may leave.
  try {
    const int version = json.value("volstream_receipt", 0);
    if (version != kVersion) {
      return absl::DataLossError(absl::StrCat("receipt of version ", version,
                                              "; this volstream reads version ", kVersion));
    }
    Receipt receipt;
    receipt.archive = json.value("archive", "");
    receipt.bytes = CountFrom(json, "bytes");
    receipt.md5 = json.value("md5", "");
    receipt.xxh3 = json.value("xxh3", "");
    receipt.etag = json.value("etag", "");
    receipt.object = json.value("object", std::map<std::string, std::string>());
    receipt.part_bytes = CountFrom(json, "part_bytes");
    receipt.part_step_bytes = CountFrom(json, "part_step_bytes");
    receipt.parts_per_step = CountFrom(json, "parts_per_step");
    receipt.max_part_bytes = CountFrom(json, "max_part_bytes");
    receipt.part_count = CountFrom(json, "part_count");
    receipt.tar_bytes = CountFrom(json, "tar_bytes");
    receipt.index_bytes = CountFrom(json, "index_bytes");
    receipt.entries = CountFrom(json, "entries");
    receipt.sqlite_snapshots = CountFrom(json, "sqlite_snapshots");
    receipt.excluded = CountFrom(json, "excluded");
    receipt.blocks = CountFrom(json, "blocks");
    receipt.blocks_stored = CountFrom(json, "blocks_stored");
    receipt.codec = json.value("codec", "");
    receipt.level = json.value("level", 0);
    if (json.contains("levels")) receipt.levels = LevelsFrom(json["levels"]);
    receipt.source = json.value("source", "");
    receipt.host = json.value("host", "");
    receipt.version = json.value("version", "");
    receipt.started = TimeFrom(json, "started");
    receipt.finished = TimeFrom(json, "finished");
    receipt.warning_count = CountFrom(json, "warning_count");
    receipt.missing_count = CountFrom(json, "missing_count");
    receipt.warnings = json.value("warnings", std::vector<std::string>());
    return receipt;
  } catch (const Json::exception& e) {
    return absl::DataLossError(absl::StrCat("damaged receipt: ", e.what()));
  }
}

}  // namespace volstream
