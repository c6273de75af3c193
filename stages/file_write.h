// FileWrite: one regular file that is being restored, from its creation to its metadata.
//
// Threads: Open and Complete by one thread, Write by any number in between.
#ifndef VOLSTREAM_STAGES_FILE_WRITE_H_
#define VOLSTREAM_STAGES_FILE_WRITE_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "engine/first_error.h"
#include "stages/beneath.h"
#include "stages/entry_reader.h"
#include "stages/file_metadata.h"
#include "stages/new_name.h"
#include "stages/open_directory.h"
#include "stages/tree_problems.h"

namespace volstream {

// What all the files of one restore share; outlives them.
struct FileWriteContext {
  TreeProblems* problems = nullptr;
  FirstError* error = nullptr;  // the restore's end
  mode_t umask = 0777;
  // Hears of each file that has its name, on any thread.
  std::function<void(std::string_view)> on_made;
  std::atomic<uint64_t> file_bytes{0};  // written
  std::atomic<uint64_t> kept{0};
  std::atomic<int> open_files{0};
};

class FileWrite {
 public:
  struct Plan {
    std::string path;  // contained
    std::shared_ptr<const OpenDirectory> directory;
    uint64_t bytes = 0;  // of the whole file
    FileMetadata metadata;
    NameRules rules;
  };
  FileWrite(FileWriteContext* context, Plan plan);
  ~FileWrite() { Close(); }
  FileWrite(const FileWrite&) = delete;
  FileWrite& operator=(const FileWrite&) = delete;

  const std::string& path() const { return plan_.path; }
  uint64_t bytes() const { return plan_.bytes; }
  uint64_t extra_bytes() const { return plan_.metadata.extra_bytes(); }

  // Makes the file. False if it is not to be written: it was kept, could not be made, or the
  // restore has ended.
  bool Open();
  // REQUIRES: Open returned true. What lies beyond the file's size is cut off. A file system that
  // is full ends the restore at once.
  void Write(const EntryData& data);
  // Gives the file its size, metadata and name, unless something of it could not be written: then
  // it is removed. REQUIRES: Open returned true.
  void Complete();

 private:
  // Whether it worked; errno if not.
  bool Close();
  void Fail(int error);
  // Of the step `what`; ends the restore if it is of that sort.
  void Report(std::string_view what, int error);

  FileWriteContext* const context_;
  const Plan plan_;
  NewName name_;
  UniqueFd fd_;
  bool mode_is_set_ = false;
  std::atomic<uint64_t> end_{0};  // behind the last byte that was written
  std::atomic<int> error_{0};     // the first of a Write
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_FILE_WRITE_H_
