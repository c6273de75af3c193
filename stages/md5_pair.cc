#include "stages/md5_pair.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "engine/check.h"
#include "stages/md5_kernel.h"

namespace volstream {
namespace {

// A digest under way: the state after all whole blocks, and the bytes after them.
struct Rolling {
  Rolling() { std::copy(std::begin(md5::kInitialState), std::end(md5::kInitialState), state); }

  size_t pending_bytes() const { return bytes % md5::kBlockBytes; }

  // Takes bytes into the block that is not whole yet, and says how many; then a block may be whole.
  size_t Fill(ByteSpan in) {
    const size_t count = std::min(in.size(), md5::kBlockBytes - pending_bytes());
    if (count > 0) std::memcpy(pending + pending_bytes(), in.data(), count);
    bytes += count;
    return count;
  }

  uint32_t state[4];
  uint8_t pending[md5::kBlockBytes];
  uint64_t bytes = 0;
};

}  // namespace

class Md5Pair::State {
 public:
  virtual ~State() = default;
  virtual void Update(ByteSpan bytes) = 0;
  virtual Md5Digest Cut() = 0;
  virtual Md5Digest Finish() = 0;
};

class Md5Pair::Kernel : public Md5Pair::State {
 public:
  explicit Kernel(const md5::KernelFunctions& kernel) : kernel_(kernel) {}

  void Update(ByteSpan bytes) override {
    if (stream_.pending_bytes() != piece_.pending_bytes()) {
      UpdateOne(&stream_, bytes);
      UpdateOne(&piece_, bytes);
      return;
    }
    if (stream_.pending_bytes() > 0) {
      piece_.Fill(bytes);
      bytes = bytes.subspan(stream_.Fill(bytes));
      if (stream_.pending_bytes() > 0) return;
      kernel_.advance_pair(stream_.state, piece_.state, stream_.pending, 1);
    }
    const size_t blocks = bytes.size() / md5::kBlockBytes;
    kernel_.advance_pair(stream_.state, piece_.state, bytes.data(), blocks);
    stream_.bytes += blocks * md5::kBlockBytes;
    piece_.bytes += blocks * md5::kBlockBytes;
    bytes = bytes.subspan(blocks * md5::kBlockBytes);
    stream_.Fill(bytes);
    piece_.Fill(bytes);
  }

  Md5Digest Cut() override { return DigestOf(std::exchange(piece_, Rolling())); }

  Md5Digest Finish() override { return DigestOf(stream_); }

 private:
  void Advance(Rolling* rolling, const uint8_t* message, size_t blocks) const {
    md5::Run run;
    std::memcpy(run.state, rolling->state, sizeof(run.state));
    run.message = message;
    kernel_.advance(&run, 1, blocks);
    std::memcpy(rolling->state, run.state, sizeof(run.state));
  }

  void UpdateOne(Rolling* rolling, ByteSpan bytes) const {
    if (rolling->pending_bytes() > 0) {
      bytes = bytes.subspan(rolling->Fill(bytes));
      if (rolling->pending_bytes() > 0) return;
      Advance(rolling, rolling->pending, 1);
    }
    const size_t blocks = bytes.size() / md5::kBlockBytes;
    Advance(rolling, bytes.data(), blocks);
    rolling->bytes += blocks * md5::kBlockBytes;
    rolling->Fill(bytes.subspan(blocks * md5::kBlockBytes));
  }

  Md5Digest DigestOf(Rolling rolling) const {
    uint8_t end[2 * md5::kBlockBytes];
    Advance(&rolling, end, md5::Pad(rolling.pending, rolling.bytes, end));
    Md5Digest digest;
    md5::StoreDigest(rolling.state, digest.data());
    return digest;
  }

  const md5::KernelFunctions& kernel_;
  Rolling stream_;
  Rolling piece_;
};

class Md5Pair::OpenSsl : public Md5Pair::State {
 public:
  void Update(ByteSpan bytes) override {
    stream_.Update(bytes);
    piece_.Update(bytes);
  }
  Md5Digest Cut() override {
    Md5Stream piece = std::exchange(piece_, Md5Stream());
    return piece.Finish();
  }
  Md5Digest Finish() override { return stream_.Finish(); }

 private:
  Md5Stream stream_;
  Md5Stream piece_;
};

Md5Pair::Md5Pair(Md5Kernel kernel)
    : state_([kernel]() -> std::unique_ptr<State> {
        const md5::KernelFunctions* const functions = md5::FunctionsOf(kernel);
        if (functions == nullptr) return std::make_unique<OpenSsl>();
        return std::make_unique<Kernel>(*functions);
      }()) {}
Md5Pair::~Md5Pair() = default;

void Md5Pair::Update(ByteSpan bytes) { state_->Update(bytes); }
Md5Digest Md5Pair::Cut() { return state_->Cut(); }
Md5Digest Md5Pair::Finish() { return state_->Finish(); }

}  // namespace volstream
