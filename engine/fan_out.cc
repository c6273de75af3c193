#include "engine/fan_out.h"

#include <algorithm>
#include <utility>

#include "absl/container/inlined_vector.h"
#include "absl/time/clock.h"
#include "engine/check.h"
#include "engine/mutex.h"
#include "engine/status_macros.h"

namespace volstream {

FanOut::FanOut(std::vector<PartSink*> sinks,
               std::function<void(const absl::Status&, size_t)> on_sink_failed)
    : on_sink_failed_(std::move(on_sink_failed)) {
  lanes_.reserve(sinks.size());
  for (PartSink* sink : sinks) lanes_.push_back(Lane{sink, false, absl::OkStatus(), 0});
}

bool FanOut::WantsSha256() const {
  MutexLock lock(&mu_);
  return std::any_of(lanes_.begin(), lanes_.end(),
                     [](const Lane& lane) { return lane.sink->WantsSha256(); });
}

size_t FanOut::LiveCountLocked() const {
  return std::count_if(lanes_.begin(), lanes_.end(),
                       [](const Lane& lane) { return lane.status.ok(); });
}

size_t FanOut::live_count() const {
  MutexLock lock(&mu_);
  return LiveCountLocked();
}

uint64_t FanOut::parts_in_flight() const {
  MutexLock lock(&mu_);
  return outstanding_;
}

absl::Duration FanOut::busy() const {
  MutexLock lock(&mu_);
  return outstanding_ == 0 ? busy_ : busy_ + (absl::Now() - busy_since_);
}

uint64_t FanOut::stored_bytes() const {
  MutexLock lock(&mu_);
  uint64_t least = UINT64_MAX;
  for (const Lane& lane : lanes_) {
    if (lane.begun && lane.status.ok()) least = std::min(least, lane.stored_bytes);
  }
  return least == UINT64_MAX ? 0 : least;
}

void FanOut::Begin(const StreamShape& shape) {
  std::vector<PartSink*> sinks;
  {
    MutexLock lock(&mu_);
    for (const Lane& lane : lanes_) sinks.push_back(lane.sink);
  }
  for (size_t i = 0; i < sinks.size(); ++i) {
    absl::Status status = sinks[i]->Begin(shape);
    if (status.ok()) {
      MutexLock lock(&mu_);
      lanes_[i].begun = true;
    } else {
      Fail(i, std::move(status));
    }
  }
}

void FanOut::Deliver(std::shared_ptr<const Part> part) {
  absl::InlinedVector<std::pair<size_t, PartSink*>, 4> live;
  {
    MutexLock lock(&mu_);
    for (size_t i = 0; i < lanes_.size(); ++i) {
      if (lanes_[i].begun && lanes_[i].status.ok()) live.emplace_back(i, lanes_[i].sink);
    }
    if (outstanding_ == 0 && !live.empty()) busy_since_ = absl::Now();
    outstanding_ += live.size();
  }
  const uint64_t bytes = part->bytes;
  for (const auto& [lane, sink] : live) {
    sink->Put(part, [this, lane = lane, bytes](absl::Status status) {
      PutDone(lane, bytes, std::move(status));
    });
  }
}

void FanOut::PutDone(size_t lane, uint64_t bytes, absl::Status status) {
  const bool ok = status.ok();
  if (!ok) Fail(lane, std::move(status));
  MutexLock lock(&mu_);
  VS_CHECK(outstanding_ > 0);
  if (ok) lanes_[lane].stored_bytes += bytes;
  if (outstanding_ == 1) busy_ += absl::Now() - busy_since_;
  // Last: once this reaches zero the waiter may destroy everything.
  --outstanding_;
}

void FanOut::Fail(size_t lane, absl::Status status) {
  PartSink* sink = nullptr;
  size_t live = 0;
  {
    MutexLock lock(&mu_);
    if (!lanes_[lane].status.ok()) return;
    lanes_[lane].status = status;
    sink = lanes_[lane].sink;
    live = LiveCountLocked();
  }
  sink->Cancel();
  on_sink_failed_(status, live);
}

void FanOut::Cancel() {
  std::vector<PartSink*> sinks;
  {
    MutexLock lock(&mu_);
    // Those that are only beginning as well: that may take a while.
    for (const Lane& lane : lanes_) sinks.push_back(lane.sink);
  }
  for (PartSink* sink : sinks) sink->Cancel();
}

void FanOut::WaitUntilIdle() {
  MutexLock lock(&mu_);
  mu_.Await([this] { return Idle(); });
}

std::vector<SinkOutcome> FanOut::End(const absl::Status& run, const StreamSummary& summary) {
  std::vector<Lane> lanes;
  {
    MutexLock lock(&mu_);
    VS_CHECK(outstanding_ == 0);
    lanes = lanes_;
  }
  std::vector<SinkOutcome> outcomes;
  for (const Lane& lane : lanes) {
    SinkOutcome outcome{lane.sink->Describe(), lane.status, ""};
    // kCancelled is only a consequence of what ended the run.
    if (outcome.status.ok() || (!run.ok() && absl::IsCancelled(outcome.status))) {
      outcome.status = run;
    }
    if (lane.begun && outcome.status.ok()) {
      absl::StatusOr<std::string> proof = lane.sink->Finish(summary);
      outcome.status = proof.status();
      if (proof.ok()) outcome.proof = *std::move(proof);
    } else if (lane.begun) {
      const absl::Status aborted = lane.sink->Abort();
      if (!aborted.ok()) {
        outcome.status = WithSequel(outcome.status, aborted.message());
      }
    }
    outcomes.push_back(std::move(outcome));
  }
  return outcomes;
}

}  // namespace volstream
