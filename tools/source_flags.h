// The flags that say what of a source directory is taken, and how.
#ifndef VOLSTREAM_TOOLS_SOURCE_FLAGS_H_
#define VOLSTREAM_TOOLS_SOURCE_FLAGS_H_

#include <string>
#include <vector>

#include "CLI/App.hpp"
#include "absl/status/statusor.h"
#include "stages/volume_plan.h"

namespace volstream {

class SourceFlags {
 public:
  void AddTo(CLI::App* app);
  // Reads the exclude files; the error names the file and the line.
  absl::StatusOr<PlanOptions> Plan() const;
  // The first of them that was given, such as "--exclude"; empty if none was.
  std::string Given() const;

 private:
  std::vector<std::string> excludes_;
  std::vector<std::string> exclude_files_;
  bool exclude_caches_ = false;
  bool one_file_system_ = false;
  bool no_sparse_ = false;
  std::string sqlite_ = "backup";
  SpoolOptions spool_;
  std::vector<const CLI::Option*> options_;
};

}  // namespace volstream

#endif  // VOLSTREAM_TOOLS_SOURCE_FLAGS_H_
