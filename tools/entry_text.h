// Entries of archives as a person or a program reads them.
#ifndef VOLSTREAM_TOOLS_ENTRY_TEXT_H_
#define VOLSTREAM_TOOLS_ENTRY_TEXT_H_

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "stages/entry_info.h"

namespace volstream {

// The path without what a terminal would obey; "." for the root.
std::string PathText(std::string_view path);
// The bytes themselves; "." for the root.
std::string_view RawPath(std::string_view path);

// "file", "directory", "hard link"
std::string_view TypeText(TarType type);
// "-rwxr-xr-x", with an 'h' in front for a hard link, as tar has it.
std::string ModeText(const EntryInfo& entry);
// "0755"
std::string OctalText(uint32_t mode);
// UTC, RFC 3339, with as many digits behind the second as there are.
std::string ExactTimeText(const EntryInfo& entry);

// One line as of `tar tv`, without its end; the path and the target as they are if `raw`.
std::string LongText(const EntryInfo& entry, bool raw);

// Sets `key` to what PathText gives and, where that is not the path itself, KEY_hex to its bytes.
void SetPath(const char* key, std::string_view path, nlohmann::ordered_json* json);
nlohmann::ordered_json EntryJson(const EntryInfo& entry);
// One line, with its end.
std::string JsonLine(const nlohmann::ordered_json& json);

}  // namespace volstream

#endif  // VOLSTREAM_TOOLS_ENTRY_TEXT_H_
