// Small steps on local files that every writer of archives and receipts shares: errors with a
// remedy, and names that become visible in one durable step.
#ifndef VOLSTREAM_STAGES_LOCAL_FILE_H_
#define VOLSTREAM_STAGES_LOCAL_FILE_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "engine/bytes.h"
#include "stages/beneath.h"

namespace volstream {

// "<what>: <reason>", with the remedy where there is a usual one (no space left, no permission).
absl::Status FileError(int error, std::string_view what);

// The same for what is only to be read.
absl::Status ReadError(int error, std::string_view what);

// The whole of `bytes` at `offset`; no short writes.
absl::Status WriteAt(int fd, uint64_t offset, ByteSpan bytes, std::string_view what);

// The name under which `name` is written before it is whole: a dot-file beside it.
std::string PartialNameOf(std::string_view name);
// The name that PartialNameOf was given; empty if `partial` is no such name.
std::string_view NameOfPartial(std::string_view partial);

// fsyncs the file, gives it its final name in the same directory, fsyncs the directory.
// With `replace` false an existing file of that name is an error and stays as it is.
absl::Status Publish(int dir_fd, int file_fd, const std::string& partial, const std::string& name,
                     bool replace, std::string_view what);

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_LOCAL_FILE_H_
