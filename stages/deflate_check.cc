#include "stages/deflate_check.h"

#include <libdeflate.h>

#include <cstring>

namespace volstream {

DeflateCheck::DeflateCheck() : decompressor_(libdeflate_alloc_decompressor()) {}
DeflateCheck::~DeflateCheck() { libdeflate_free_decompressor(decompressor_); }

absl::StatusOr<bool> DeflateCheck::Holds(ByteSpan deflated, ByteSpan wanted) {
  if (decompressor_ == nullptr) {
    return absl::ResourceExhaustedError("no memory for a decompressor");
  }
  if (inflated_.size() < wanted.size()) inflated_.resize(wanted.size());
  size_t read = 0;
  // Without a place for the bytes written, fewer or more than wanted are an error.
  const libdeflate_result result =
      libdeflate_deflate_decompress_ex(decompressor_, deflated.data(), deflated.size(),
                                       inflated_.data(), wanted.size(), &read, nullptr);
  return result == LIBDEFLATE_SUCCESS && read == deflated.size() &&
         (wanted.empty() || std::memcmp(inflated_.data(), wanted.data(), wanted.size()) == 0);
}

}  // namespace volstream
