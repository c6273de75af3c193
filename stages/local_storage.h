// A directory as a destination.
#ifndef VOLSTREAM_STAGES_LOCAL_STORAGE_H_
#define VOLSTREAM_STAGES_LOCAL_STORAGE_H_

#include <memory>
#include <string>

#include "stages/storage.h"

namespace volstream {

// The storage over `directory`. Nothing is touched until it is used; Check() makes the directory
// if only its last component is missing.
std::unique_ptr<Storage> OpenLocalStorage(std::string directory);

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_LOCAL_STORAGE_H_
