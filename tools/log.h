// Log: what the CLI says on standard error, as text for people or JSON for machines, and a progress
// line on a terminal.
//
//   2025-08-11 11:16:28 [INFO] message
#ifndef VOLSTREAM_TOOLS_LOG_H_
#define VOLSTREAM_TOOLS_LOG_H_

#include <memory>
#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "engine/mutex.h"
#include "stages/backup.h"

namespace spdlog {
class logger;
}  // namespace spdlog

namespace volstream {

// Threads: safe for concurrent calls.
class Log {
 public:
  struct Options {
    bool quiet = false;    // warnings and errors alone
    bool json = false;     // one JSON object a line
    bool progress = true;  // a progress line where standard error is a terminal
  };
  explicit Log(const Options& options);
  ~Log();

  void Write(Severity severity, std::string_view message) ABSL_LOCKS_EXCLUDED(mu_);
  void Info(std::string_view message) { Write(Severity::kInfo, message); }
  void Success(std::string_view message) { Write(Severity::kSuccess, message); }
  void Warning(std::string_view message) { Write(Severity::kWarning, message); }
  void Error(std::string_view message) { Write(Severity::kError, message); }

  // Writes to this log, which must outlive it.
  EventLog AsEventLog() {
    return [this](Severity severity, std::string_view text) { Write(severity, text); };
  }

  bool shows_progress() const { return shows_progress_; }
  // Replaces the progress line; an empty text takes it away.
  void ShowProgress(std::string_view line) ABSL_LOCKS_EXCLUDED(mu_);

 private:
  void DrawProgress() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const Options options_;
  const bool colour_;
  const bool shows_progress_;
  std::shared_ptr<spdlog::logger> logger_;
  Mutex mu_;
  std::string progress_line_ ABSL_GUARDED_BY(mu_);
};

}  // namespace volstream

#endif  // VOLSTREAM_TOOLS_LOG_H_
