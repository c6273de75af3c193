// HeldRun: a backup that stands still between its beginning, with its locks taken, and the reading
// of its source, for as long as a test wants: its pre-hook waits at a FIFO.
// Threads: one thread at a time. Lifetime: the destructor kills what still runs.
#ifndef VOLSTREAM_TESTS_SUPPORT_HELD_RUN_H_
#define VOLSTREAM_TESTS_SUPPORT_HELD_RUN_H_

#include <string>

#include "stages/beneath.h"
#include "tests/support/cli.h"
#include "tests/support/tree.h"

namespace volstream {

class HeldRun {
 public:
  // Starts `command`, a `volstream backup`, and returns once it stands still; fails the test if it
  // does not get so far.
  explicit HeldRun(Command command);

  // Lets it go on, and waits for its end.
  CommandResult LetGo();
  // Kills it as kill -9 does.
  void Kill();
  Command& command() { return command_; }

 private:
  TempDir directory_;
  Command command_;
  UniqueFd go_;
};

}  // namespace volstream

#endif  // VOLSTREAM_TESTS_SUPPORT_HELD_RUN_H_
