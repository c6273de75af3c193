#include "bench/process_usage.h"

#include <sys/resource.h>

#include <fstream>
#include <string>

namespace volstream::bench {
namespace {

uint64_t StatusBytes(const std::string& key) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.compare(0, key.size(), key) == 0) return std::stoull(line.substr(key.size())) * 1024;
  }
  return 0;
}

double ToSeconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

}  // namespace

uint64_t ResidentBytes() { return StatusBytes("VmRSS:"); }
uint64_t PeakResidentBytes() { return StatusBytes("VmHWM:"); }

void ResetPeakResidentBytes() {
  // proc(5): 5 resets the peak resident set size.
  std::ofstream("/proc/self/clear_refs") << "5";
}

double ProcessCpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return ToSeconds(usage.ru_utime) + ToSeconds(usage.ru_stime);
}

}  // namespace volstream::bench
