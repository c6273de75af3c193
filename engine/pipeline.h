// Pipeline: one run of the engine, from a source to any number of sinks over bounded memory.
//
//   source thread ==Admit==> [fill + encode: parallel] -> [order] -> [assemble + observe: serial]
//       -> [part digest, of one part or of several at once: parallel] -> every live sink
//
// Order: the encoded stream is the concatenation of the encoded blocks in source order, whatever
// order the workers finish in.
// Memory: at most PipelineOptions::memory_bytes for blocks and parts, whatever the stream's size.
// Errors: the first error of the source, codec or observer ends the run; work already admitted
// drains, so nothing is leaked or left in a queue. A failed sink is dropped while others live.
// Threads: Run() on one thread, once; Cancel() and Snapshot() from any thread while the Pipeline
// exists. Everything in PipelineJob is borrowed for the life of the Pipeline.
#ifndef VOLSTREAM_ENGINE_PIPELINE_H_
#define VOLSTREAM_ENGINE_PIPELINE_H_

#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "engine/fan_out.h"
#include "engine/message.h"
#include "engine/options.h"
#include "engine/stage.h"
#include "engine/stats.h"

namespace volstream {

struct PipelineJob {
  BlockSource* source = nullptr;
  BlockCodec* codec = nullptr;
  PartHasher* hasher = nullptr;
  std::vector<StreamObserver*> observers;  // may be empty
  std::vector<PartSink*> sinks;            // may be empty: the bytes go nowhere
  StreamTail* tail = nullptr;              // may be null
};

struct RunReport {
  // OK when the whole stream was read and at least one sink has it (or there is no sink). Then
  // `sinks` still says which destinations failed.
  absl::Status status;
  std::vector<SinkOutcome> sinks;  // one a sink, in the job's order
  StreamSummary summary;           // meaningful when status is OK
  RunStats stats;
};

class Pipeline {
 public:
  Pipeline(PipelineOptions options, PipelineJob job);
  ~Pipeline();
  Pipeline(const Pipeline&) = delete;
  Pipeline& operator=(const Pipeline&) = delete;

  // Begins the sinks, moves the stream, then finishes or aborts every sink. Returns when nothing
  // is left running.
  RunReport Run();

  // Ends the run soon with `reason` as its status, unless it has failed already.
  void Cancel(absl::Status reason);

  Progress Snapshot() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace volstream

#endif  // VOLSTREAM_ENGINE_PIPELINE_H_
