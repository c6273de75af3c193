#include "stages/md5_lanes.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "engine/check.h"
#include "stages/little_endian.h"
#include "stages/md5_kernel.h"

namespace volstream {
namespace md5 {

const KernelFunctions* FunctionsOf(Md5Kernel kernel) {
  switch (kernel) {
    case Md5Kernel::kOpenSsl:
      return nullptr;
    case Md5Kernel::kPortable:
      return &kPortableKernel;
    case Md5Kernel::kAvx2:
      return kAvx2Kernel;
    case Md5Kernel::kAvx512:
      return kAvx512Kernel;
  }
  return nullptr;
}

size_t Pad(const uint8_t* rest, uint64_t message_bytes, uint8_t* out) {
  constexpr size_t kLengthBytes = 8;
  const size_t rest_bytes = message_bytes % kBlockBytes;
  const size_t blocks = rest_bytes + 1 + kLengthBytes <= kBlockBytes ? 1 : 2;
  std::memset(out, 0, blocks * kBlockBytes);
  if (rest_bytes > 0) std::memcpy(out, rest, rest_bytes);
  out[rest_bytes] = 0x80;
  PutLittleEndian<uint64_t>(message_bytes * 8, out + blocks * kBlockBytes - kLengthBytes);
  return blocks;
}

void StoreDigest(const uint32_t* state, uint8_t* out) {
  for (size_t i = 0; i < 4; ++i) PutLittleEndian(state[i], out + 4 * i);
}

}  // namespace md5

namespace {

// One message at a time in each lane. The runs of the lanes in use are in front, as a kernel wants
// them; what else is known of run i is lane order_[i].
class Lanes {
 public:
  Lanes(const md5::KernelFunctions& kernel, std::span<Md5Digest> digests)
      : kernel_(kernel), digests_(digests) {
    for (size_t i = 0; i < order_.size(); ++i) order_[i] = i;
  }

  bool full() const { return used_ == kernel_.max_lanes; }
  bool empty() const { return used_ == 0; }

  void Add(ByteSpan message, size_t index) {
    Lane& lane = lanes_[order_[used_]];
    md5::Run& run = runs_[used_++];
    lane = {index, message.size() / md5::kBlockBytes, message, false, {}};
    std::copy(std::begin(md5::kInitialState), std::end(md5::kInitialState), run.state);
    run.message = message.data();
    if (lane.blocks == 0) BeginEnd(&lane, &run);
  }

  // Goes on to the end of a message.
  void Advance() {
    size_t blocks = SIZE_MAX;
    for (size_t i = 0; i < used_; ++i) blocks = std::min(blocks, lanes_[order_[i]].blocks);
    kernel_.advance(runs_.data(), used_, blocks);
    for (size_t i = used_; i-- > 0;) {
      Lane& lane = lanes_[order_[i]];
      lane.blocks -= blocks;
      if (lane.blocks > 0) continue;
      if (!lane.at_end) {
        BeginEnd(&lane, &runs_[i]);
        continue;
      }
      md5::StoreDigest(runs_[i].state, digests_[lane.index].data());
      --used_;
      std::swap(order_[i], order_[used_]);
      std::swap(runs_[i], runs_[used_]);
    }
  }

 private:
  struct Lane {
    size_t index = 0;   // of the message
    size_t blocks = 0;  // until the message ends, or its end does
    ByteSpan message;
    bool at_end = false;
    std::array<uint8_t, 2 * md5::kBlockBytes> end;  // its last bytes, padded
  };

  static void BeginEnd(Lane* lane, md5::Run* run) {
    const uint64_t bytes = lane->message.size();
    lane->blocks = md5::Pad(lane->message.data() + bytes / md5::kBlockBytes * md5::kBlockBytes,
                            bytes, lane->end.data());
    lane->at_end = true;
    run->message = lane->end.data();
  }

  const md5::KernelFunctions& kernel_;
  const std::span<Md5Digest> digests_;
  size_t used_ = 0;
  std::array<md5::Run, md5::kMaxLanes> runs_;
  std::array<Lane, md5::kMaxLanes> lanes_;
  std::array<size_t, md5::kMaxLanes> order_;
};

bool Supported(Md5Kernel kernel) {
#if defined(__x86_64__)
  if (kernel == Md5Kernel::kAvx2) {
    return md5::kAvx2Kernel != nullptr && __builtin_cpu_supports("avx2");
  }
  if (kernel == Md5Kernel::kAvx512) {
    return md5::kAvx512Kernel != nullptr && __builtin_cpu_supports("avx512f") &&
           __builtin_cpu_supports("avx512vl");
  }
  return true;
#else
  return kernel == Md5Kernel::kOpenSsl || kernel == Md5Kernel::kPortable;
#endif
}

Md5Kernel ChooseKernel() {
  const std::vector<Md5Kernel> kernels = SupportedMd5Kernels();
  if (const char* const name = std::getenv("VOLSTREAM_MD5"); name != nullptr) {
    for (const Md5Kernel kernel : kernels) {
      if (Md5KernelName(kernel) == name) return kernel;
    }
  }
  return kernels.back();
}

}  // namespace

std::string_view Md5KernelName(Md5Kernel kernel) {
  switch (kernel) {
    case Md5Kernel::kOpenSsl:
      return "openssl";
    case Md5Kernel::kPortable:
      return "portable";
    case Md5Kernel::kAvx2:
      return "avx2";
    case Md5Kernel::kAvx512:
      return "avx512";
  }
  return "";
}

std::vector<Md5Kernel> SupportedMd5Kernels() {
#if defined(__x86_64__)
  std::vector<Md5Kernel> kernels = {Md5Kernel::kOpenSsl, Md5Kernel::kPortable, Md5Kernel::kAvx2,
                                    Md5Kernel::kAvx512};
#else
  // Ours was not measured there.
  std::vector<Md5Kernel> kernels = {Md5Kernel::kPortable, Md5Kernel::kOpenSsl};
#endif
  std::erase_if(kernels, [](Md5Kernel kernel) { return !Supported(kernel); });
  return kernels;
}

Md5Kernel DefaultMd5Kernel() {
  static const Md5Kernel kernel = ChooseKernel();
  return kernel;
}

size_t Md5LaneCount(Md5Kernel kernel) {
  const md5::KernelFunctions* const functions = md5::FunctionsOf(kernel);
  return functions == nullptr ? 1 : functions->max_lanes;
}

void Md5OfEach(std::span<const ByteSpan> messages, std::span<Md5Digest> digests, Md5Kernel kernel) {
  VS_CHECK(messages.size() == digests.size());
  VS_CHECK(Supported(kernel));
  const md5::KernelFunctions* const functions = md5::FunctionsOf(kernel);
  if (functions == nullptr) {
    for (size_t i = 0; i < messages.size(); ++i) digests[i] = Md5Of(messages[i]);
    return;
  }
  Lanes lanes(*functions, digests);
  size_t next = 0;
  while (true) {
    for (; next < messages.size() && !lanes.full(); ++next) lanes.Add(messages[next], next);
    if (lanes.empty()) return;
    lanes.Advance();
  }
}

}  // namespace volstream
