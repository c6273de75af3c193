// Stages that do as little as an interface allows, for benches that measure all the rest.
#ifndef VOLSTREAM_BENCH_NULL_STAGES_H_
#define VOLSTREAM_BENCH_NULL_STAGES_H_

#include <memory>
#include <span>
#include <string>

#include "engine/stage.h"

namespace volstream::bench {

// Takes every part and keeps none.
class NullSink : public PartSink {
 public:
  explicit NullSink(bool wants_sha256 = false) : wants_sha256_(wants_sha256) {}

  std::string Describe() const override { return "nowhere"; }
  bool WantsSha256() const override { return wants_sha256_; }
  absl::Status Begin(const StreamShape& shape) override {
    (void)shape;
    return absl::OkStatus();
  }
  void Put(std::shared_ptr<const Part> part, Done done) override {
    part.reset();
    done(absl::OkStatus());
  }
  void Cancel() override {}
  absl::StatusOr<std::string> Finish(const StreamSummary& summary) override {
    (void)summary;
    return std::string();
  }
  absl::Status Abort() override { return absl::OkStatus(); }

 private:
  const bool wants_sha256_;
};

class NullHasher : public PartHasher {
 public:
  void Hash(std::span<const PartBytes> /*parts*/, bool /*want_sha256*/,
            std::span<PartDigest> /*digests*/) override {}
};

}  // namespace volstream::bench

#endif  // VOLSTREAM_BENCH_NULL_STAGES_H_
