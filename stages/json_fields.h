// What receipts and their kind keep in JSON, field by field. Private to the files that parse them:
// nlohmann's exceptions must not get any further.
#ifndef VOLSTREAM_STAGES_JSON_FIELDS_H_
#define VOLSTREAM_STAGES_JSON_FIELDS_H_

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/time/time.h"

namespace volstream {

// UTC, RFC 3339, whole seconds.
inline std::string TimeText(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", time, absl::UTCTimeZone());
}

// The infinite past where the field is missing or no time. Throws Json::exception if it is no text.
inline absl::Time TimeFrom(const nlohmann::ordered_json& json, const char* key) {
  absl::Time time;
  std::string error;
  if (!absl::ParseTime(absl::RFC3339_full, json.value(key, ""), &time, &error)) {
    return absl::InfinitePast();
  }
  return time;
}

// A count or size; 0 where the field is missing. Throws Json::exception on anything else.
inline uint64_t CountFrom(const nlohmann::ordered_json& json, const char* key) {
  const auto field = json.find(key);
  if (field == json.end()) return 0;
  if (!field->is_number_unsigned()) {
    throw nlohmann::ordered_json::type_error::create(302, std::string(key) + " is no count",
                                                     &*field);
  }
  return field->get<uint64_t>();
}

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_JSON_FIELDS_H_
