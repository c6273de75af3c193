#include "engine/part_assembler.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "engine/status_macros.h"

namespace volstream {

absl::Status PartAssembler::OpenPart() {
  VS_ASSIGN_OR_RETURN(PartLease lease, pool_->TakePart());
  open_ = std::make_shared<Part>();
  open_->index = next_index_++;
  open_->offset = bytes_;
  open_->lease = std::move(lease);
  return absl::OkStatus();
}

absl::Status PartAssembler::Append(ByteSpan bytes, std::vector<std::shared_ptr<Part>>* full) {
  while (!bytes.empty()) {
    if (open_ == nullptr) VS_RETURN_IF_ERROR(OpenPart());
    const size_t part_bytes = open_->lease.size();
    const size_t count = std::min(bytes.size(), part_bytes - open_->bytes);
    std::memcpy(open_->lease.data() + open_->bytes, bytes.data(), count);
    open_->bytes += count;
    bytes_ += count;
    bytes = bytes.subspan(count);
    if (open_->bytes == part_bytes) full->push_back(std::exchange(open_, nullptr));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<Part>> PartAssembler::Flush() {
  if (open_ == nullptr) {
    if (next_index_ > 0) return nullptr;
    VS_RETURN_IF_ERROR(OpenPart());
  }
  pool_->ForgoPartSpace(open_->lease.size() - open_->bytes);
  return std::exchange(open_, nullptr);
}

}  // namespace volstream
