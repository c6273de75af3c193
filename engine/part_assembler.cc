#include "engine/part_assembler.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace volstream {

void PartAssembler::OpenPart() {
  open_ = std::make_shared<Part>();
  open_->index = next_index_++;
  open_->offset = bytes_;
  open_->lease = pool_->TakePart();
}

void PartAssembler::Append(ByteSpan bytes, std::vector<std::shared_ptr<Part>>* full) {
  const size_t part_bytes = pool_->shape().part_bytes;
  while (!bytes.empty()) {
    if (open_ == nullptr) OpenPart();
    const size_t count = std::min(bytes.size(), part_bytes - open_->bytes);
    std::memcpy(open_->lease.data() + open_->bytes, bytes.data(), count);
    open_->bytes += count;
    bytes_ += count;
    bytes = bytes.subspan(count);
    if (open_->bytes == part_bytes) full->push_back(std::exchange(open_, nullptr));
  }
}

std::shared_ptr<Part> PartAssembler::Flush() {
  if (open_ == nullptr) {
    if (next_index_ > 0) return nullptr;
    OpenPart();
  }
  pool_->ForgoPartSpace(pool_->shape().part_bytes - open_->bytes);
  return std::exchange(open_, nullptr);
}

}  // namespace volstream
