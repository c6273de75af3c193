#include "stages/aws_config.h"

#include <ini.h>
#include <pwd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <mutex>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "engine/status_macros.h"
#include "stages/digest.h"
#include "stages/error_kind.h"

namespace volstream {
namespace {

constexpr char kDefault[] = "default";

constexpr size_t kConfigFile = 0;
constexpr size_t kCredentialsFile = 1;
constexpr const char* kFileNames[] = {"config", "credentials"};
constexpr const char* kFileVariables[] = {"AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"};

// inih cuts the name of a section here.
constexpr size_t kMaxSectionBytes = 49;
// Session tokens are a few KiB long.
constexpr int kMaxLineBytes = 64 * 1024;

std::string HomeDirectory(const Environment& environment) {
  std::string home = environment("HOME");
  if (!home.empty()) return home;
  // A service has no HOME unless its unit says so.
  passwd entry = {};
  passwd* found = nullptr;
  std::string buffer(16 * 1024, '\0');
  if (getpwuid_r(geteuid(), &entry, buffer.data(), buffer.size(), &found) == 0 &&
      found != nullptr) {
    return found->pw_dir;
  }
  return "";
}

std::string PathOf(const Environment& environment, const char* variable, const char* file) {
  std::string path = environment(variable);
  if (path.empty()) path = absl::StrCat("~/.aws/", file);
  if (path.rfind("~/", 0) == 0) path = HomeDirectory(environment) + path.substr(1);
  return path;
}

// The settings of the process's inih, whose own would cut lines at 200 bytes.
void SetUpInih() {
  static std::once_flag once;
  std::call_once(once, [] {
    static char comments[] = ";#";
    ini_inline_comment_prefixes = comments;
    ini_use_stack = false;
    ini_allow_realloc = true;
    ini_max_line = kMaxLineBytes;
  });
}

struct CloseFile {
  void operator()(FILE* file) const { fclose(file); }
};

// [profile "x y"] and [ profile x ] name x y and x.
std::string Unquoted(absl::string_view name) {
  name = absl::StripAsciiWhitespace(name);
  if (name.size() >= 2 && (name.front() == '"' || name.front() == '\'') &&
      name.back() == name.front()) {
    name = name.substr(1, name.size() - 2);
  }
  return std::string(name);
}

absl::Status Error(absl::StatusCode code, const std::string& message) {
  return MakeError(ErrorKind::kS3, code, message);
}

}  // namespace

// One file, given to inih line by line.
class AwsConfig::Reader {
 public:
  Reader(AwsConfig* config, size_t file) : config_(config), file_(file) {}

  absl::Status Read() {
    const std::string& path = config_->paths_[file_];
    const std::unique_ptr<FILE, CloseFile> file(fopen(path.c_str(), "re"));
    if (file == nullptr) {
      if (errno == ENOENT || errno == ENOTDIR) return absl::OkStatus();
      return Error(
          absl::StatusCode::kFailedPrecondition,
          absl::StrCat("cannot read ", path, ": ", strerrordesc_np(errno), "; allow it, or set ",
                       kFileVariables[file_], " to a file of your own"));
    }
    input_ = file.get();
    const int bad_line = ini_parse_stream(&Reader::Line, this, &Reader::Setting, this);
    if (bad_line == 0 && ferror(input_) == 0) return absl::OkStatus();
    return Error(absl::StatusCode::kInvalidArgument,
                 bad_line > 0 ? absl::StrCat(path, " line ", bad_line,
                                             ": neither [section] nor \"name = value\"")
                              : absl::StrCat("cannot read ", path, ": is it a file?"));
  }

 private:
  // A piece of a line, as fgets gives it. Notes what inih does not tell its handler.
  static char* Line(char* text, int size, void* self) {
    auto* const reader = static_cast<Reader*>(self);
    char* const piece = fgets(text, size, reader->input_);
    if (piece == nullptr) return nullptr;
    if (reader->line_ended_) {
      reader->indented_ = absl::ascii_isblank(static_cast<unsigned char>(*piece));
      if (*piece == '[') {
        reader->section_line_ = piece;
        reader->name_.clear();
      }
    }
    reader->line_ended_ = std::strchr(piece, '\n') != nullptr;
    return piece;
  }

  static int Setting(void* self, const char* section, const char* name, const char* value) {
    static_cast<Reader*>(self)->Add(section, name, value);
    return 1;
  }
  // Of a block, which inih reads like a file of its own.
  static int BlockSetting(void* self, const char* /*section*/, const char* name,
                          const char* value) {
    auto* const reader = static_cast<Reader*>(self);
    if (reader->block_ != nullptr) {
      (*reader->block_)[name] = value;
    } else {
      reader->Put(name, value);
    }
    return 1;
  }

