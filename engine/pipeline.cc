#include "engine/pipeline.h"

#include <oneapi/tbb/flow_graph.h>
#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/task_arena.h>

#include <algorithm>
#include <atomic>
#include <optional>
#include <string>
#include <thread>
#include <tuple>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "engine/buffer_pool.h"
#include "engine/check.h"
#include "engine/first_error.h"
#include "engine/guarded.h"
#include "engine/handoff.h"
#include "engine/mutex.h"
#include "engine/part_assembler.h"
#include "engine/part_batcher.h"
#include "engine/part_delivery.h"
#include "engine/start_threads.h"
#include "engine/status_macros.h"
#include "engine/ticker.h"

namespace volstream {
namespace {

namespace flow = tbb::flow;

}  // namespace

class Pipeline::Impl {
 public:
  Impl(PipelineOptions options, PipelineJob job)
      : options_(std::move(options)),
        job_(std::move(job)),
        workers_(ResolveWorkers(options_.workers)),
        start_(absl::Now()),
        error_([this] { Stop(); }),
        fan_out_(job_.sinks, [this](const absl::Status& status, size_t live) {
          if (live == 0 || options_.stop_on_sink_failure) error_.Set(status);
        }) {}

  RunReport Run();
  void Cancel(absl::Status reason) { error_.Set(std::move(reason)); }
  Progress Snapshot() const;

 private:
  // One block on its way from admission to the assembler. A failed block travels on as an empty
  // one: a gap in the sequence would stop the order node silently.
  struct Block {
    Impl* run = nullptr;
    uint64_t seq = 0;
    BlockTicket ticket;
    BlockLease lease;
    size_t source_bytes = 0;
    EncodedBlock encoded;
    Handoff handoff;
  };

  // Full parts on their way to the sinks. Made by the assembler, deleted once delivered.
  struct PartJob {
    Impl* run = nullptr;
    PartBatch parts;
    Handoff handoff;
  };

  // Messages are plain pointers: the graph copies messages freely, and these cost nothing to copy.
  // Blocks live in an array with one slot a slab, so the lease of a block's slab owns its slot.
  using BlockMessage = Block*;
  using PartMessage = PartJob*;

  using OrderedPorts =
      flow::multifunction_node<BlockMessage, std::tuple<PartMessage>>::output_ports_type;

  struct Graph;

  // Wakes the source thread and the sinks. Runs once, by the first error.
  void Stop() ABSL_LOCKS_EXCLUDED(pool_mu_);
  void RunGraph();
  void ReadSource(Graph* nodes);
  Pressure PressureAt(uint64_t source_offset) const;
  void FillAndEncode(Block* block);
  absl::StatusOr<size_t> Fill(Block* block, MutableByteSpan in);
  // One of those who read the source, which are every block until it is filled and the source
  // thread, has done with it.
  void LeaveSource();
  void AssembleInOrder(Block* block, OrderedPorts* ports);
  absl::Status Observe(const BlockRecord& record, ByteSpan encoded);
  absl::Status Append(ByteSpan encoded, std::vector<PartBatch>* batches);
  void HashAndDeliver(PartBatch parts);
  absl::Status AppendTail();
  void FinishStream();
  RunStats Stats() const;

  const PipelineOptions options_;
  const PipelineJob job_;
  const int workers_;
  const absl::Time start_;
  std::atomic<bool> finished_{false};
  std::array<StageCounter, kStageCount> counters_;
  StageCounter& counter(Stage stage) { return counters_[static_cast<int>(stage)]; }

  std::atomic<uint64_t> source_readers_{1};

  FirstError error_;
  FanOut fan_out_;
  absl::Duration drain_;  // the caller's, as finish_
  absl::Duration finish_;

  // Guards the pointer alone, for Stop() and Snapshot(); the pool has a lock of its own.
  mutable Mutex pool_mu_;
  std::unique_ptr<BufferPool> pool_ ABSL_GUARDED_BY(pool_mu_);
  BufferPool* run_pool_ = nullptr;  // the same pool; set before the graph starts

