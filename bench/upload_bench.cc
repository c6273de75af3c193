// upload_bench: sends a file's bytes as ready-made parts to S3, through S3Sink and CurlTransport,
// as a backup sends its parts. bench/upload.py runs it beside `aws s3 cp` and `rclone copyto`.
//   upload_bench FILE s3://BUCKET/KEY [--part-size 16MiB] [--parts 8] [--connections 8]
// Reads the file (warm in the page cache), hashes each part, uploads, proves the object by its
// ETag.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <memory>
#include <semaphore>
#include <string>
#include <thread>
#include <vector>

#include "CLI/CLI.hpp"
#include "engine/buffer_pool.h"
#include "engine/mutex.h"
#include "stages/curl_transport.h"
#include "stages/part_hash.h"
#include "stages/s3_client.h"
#include "stages/s3_config.h"
#include "stages/s3_sink.h"
#include "stages/s3_storage.h"

namespace volstream {
namespace {

struct Flags {
  std::string file;
  std::string url;
  uint64_t part_bytes = 16 * kMiB;
  int parts = 8;
  int connections = 8;
};

// Hands out the parts of the file; at most flags.parts are under way at a time.
class Upload {
 public:
  Upload(int fd, uint64_t bytes, const Flags& flags, PartSink* sink)
      : fd_(fd),
        bytes_(bytes),
        part_bytes_(flags.part_bytes),
        slots_(flags.parts),
        sink_(sink),
        free_(flags.parts) {
    PoolShape shape;
    shape.block_bytes = shape.bound_bytes = kMiB;
    shape.slab_count = 1;
    shape.parts = EqualParts(flags.part_bytes);
    shape.part_memory_bytes = flags.part_bytes * static_cast<uint64_t>(flags.parts);
    pool_ = std::make_unique<BufferPool>(shape);
    summary_.bytes = bytes;
    summary_.parts.resize((bytes + part_bytes_ - 1) / part_bytes_);
  }

  absl::StatusOr<std::string> Run() {
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < std::max(1u, std::thread::hardware_concurrency()); ++i) {
      threads.emplace_back([this] { Work(); });
    }
    for (std::thread& thread : threads) thread.join();
    for (int i = 0; i < slots_; ++i) free_.acquire();
    {
      MutexLock lock(&mu_);
      if (!status_.ok()) return status_;
    }
    return sink_->Finish(summary_);
  }

 private:
  void Work() {
    for (uint64_t index; (index = next_++) < summary_.parts.size();) {
      free_.acquire();
      auto part = std::make_shared<Part>();
      {
        MutexLock lock(&mu_);
        if (!status_.ok()) return free_.release();
        part->lease = *pool_->TakePart();
      }
      part->index = index;
      part->offset = index * part_bytes_;
      part->bytes = std::min<uint64_t>(part_bytes_, bytes_ - part->offset);
      for (size_t done = 0; done < part->bytes;) {
        const ssize_t got = pread(fd_, part->lease.data() + done, part->bytes - done,
                                  static_cast<off_t>(part->offset + done));
        if (got <= 0) {
          Fail(absl::InternalError("the file became shorter"));
          return free_.release();
        }
        done += static_cast<size_t>(got);
      }
      const PartBytes bytes{index, part->data()};
      hasher_.Hash({&bytes, 1}, sink_->WantsSha256(), {&part->digest, 1});
      summary_.parts[index] = {part->offset, part->bytes, part->digest};
      sink_->Put(std::move(part), [this](absl::Status status) {
        if (!status.ok()) Fail(std::move(status));
        free_.release();
      });
    }
  }

  void Fail(absl::Status status) {
    MutexLock lock(&mu_);
    status_.Update(status);
  }

  const int fd_;
  const uint64_t bytes_;
  const uint64_t part_bytes_;
  const int slots_;
  PartSink* const sink_;
  std::counting_semaphore<1024> free_;
  std::unique_ptr<BufferPool> pool_;
  Md5PartHasher hasher_;
  std::atomic<uint64_t> next_{0};
  StreamSummary summary_;
  Mutex mu_;
  absl::Status status_;
};

int Run(const Flags& flags) {
  const size_t slash = flags.url.rfind('/');
  const absl::StatusOr<S3Location> location = ParseS3Location(flags.url.substr(0, slash + 1));
  const int fd = open(flags.file.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat info {};
  if (!location.ok() || fd < 0 || fstat(fd, &info) != 0) {
    std::fprintf(stderr, "upload_bench: no such file, or no s3://BUCKET/KEY\n");
    return 1;
  }
  S3Options options = S3OptionsFromEnvironment();
  options.connections = flags.connections;
  absl::Status status = ResolveS3Options(&options);
  if (status.ok()) status = ValidateS3Options(options);
  if (!status.ok()) {
    std::fprintf(stderr, "upload_bench: %s\n", status.ToString().c_str());
    return 1;
  }
  const std::unique_ptr<HttpTransport> transport = NewS3Transport(options);
  const auto client = S3Client::Create(location->bucket, options, transport.get());
  if (!client.ok()) return 1;
  S3Sink sink(client->get(), location->prefix + flags.url.substr(slash + 1));
  const auto bytes = static_cast<uint64_t>(info.st_size);
  StreamShape shape;
  shape.max_stream_bytes = bytes;
  shape.part_bytes = shape.max_part_bytes = flags.part_bytes;
  status = sink.Begin(shape);
  if (status.ok()) {
    Upload upload(fd, bytes, flags, &sink);
    const absl::StatusOr<std::string> etag = upload.Run();
    status = etag.status();
    if (etag.ok()) std::printf("%s\n", etag->c_str());
    if (!status.ok()) status.Update(sink.Abort());
  }
  close(fd);
  if (status.ok()) return 0;
  std::fprintf(stderr, "upload_bench: %s\n", status.ToString().c_str());
  return 1;
}

}  // namespace
}  // namespace volstream

int main(int argc, char** argv) {
  volstream::Flags flags;
  CLI::App app("Sends a file to S3 as ready-made parts");
  app.add_option("FILE", flags.file)->required();
  app.add_option("URL", flags.url, "s3://BUCKET/KEY")->required();
  app.add_option("--part-size", flags.part_bytes)->transform(CLI::AsSizeValue(false));
  app.add_option("--parts", flags.parts, "Parts in memory (8)")->check(CLI::Range(1, 1024));
  app.add_option("--connections", flags.connections)->check(CLI::Range(1, 256));
  CLI11_PARSE(app, argc, argv);
  return volstream::Run(flags);
}
