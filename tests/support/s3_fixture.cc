#include "tests/support/s3_fixture.h"

#include <cstring>
#include <utility>

#include "engine/check.h"
#include "stages/digest.h"

namespace volstream {

S3Fixture::S3Fixture()
    : client_(NewClient(Options())),
      pool_({.block_bytes = kMiB,
             .bound_bytes = kMiB,
             .slab_count = 1,
             .parts = EqualParts(kPartBytes),
             .part_memory_bytes = 6 * kPartBytes}) {}

S3Options S3Fixture::Options() {
  S3Options options;
  options.endpoint_url = "http://fake";
  options.access_key_id = "key-id";
  options.secret_access_key = kSecret;
  options.retry_for = absl::ZeroDuration();
  return options;
}

std::unique_ptr<S3Client> S3Fixture::NewClient(const S3Options& options) {
  S3ClientHooks hooks;
  hooks.clock = [this] { return now_; };
  hooks.seed = 1;
  absl::StatusOr<std::unique_ptr<S3Client>> client =
      S3Client::Create("bucket", options, &transport_, hooks);
  VS_CHECK(client.ok());
  return *std::move(client);
}

std::shared_ptr<const Part> S3Fixture::MakePart(uint64_t index, std::string_view text,
                                                StreamSummary* summary) {
  auto part = std::make_shared<Part>();
  part->index = index;
  part->offset = summary->bytes;
  part->bytes = text.size();
  part->lease = *pool_.TakePart();
  std::memcpy(part->lease.data(), text.data(), text.size());
  part->digest.md5 = Md5Of(part->data());
  part->digest.sha256 = Sha256Of(part->data());
  summary->parts.push_back({part->offset, part->bytes, part->digest});
  summary->bytes += text.size();
  return part;
}

}  // namespace volstream
