// What Linux says of this process: memory from /proc/self/status, processor time from getrusage.
#ifndef VOLSTREAM_BENCH_PROCESS_USAGE_H_
#define VOLSTREAM_BENCH_PROCESS_USAGE_H_

#include <cstdint>

namespace volstream::bench {

// Resident memory now, and the most since the last reset (VmRSS, VmHWM); 0 where /proc is missing.
uint64_t ResidentBytes();
uint64_t PeakResidentBytes();
// Lets the peak begin anew at what is resident now.
void ResetPeakResidentBytes();

// User and system time of all threads so far.
double ProcessCpuSeconds();

}  // namespace volstream::bench

#endif  // VOLSTREAM_BENCH_PROCESS_USAGE_H_
