#include "tools/commands.h"

#include "absl/strings/str_cat.h"
#include "stages/error_kind.h"

namespace volstream {

void CommonFlags::AddTo(CLI::App* app) {
  const std::string group = "Output";
  app->add_flag("-q,--quiet", quiet, "Print warnings and errors alone")->group(group);
  app->add_flag("--no-progress", no_progress, "No progress line on a terminal")->group(group);
  app->add_option("--log-format", log_format, "text or json (one object a line)")
      ->check(CLI::IsMember({"text", "json"}))
      ->group(group);
}

Log::Options CommonFlags::LogOptions() const {
  return Log::Options{quiet, log_format == "json", !no_progress};
}

// CLI11 takes "-5" for a size near 2^64, so the sign is looked for first: of two transforms the one
// that was added last runs first.
CLI::Option* TakesSize(CLI::Option* option) {
  option->transform(CLI::AsSizeValue(true));
  option->transform(CLI::Validator(
      [](std::string& text) -> std::string {
        return text.find('-') == std::string::npos ? "" : "a size cannot be negative: " + text;
      },
      ""));
  return option;
}

int Fail(Log* log, const absl::Status& status) {
  log->Error(std::string(status.message()));
  return static_cast<int>(KindOf(status));
}

}  // namespace volstream
