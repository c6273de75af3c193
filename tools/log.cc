#include "tools/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <stdio.h>
#include <unistd.h>

#include <chrono>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "engine/mutex.h"

namespace volstream {
namespace {

struct Style {
  std::string_view name;
  std::string_view colour;  // ANSI escape
};

Style StyleOf(Severity severity) {
  switch (severity) {
    case Severity::kInfo:
      return {"INFO", "\033[34m"};
    case Severity::kSuccess:
      return {"SUCCESS", "\033[32m"};
    case Severity::kWarning:
      return {"WARNING", "\033[33m"};
    case Severity::kError:
      return {"ERROR", "\033[31m"};
  }
  return {"", ""};
}

constexpr std::string_view kColourEnd = "\033[0m";
constexpr std::string_view kClearLine = "\r\033[K";

}  // namespace

Log::Log(const Options& options)
    : options_(options),
      colour_(isatty(STDERR_FILENO) != 0 && !options.json),
      shows_progress_(colour_ && options.progress && !options.quiet),
      logger_(std::make_shared<spdlog::logger>("volstream",
                                               std::make_shared<spdlog::sinks::stderr_sink_mt>())) {
  logger_->set_pattern(options_.json ? "%v" : "%Y-%m-%d %H:%M:%S %v");
}

Log::~Log() { ShowProgress(""); }

void Log::Write(Severity severity, std::string_view message) {
  if (options_.quiet && severity != Severity::kWarning && severity != Severity::kError) return;
  const Style style = StyleOf(severity);
  std::string line;
  if (options_.json) {
    nlohmann::ordered_json json;
    json["time"] = absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", absl::Now(), absl::UTCTimeZone());
    json["level"] = style.name;
    json["message"] = message;
    line = json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  } else {
    line.append("[").append(colour_ ? style.colour : "").append(style.name);
    line.append(colour_ ? kColourEnd : "").append("] ").append(message);
  }
  MutexLock lock(&mu_);
  if (!progress_line_.empty()) fwrite(kClearLine.data(), 1, kClearLine.size(), stderr);
  logger_->info("{}", line);
  DrawProgress();
}

void Log::ShowProgress(std::string_view line) {
  if (!shows_progress_) return;
  MutexLock lock(&mu_);
  if (!progress_line_.empty()) fwrite(kClearLine.data(), 1, kClearLine.size(), stderr);
  progress_line_ = line;
  DrawProgress();
}

void Log::DrawProgress() {
  fwrite(progress_line_.data(), 1, progress_line_.size(), stderr);
  fflush(stderr);
}

}  // namespace volstream