  // The source thread's.
  uint64_t blocks_in_ = 0;
  std::unique_ptr<Block[]> blocks_;  // one a slab
  // The serial node's, then the caller's once the graph is idle.
  Handoff serial_;
  std::optional<PartAssembler> assembler_;
  std::optional<PartBatcher> batcher_;
  uint64_t blocks_out_ = 0;
  uint64_t blocks_stored_ = 0;
  uint64_t blocks_redone_ = 0;
  uint64_t source_bytes_ = 0;
  std::optional<PartDelivery> delivery_;
};

RunReport Pipeline::Impl::Run() {
  RunReport report;
  const absl::StatusOr<PoolShape> shape =
      DerivePoolShape(options_, job_.codec->Bound(options_.block_bytes));
  if (!shape.ok()) {
    report.status = shape.status();
    return report;
  }
  {
    MutexLock lock(&pool_mu_);
    pool_ = std::make_unique<BufferPool>(*shape);
    run_pool_ = pool_.get();
  }
  if (error_.failed()) Stop();  // a Cancel that came before there was a pool to close
  assembler_.emplace(run_pool_);
  batcher_.emplace(*shape, job_.hasher->BatchParts());
  delivery_.emplace(job_.hasher, &fan_out_, &counter(Stage::kPartHash));
  blocks_ = std::make_unique<Block[]>(shape->slab_count);
  Ticker ticker(options_.on_progress ? options_.progress_interval : absl::InfiniteDuration(),
                [this] { options_.on_progress(Snapshot()); });

  StreamShape stream{0, options_.parts.first_bytes, options_.parts.largest_bytes()};
  if (const uint64_t bytes = job_.source->MaxStreamBytes(); bytes > 0) {
    stream.max_stream_bytes = MaxEncodedBytes(bytes, shape->block_bytes, shape->bound_bytes) +
                              (job_.tail == nullptr ? 0 : job_.tail->MaxBytes());
  }
  fan_out_.Begin(stream);
  if (!error_.failed()) RunGraph();
  const absl::Time drain_begin = absl::Now();
  fan_out_.WaitUntilIdle();
  drain_ = absl::Now() - drain_begin;

  if (!error_.failed() && blocks_in_ != blocks_out_) {
    error_.Set(absl::DataLossError(absl::StrCat("of ", blocks_in_, " blocks read only ",
                                                blocks_out_, " came out of the pipeline")));
  }
  report.summary.parts = delivery_->TakeRecords();
  report.summary.bytes = assembler_->bytes();
  // Once: a Cancel from here on comes too late to undo what the sinks make visible.
  report.status = error_.status();
  const absl::Time finish_begin = absl::Now();
  report.sinks = fan_out_.End(report.status, report.summary);
  finish_ = absl::Now() - finish_begin;
  const auto failed = [](const SinkOutcome& sink) { return !sink.status.ok(); };
  if (report.status.ok() && !report.sinks.empty() &&
      std::all_of(report.sinks.begin(), report.sinks.end(), failed)) {
    report.status = report.sinks.front().status;
  }
  // The sink that ended the run may have more to say than it did then.
  for (const SinkOutcome& sink : report.sinks) {
    if (report.status.ok() || !absl::StartsWith(sink.status.message(), report.status.message())) {
      continue;
    }
    report.status = sink.status;
    break;
  }
  finished_.store(true);
  ticker.Stop();
  if (options_.on_progress) options_.on_progress(Snapshot());
  report.stats = Stats();
  assembler_.reset();
  batcher_.reset();
  return report;
}

void Pipeline::Impl::Stop() {
  {
    MutexLock lock(&pool_mu_);
    if (pool_ != nullptr) pool_->Close();
  }
  job_.source->Cancel();
  fan_out_.Cancel();
}

// The nodes and their edges. Bodies capture nothing: each message knows its run.
struct Pipeline::Impl::Graph {
  flow::graph graph;

