// HostName: what this machine calls itself, as it goes into receipts and locks.
#ifndef VOLSTREAM_STAGES_HOST_NAME_H_
#define VOLSTREAM_STAGES_HOST_NAME_H_

#include <string>

namespace volstream {

// gethostname(2); empty where that fails. Any thread.
std::string HostName();

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_HOST_NAME_H_
