// LocalSink: PartSink that writes one file of a directory. Until Finish the file is a dot-file that
// no listing shows; Finish makes it durable and gives it its name in one step.
//
// A thread of its own writes, so that a slow disk holds up memory but never a worker.
#ifndef VOLSTREAM_STAGES_LOCAL_SINK_H_
#define VOLSTREAM_STAGES_LOCAL_SINK_H_

#include <deque>
#include <memory>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "engine/mutex.h"
#include "engine/stage.h"
#include "stages/beneath.h"

namespace volstream {

class LocalSink : public PartSink {
 public:
  // `directory` must exist; `name` is the file's final name in it.
  LocalSink(std::string directory, std::string name);
  ~LocalSink() override;

  std::string Describe() const override { return path_; }
  absl::Status Begin(const StreamShape& shape) override;
  void Put(std::shared_ptr<const Part> part, Done done) override;
  void Cancel() override;
  // Returns an empty proof: a directory has no ETags; the size is compared.
  absl::StatusOr<std::string> Finish(const StreamSummary& summary) override;
  absl::Status Abort() override;

 private:
  struct Job {
    std::shared_ptr<const Part> part;
    Done done;
  };

  bool HasWork() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return ending_ || !jobs_.empty(); }
  void WriteLoop() ABSL_LOCKS_EXCLUDED(mu_);
  absl::Status WritePart(const Part& part);
  void StopWriter() ABSL_LOCKS_EXCLUDED(mu_);

  const std::string directory_;
  const std::string name_;
  const std::string partial_;
  const std::string path_;
  UniqueFd dir_fd_;
  // Holds an exclusive flock while the run lives: RemoveStale knows a dead run's file by its
  // absence.
  UniqueFd file_fd_;

  Mutex mu_;
  std::deque<Job> jobs_ ABSL_GUARDED_BY(mu_);  // bounded by the pool: each holds a part
  bool cancelled_ ABSL_GUARDED_BY(mu_) = false;
  bool ending_ ABSL_GUARDED_BY(mu_) = false;
  std::thread writer_;
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_LOCAL_SINK_H_
