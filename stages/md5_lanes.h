// MD5 (RFC 1321) of several messages at once, one in each lane of the processor's vectors: with one
// message a core has little to do but to wait for the step before, so more of them cost hardly
// more. Kernels are chosen when the program runs. OpenSSL is one of them: where no other was
// measured, and as what the others are tested against.
#ifndef VOLSTREAM_STAGES_MD5_LANES_H_
#define VOLSTREAM_STAGES_MD5_LANES_H_

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "engine/bytes.h"
#include "stages/digest.h"

namespace volstream {

enum class Md5Kernel { kOpenSsl, kPortable, kAvx2, kAvx512 };
std::string_view Md5KernelName(Md5Kernel kernel);  // "openssl", "portable", "avx2", "avx512"

// Those that this build has and this processor supports, the fastest last.
std::vector<Md5Kernel> SupportedMd5Kernels();

// The fastest, or the one that the environment variable VOLSTREAM_MD5 names, for comparisons, if it
// is supported. The same for the life of the process.
Md5Kernel DefaultMd5Kernel();

// How many messages the kernel takes at once. More are taken in turn.
size_t Md5LaneCount(Md5Kernel kernel);

// digests[i] becomes the MD5 of messages[i]; lengths may differ. Safe for concurrent calls.
// REQUIRES: as many digests as messages; a supported kernel.
void Md5OfEach(std::span<const ByteSpan> messages, std::span<Md5Digest> digests,
               Md5Kernel kernel = DefaultMd5Kernel());

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_MD5_LANES_H_
