// NewName: something that is made under a name, whatever is there before. What is there is replaced
// in one step, and only once the new is whole: until then the new has another name beside it.
//
// A symlink that is there is itself replaced, never followed. A directory that is there goes only
// if it is empty.
// Threads: one at a time.
#ifndef VOLSTREAM_STAGES_NEW_NAME_H_
#define VOLSTREAM_STAGES_NEW_NAME_H_

#include <sys/stat.h>
#include <time.h>

#include <functional>
#include <string>

#include "stages/tree_writer.h"

namespace volstream {

// What is done about something of the same name.
struct NameRules {
  Overwrite overwrite = Overwrite::kRefuse;
  bool is_ours = false;  // made by this restore; then the last one wins
  timespec mtime{};      // of the new
};

// Puts an empty directory in the place of something that is none: in one step, or, on a file system
// that cannot exchange names, so that what was there comes back if the directory cannot take its
// name. 0 or an errno.
int ReplaceByDirectory(int directory_fd, const std::string& name, mode_t mode);

enum class Precedence { kReplace, kKeep };
// Which of both is to be there. A directory that is there has no say here.
Precedence Decide(const NameRules& rules, const struct stat& there);

class NewName {
 public:
  // Makes something under a name that is not taken: 0, or an errno, EEXIST if it is taken.
  using Maker = std::function<int(const std::string& name)>;
  enum class Outcome { kMade, kKept, kFailed };

  // `directory_fd` must stay open as long as the object lives.
  NewName(int directory_fd, std::string name) : directory_fd_(directory_fd), name_(name) {}
  // Removes what was made and not committed.
  ~NewName();
  NewName(const NewName&) = delete;
  NewName& operator=(const NewName&) = delete;

  // Once. kFailed: error() says why.
  Outcome Make(const NameRules& rules, const Maker& maker);
  // The name under which it was made.
  const std::string& made_name() const { return made_name_; }
  int error() const { return error_; }

  // Gives what was made its name. False with error().
  bool Commit();

 private:
  Outcome Fail(int error);

  const int directory_fd_;
  const std::string name_;
  std::string made_name_;  // empty once there is nothing to remove
  int error_ = 0;
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_NEW_NAME_H_