  void Add(const char* section, const char* name, const char* value) {
    // To inih an indented line is one more value of the setting above it.
    const bool continues = indented_ && !name_.empty();
    if (!continues) {
      target_ = TargetOf(WholeName(section));
      name_ = name;
      if (target_ != nullptr) Put(name, value);
      return;
    }
    if (target_ == nullptr) return;
    // Under a name without a value that is a block; else somebody indents a whole section.
    block_ = target_->values[name_].empty() ? &target_->blocks[name_] : nullptr;
    ini_parse_string(value, &Reader::BlockSetting, this);
  }

  void Put(const char* name, const char* value) {
    target_->values[name] = value;
    target_->files[name] = file_;
  }

  std::string WholeName(const std::string& cut) const {
    const size_t end = section_line_.find(']');
    if (cut.size() < kMaxSectionBytes || end == std::string::npos) return cut;
    return section_line_.substr(1, end - 1);
  }

  // Null for a section that is of no use here.
  Section* TargetOf(const std::string& section) {
    if (file_ == kCredentialsFile) return &config_->profiles_[Unquoted(section)];
    absl::string_view name = absl::StripAsciiWhitespace(section);
    if (name == kDefault) return &config_->profiles_[kDefault];
    std::map<std::string, Section>* kind = nullptr;
    if (absl::ConsumePrefix(&name, "profile")) {
      kind = &config_->profiles_;
    } else if (absl::ConsumePrefix(&name, "services")) {
      kind = &config_->services_;
    }
    if (kind == nullptr || name.empty() ||
        !absl::ascii_isblank(static_cast<unsigned char>(name.front()))) {
      return nullptr;
    }
    return &(*kind)[Unquoted(name)];
  }

  AwsConfig* const config_;
  const size_t file_;
  FILE* input_ = nullptr;
  bool line_ended_ = true;
  bool indented_ = false;
  std::string section_line_;
  std::string name_;  // of the last setting in the section; empty = none yet
  Section* target_ = nullptr;
  std::map<std::string, std::string>* block_ = nullptr;
};

absl::StatusOr<AwsConfig> AwsConfig::Load(const Environment& environment) {
  SetUpInih();
  AwsConfig config;
  for (const size_t file : {kConfigFile, kCredentialsFile}) {
    config.paths_.push_back(PathOf(environment, kFileVariables[file], kFileNames[file]));
  }
  for (const size_t file : {kConfigFile, kCredentialsFile}) {
    VS_RETURN_IF_ERROR(Reader(&config, file).Read());
  }
  return config;
}

AwsConfig::~AwsConfig() {
  for (auto& [name, section] : profiles_) {
    for (auto& [key, value] : section.values) WipeSecret(value);
  }
}

absl::Status AwsConfig::CheckProfile(const std::string& profile) const {
  if (HasProfile(profile)) return absl::OkStatus();
  std::vector<std::string> names;
  for (const auto& [name, section] : profiles_) names.push_back(name);
  return Error(absl::StatusCode::kNotFound,
               absl::StrCat("no profile \"", profile, "\" in ", Files(), "; ",
                            names.empty() ? "there are none"
                                          : absl::StrCat("there are: ", absl::StrJoin(names, ", ")),
                            "; correct --profile or AWS_PROFILE"));
}

std::string AwsConfig::Get(const std::string& profile, const std::string& name) const {
  const auto section = profiles_.find(profile);
  if (section == profiles_.end()) return "";
  const auto value = section->second.values.find(name);
  return value == section->second.values.end() ? "" : value->second;
}

std::string AwsConfig::GetForService(const std::string& profile, const std::string& service,
                                     const std::string& name) const {
  const auto section = services_.find(Get(profile, "services"));
  if (section == services_.end()) return "";
  const auto block = section->second.blocks.find(service);
  if (block == section->second.blocks.end()) return "";
  const auto value = block->second.find(name);
  return value == block->second.end() ? "" : value->second;
}

std::string AwsConfig::EndpointFor(const std::string& profile, const std::string& service) const {
  if (absl::EqualsIgnoreCase(Get(profile, "ignore_configured_endpoint_urls"), "true")) return "";
  std::string endpoint = GetForService(profile, service, "endpoint_url");
  return endpoint.empty() ? Get(profile, "endpoint_url") : endpoint;
}

std::string AwsConfig::Describe(const std::string& profile, const std::string& setting) const {
  std::string text = absl::StrCat("profile ", profile);
  const auto section = profiles_.find(profile);
  if (section == profiles_.end()) return text;
  const auto file = section->second.files.find(setting);
  if (file == section->second.files.end()) return text;
  return absl::StrCat(text, " (", paths_[file->second], ")");
}

std::string AwsConfig::Files() const { return absl::StrJoin(paths_, " and "); }

std::string DefaultProfile(const Environment& environment) {
  for (const char* const name : {"AWS_PROFILE", "AWS_DEFAULT_PROFILE"}) {
    if (std::string profile = environment(name); !profile.empty()) return profile;
  }
  return kDefault;
}

}  // namespace volstream
