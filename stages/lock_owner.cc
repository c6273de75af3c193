#include "stages/lock_owner.h"

#include <unistd.h>

#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <random>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "stages/host_name.h"
#include "stages/warnings.h"

namespace volstream {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kVersion = 1;

std::string ContentsOf(const std::string& path) {
  std::ifstream file(path);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

// Start time of a process in clock ticks since boot; empty if there is no such process. proc(5):
// field 22 of stat, of which the second ends at the last ')'.
std::string StartOf(int64_t pid) {
  const std::string text = ContentsOf(absl::StrCat("/proc/", pid, "/stat"));
  const size_t end_of_name = text.rfind(')');
  if (end_of_name == std::string::npos) return "";
  const std::vector<std::string> fields =
      absl::StrSplit(text.substr(end_of_name + 1), ' ', absl::SkipEmpty());
  constexpr size_t kStartField = 22 - 3;  // the first of `fields` is the third
  return fields.size() > kStartField ? fields[kStartField] : "";
}

// Where pids mean what they mean here: this boot, this pid namespace.
std::string ThisPidSpace() {
  char name[64] = {};
  if (readlink("/proc/self/ns/pid", name, sizeof(name) - 1) <= 0) return "";
  const std::string boot(absl::StripAsciiWhitespace(ContentsOf("/proc/sys/kernel/random/boot_id")));
  return boot.empty() ? "" : absl::StrCat(boot, " ", name);
}

std::string ProcessText(int64_t pid) {
  const std::string space = ThisPidSpace();
  const std::string start = StartOf(pid);
  return space.empty() || start.empty() ? "" : absl::StrCat(space, " ", pid, " ", start);
}

}  // namespace

LockOwner LockOwner::OfThisProcess(absl::Time now, absl::Duration lease) {
  LockOwner owner;
  std::random_device random;
  for (int i = 0; i < 4; ++i) absl::StrAppendFormat(&owner.id, "%08x", random());
  owner.host = HostName();
  owner.pid = getpid();
  owner.process = ProcessText(owner.pid);
  owner.started = now;
  owner.lease = lease;
  return owner;
}

std::string LockOwner::ToJson() const {
  Json json;
  json["volstream_lock"] = kVersion;
  json["id"] = id;
  json["host"] = host;
  json["pid"] = pid;
  json["process"] = process;
  json["started"] = absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", started, absl::UTCTimeZone());
  json["lease_seconds"] = absl::ToInt64Seconds(lease);
  json["writes"] = writes;
  if (released) json["released"] = true;
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

absl::StatusOr<LockOwner> LockOwner::FromJson(std::string_view text) {
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("volstream_lock")) {
    return absl::DataLossError("not a volstream lock");
  }
  // value() throws on a member of another type; no exception may leave.
  try {
    LockOwner owner;
    owner.id = json.value("id", "");
    owner.host = json.value("host", "");
    owner.pid = json.value("pid", int64_t{0});
    owner.process = json.value("process", "");
    owner.lease = absl::Seconds(json.value("lease_seconds", int64_t{0}));
    owner.released = json.value("released", false);
    owner.writes = json.value("writes", int64_t{0});
    if (owner.id.empty() ||
        !absl::ParseTime(absl::RFC3339_full, json.value("started", ""), &owner.started, nullptr)) {
      return absl::DataLossError("damaged lock");
    }
    return owner;
  } catch (const Json::exception& e) {
    return absl::DataLossError(absl::StrCat("damaged lock: ", e.what()));
  }
}

std::string LockOwner::ToString() const {
  return absl::StrCat("process ", pid, " on ", PrintablePath(host), ", since ",
                      absl::FormatTime("%Y-%m-%d %H:%M:%S UTC", started, absl::UTCTimeZone()));
}

ProcessState StateOf(const LockOwner& owner) {
  const std::string space = ThisPidSpace();
  if (space.empty() || !owner.process.starts_with(absl::StrCat(space, " "))) {
    return ProcessState::kUnknown;
  }
  return owner.process == ProcessText(owner.pid) ? ProcessState::kRuns : ProcessState::kEnded;
}

}  // namespace volstream
