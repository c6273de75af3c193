#include "engine/stats.h"

#include <time.h>

namespace volstream {
namespace {

int64_t ClockNanoseconds(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

}  // namespace

std::string_view StageName(Stage stage) {
  switch (stage) {
    case Stage::kFill:
      return "read";
    case Stage::kEncode:
      return "compress";
    case Stage::kAssemble:
      return "assemble";
    case Stage::kObserve:
      return "stream digest";
    case Stage::kPartHash:
      return "part digest";
  }
  return "";
}

void StageCounter::Add(uint64_t bytes_in, uint64_t bytes_out, int64_t busy_ns, int64_t cpu_ns) {
  calls_.fetch_add(1, std::memory_order_relaxed);
  bytes_in_.fetch_add(bytes_in, std::memory_order_relaxed);
  bytes_out_.fetch_add(bytes_out, std::memory_order_relaxed);
  busy_ns_.fetch_add(busy_ns, std::memory_order_relaxed);
  cpu_ns_.fetch_add(cpu_ns, std::memory_order_relaxed);
}

StageStats StageCounter::Snapshot() const {
  StageStats stats;
  stats.calls = calls_.load(std::memory_order_relaxed);
  stats.bytes_in = bytes_in_.load(std::memory_order_relaxed);
  stats.bytes_out = bytes_out_.load(std::memory_order_relaxed);
  stats.busy = absl::Nanoseconds(busy_ns_.load(std::memory_order_relaxed));
  stats.cpu = absl::Nanoseconds(cpu_ns_.load(std::memory_order_relaxed));
  return stats;
}

StageTimer::StageTimer(StageCounter* counter)
    : counter_(counter),
      wall_start_ns_(ClockNanoseconds(CLOCK_MONOTONIC)),
      cpu_start_ns_(ClockNanoseconds(CLOCK_THREAD_CPUTIME_ID)) {}

void StageTimer::Stop(uint64_t bytes_in, uint64_t bytes_out) {
  counter_->Add(bytes_in, bytes_out, ClockNanoseconds(CLOCK_MONOTONIC) - wall_start_ns_,
                ClockNanoseconds(CLOCK_THREAD_CPUTIME_ID) - cpu_start_ns_);
}

double ThreadCpuSeconds() {
  return static_cast<double>(ClockNanoseconds(CLOCK_THREAD_CPUTIME_ID)) * 1e-9;
}

}  // namespace volstream
