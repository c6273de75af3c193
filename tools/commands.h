// The commands of the CLI: each adds its flags to a subcommand and runs when that was chosen.
#ifndef VOLSTREAM_TOOLS_COMMANDS_H_
#define VOLSTREAM_TOOLS_COMMANDS_H_

#include <functional>
#include <memory>
#include <string>

#include "CLI/App.hpp"
#include "tools/interrupt.h"
#include "tools/log.h"

namespace volstream {

// Flags that every command has.
struct CommonFlags {
  bool quiet = false;
  bool no_progress = false;
  std::string log_format = "text";

  void AddTo(CLI::App* app);
  Log::Options LogOptions() const;
};

// Runs the chosen command; the return value is the exit code.
using Command = std::function<int(Interrupt* interrupt)>;

// Each makes a subcommand of `app` and sets `*chosen` when the command line names it.
void AddBackupCommand(CLI::App* app, Command* chosen);
void AddBenchCommand(CLI::App* app, Command* chosen);
void AddCatCommand(CLI::App* app, Command* chosen);
void AddDiffCommand(CLI::App* app, Command* chosen);
void AddListCommand(CLI::App* app, Command* chosen);
void AddLsCommand(CLI::App* app, Command* chosen);
void AddRestoreCommand(CLI::App* app, Command* chosen);
void AddDoctorCommand(CLI::App* app, Command* chosen);
void AddPruneCommand(CLI::App* app, Command* chosen);
void AddUnlockCommand(CLI::App* app, Command* chosen);
void AddVerifyCommand(CLI::App* app, Command* chosen);

// Makes the option take "256MiB" for bytes.
CLI::Option* TakesSize(CLI::Option* option);

// Logs the failure as one line and returns its exit code.
int Fail(Log* log, const absl::Status& status);

}  // namespace volstream

#endif  // VOLSTREAM_TOOLS_COMMANDS_H_