  flow::function_node<BlockMessage, BlockMessage> encode{graph, flow::unlimited,
                                                         [](BlockMessage block) {
                                                           block->handoff.Take();
                                                           block->run->FillAndEncode(block);
                                                           block->handoff.Pass();
                                                           return block;
                                                         }};
  flow::sequencer_node<BlockMessage> order{graph, [](BlockMessage block) { return block->seq; }};
  // The first serial node after the sequencer sees its order; a second one would not.
  flow::multifunction_node<BlockMessage, std::tuple<PartMessage>> assemble{
      graph, flow::serial, [](BlockMessage block, OrderedPorts& ports) {
        block->handoff.Take();
        block->run->AssembleInOrder(block, &ports);
      }};
  flow::function_node<PartMessage, flow::continue_msg> deliver{
      graph, flow::unlimited, [](PartMessage message) {
        message->handoff.Take();
        const std::unique_ptr<PartJob> job(message);
        job->run->HashAndDeliver(std::move(job->parts));
        return flow::continue_msg();
      }};

  Graph() {
    flow::make_edge(encode, order);
    flow::make_edge(order, assemble);
    flow::make_edge(flow::output_port<0>(assemble), deliver);
  }
};

void Pipeline::Impl::RunGraph() {
  // More workers than cores are allowed when the caller asks for them.
  tbb::global_control parallelism(tbb::global_control::max_allowed_parallelism, workers_ + 1);
  tbb::task_arena arena(workers_);
  arena.execute([this] {
    const auto nodes = std::make_unique<Graph>();
    // The source thread counts as work of the graph until it ends.
    nodes->graph.reserve_wait();
    std::vector<std::thread> source;
    const absl::Status started = StartThreads(
        1,
        [this, &nodes] {
          ReadSource(nodes.get());
          LeaveSource();
          nodes->graph.release_wait();
        },
        &source);
    if (!started.ok()) {
      error_.Set(started);
      LeaveSource();
      nodes->graph.release_wait();
    }
    nodes->graph.wait_for_all();
    for (std::thread& thread : source) thread.join();
  });
  serial_.Take();
  FinishStream();
}

void Pipeline::Impl::ReadSource(Graph* nodes) {
  while (true) {
    absl::StatusOr<BlockLease> lease = run_pool_->Admit();
    if (!lease.ok()) return;  // closed: the cause is set already
    Block* const block = &blocks_[lease->slab_index()];
    block->run = this;
    block->lease = *std::move(lease);
    block->source_bytes = 0;
    block->encoded = EncodedBlock();
    const absl::Status status = Guarded([this, block] {
      VS_ASSIGN_OR_RETURN(block->ticket, job_.source->Next(block->lease.in()));
      return absl::OkStatus();
    });
    if (!status.ok()) error_.Set(status);
    if (!status.ok() || block->ticket.bytes == 0) {
      block->lease.Release();
      return;
    }
    if (options_.on_pressure) options_.on_pressure(PressureAt(block->ticket.offset));
    block->seq = blocks_in_++;
    source_readers_.fetch_add(1);
    block->handoff.Pass();
    nodes->encode.try_put(block);
  }
}

Pressure Pipeline::Impl::PressureAt(uint64_t source_offset) const {
  const BufferPool::Usage usage = run_pool_->usage();
  Pressure pressure;
  pressure.source_offset = source_offset;
  pressure.parts_delivered = usage.returned_parts;
  // One part is being filled.
  pressure.parts_waiting = std::max<size_t>(usage.parts_in_use, 1) - 1;
  pressure.part_room = std::max<size_t>(usage.granted_parts, 2) - 1;
  pressure.blocks_in_hand = usage.slabs_in_use - 1;
  pressure.block_room = run_pool_->shape().slab_count - 1;
  return pressure;
}

void Pipeline::Impl::LeaveSource() {
  if (source_readers_.fetch_sub(1) == 1 && options_.on_source_read) options_.on_source_read();
}

absl::StatusOr<size_t> Pipeline::Impl::Fill(Block* block, MutableByteSpan in) {
  StageTimer timer(&counter(Stage::kFill));
  size_t bytes = in.size();
  if (!block->ticket.filled) {
    VS_ASSIGN_OR_RETURN(bytes, job_.source->Fill(block->ticket, in));
  }
  timer.Stop(0, bytes);
  return bytes;
}

void Pipeline::Impl::FillAndEncode(Block* block) {
  const MutableByteSpan in = block->lease.in().first(block->ticket.bytes);
  absl::Status status;
  if (!error_.failed()) {
    status = Guarded([this, block, in] {
      VS_ASSIGN_OR_RETURN(block->source_bytes, Fill(block, in));
      return absl::OkStatus();
    });
    if (!status.ok()) error_.Set(status);
  }
  LeaveSource();
  if (error_.failed() || block->source_bytes == 0) return;
  status = Guarded([this, block, in] {
    StageTimer encode(&counter(Stage::kEncode));
    VS_ASSIGN_OR_RETURN(block->encoded,
                        job_.codec->Encode(in.first(block->source_bytes), block->lease.out()));
    encode.Stop(block->source_bytes, block->encoded.bytes);
    return absl::OkStatus();
  });
  if (!status.ok()) {
    block->encoded = EncodedBlock();
    error_.Set(WithContext(status, absl::StrCat("at offset ", block->ticket.offset)));
  }
}

absl::Status Pipeline::Impl::Observe(const BlockRecord& record, ByteSpan encoded) {
  StageTimer timer(&counter(Stage::kObserve));
  for (StreamObserver* observer : job_.observers) {
    VS_RETURN_IF_ERROR(observer->OnBlock(record, encoded));
  }
  timer.Stop(encoded.size(), encoded.size());
  return absl::OkStatus();
}

// Adds to `batches` what has become full and is to be hashed now.
absl::Status Pipeline::Impl::Append(ByteSpan encoded, std::vector<PartBatch>* batches) {
  std::vector<std::shared_ptr<Part>> full;
  const absl::Status status = assembler_->Append(encoded, &full);
  for (std::shared_ptr<Part>& part : full) {
    PartBatch batch = batcher_->Add(std::move(part));
    if (!batch.empty()) batches->push_back(std::move(batch));
  }
  return status;
}

void Pipeline::Impl::AssembleInOrder(Block* block, OrderedPorts* ports) {
  VS_CHECK(block->seq == blocks_out_);
  ++blocks_out_;
  const ByteSpan encoded = block->lease.out().first(block->encoded.bytes);
  std::vector<PartBatch> batches;
  if (!error_.failed() && !encoded.empty()) {
    const BlockRecord record{source_bytes_, block->source_bytes, assembler_->bytes(),
                             encoded.size(), block->encoded.stored};
    const absl::Status status =
        Guarded([this, &record, encoded] { return Observe(record, encoded); });
    if (!status.ok()) error_.Set(status);
    StageTimer timer(&counter(Stage::kAssemble));
    block->lease.Settle(encoded.size());
    const absl::Status appended = Append(encoded, &batches);
    if (!appended.ok()) error_.Set(appended);
    timer.Stop(encoded.size(), encoded.size());
    source_bytes_ += block->source_bytes;
    blocks_stored_ += block->encoded.stored ? 1 : 0;
    blocks_redone_ += block->encoded.redone ? 1 : 0;
  }
  serial_.Pass();
  // Out of the slot first: once the slab is free, the slot is the next block's.
  BlockLease(std::move(block->lease)).Release();
  for (PartBatch& parts : batches) {
    auto job = std::make_unique<PartJob>();
    job->run = this;
    job->parts = std::move(parts);
    job->handoff.Pass();
    std::get<0>(*ports).try_put(job.release());
  }
}

void Pipeline::Impl::HashAndDeliver(PartBatch parts) {
  if (error_.failed()) return;
  const absl::Status status = Guarded([this, &parts] {
    delivery_->Deliver(std::move(parts));
    return absl::OkStatus();
  });
  if (!status.ok()) error_.Set(status);
}

// Where no graph runs any more, the caller's thread does all of a block's steps. It waits for
// memory as the source thread did, which has ended: the parts before are with the sinks.
absl::Status Pipeline::Impl::AppendTail() {
  while (true) {
    VS_ASSIGN_OR_RETURN(BlockLease lease, run_pool_->Admit());
    StageTimer encode(&counter(Stage::kEncode));
    VS_ASSIGN_OR_RETURN(const size_t bytes, job_.tail->Next(assembler_->bytes(), lease.out()));
    if (bytes == 0) return absl::OkStatus();
    encode.Stop(0, bytes);
    const ByteSpan encoded = lease.out().first(bytes);
    VS_RETURN_IF_ERROR(Observe({source_bytes_, 0, assembler_->bytes(), bytes, false}, encoded));
    std::vector<PartBatch> batches;
    StageTimer timer(&counter(Stage::kAssemble));
    lease.Settle(bytes);
    VS_RETURN_IF_ERROR(Append(encoded, &batches));
    timer.Stop(bytes, bytes);
    lease.Release();
    for (PartBatch& parts : batches) HashAndDeliver(std::move(parts));
  }
}

void Pipeline::Impl::FinishStream() {
  if (!error_.failed() && job_.tail != nullptr) {
    const absl::Status status = Guarded([this] { return AppendTail(); });
    if (!status.ok()) error_.Set(status);
  }
  PartBatch parts = batcher_->TakeAll();
  if (error_.failed()) return;
  absl::StatusOr<std::shared_ptr<Part>> last = assembler_->Flush();
  if (!last.ok()) {
    error_.Set(last.status());
    return;
  }
  if (*last != nullptr) parts.push_back(*std::move(last));
  if (!parts.empty()) HashAndDeliver(std::move(parts));
}

Progress Pipeline::Impl::Snapshot() const {
  Progress progress;
  progress.elapsed = absl::Now() - start_;
  progress.max_source_bytes = job_.source->MaxStreamBytes();
  progress.source_bytes = counters_[static_cast<int>(Stage::kFill)].Snapshot().bytes_out;
  progress.encoded_bytes = counters_[static_cast<int>(Stage::kAssemble)].Snapshot().bytes_out;
  progress.stored_bytes = fan_out_.stored_bytes();
  progress.parts_in_flight = fan_out_.parts_in_flight();
  progress.finished = finished_.load();
  return progress;
}

RunStats Pipeline::Impl::Stats() const {
  RunStats stats;
  stats.elapsed = absl::Now() - start_;
  stats.workers = workers_;
  stats.blocks = blocks_out_;
  stats.blocks_stored = blocks_stored_;
  stats.blocks_redone = blocks_redone_;
  stats.source_bytes = source_bytes_;
  stats.encoded_bytes = assembler_->bytes();
  stats.memory_bytes = run_pool_->shape().TotalBytes();
  const BufferPool::Usage usage = run_pool_->usage();
  stats.peak_part_buffer_bytes = usage.peak_part_buffer_bytes;
  stats.admit_waits = usage.admit_waits;
  stats.admit_wait = absl::Nanoseconds(usage.admit_wait_ns);
  stats.admit_wait_for_parts = absl::Nanoseconds(usage.admit_wait_for_parts_ns);
  stats.sinks_busy = fan_out_.busy();
  stats.drain = drain_;
  stats.finish = finish_;
  for (int i = 0; i < kStageCount; ++i) stats.stages[i] = counters_[i].Snapshot();
  stats.parts = delivery_->parts();
  return stats;
}

Pipeline::Pipeline(PipelineOptions options, PipelineJob job)
    : impl_(std::make_unique<Impl>(std::move(options), std::move(job))) {}
Pipeline::~Pipeline() = default;
RunReport Pipeline::Run() { return impl_->Run(); }
void Pipeline::Cancel(absl::Status reason) { impl_->Cancel(std::move(reason)); }
Progress Pipeline::Snapshot() const { return impl_->Snapshot(); }

}  // namespace volstream
