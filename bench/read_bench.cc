// Four ways to read many small files that may not be in the page cache, against each other. It is
// why stages/volume_files reads them as it does; docs/performance.md has the figures.
//
//   pread     one after another, on each thread
//   willneed  a batch: RWF_NOWAIT, POSIX_FADV_WILLNEED for what would block, then pread
//   uring     a batch: RWF_NOWAIT, then one io_uring submission for what would block
#include <fcntl.h>
#ifdef VOLSTREAM_HAVE_LIBURING
#include <liburing.h>
#endif
#include <sys/uio.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "bench/process_usage.h"
#include "engine/check.h"

namespace volstream::bench {
namespace {

// Larger files are not what this is about.
constexpr uint64_t kLargestFile = 64 * 1024;

struct Options {
  std::string mode = "willneed";
  int threads = 2;
  size_t batch = 128;
};

std::vector<std::string> SmallFilesIn(const std::string& directory) {
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    if (entry.is_regular_file() && entry.file_size() <= kLargestFile) paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

class Reader {
 public:
  explicit Reader(const Options& options)
      : options_(options), buffer_(options.batch * kLargestFile), fds_(options.batch) {
#ifdef VOLSTREAM_HAVE_LIBURING
    VS_CHECK(io_uring_queue_init(static_cast<unsigned>(options.batch), &ring_, 0) == 0);
#endif
  }
  ~Reader() {
#ifdef VOLSTREAM_HAVE_LIBURING
    io_uring_queue_exit(&ring_);
#endif
  }

  uint64_t Read(const std::string* paths, size_t count) {
    uint64_t bytes = 0;
    std::vector<size_t> blocking;
    for (size_t i = 0; i < count; ++i) {
      fds_[i] = open(paths[i].c_str(), O_RDONLY | O_CLOEXEC | O_NOATIME);
      VS_CHECK(fds_[i] >= 0);
      if (options_.mode == "pread") {
        bytes += ReadBlocking(i);
        continue;
      }
      const iovec target{Place(i), kLargestFile};
      const ssize_t got = preadv2(fds_[i], &target, 1, 0, RWF_NOWAIT);
      if (got >= 0) {
        bytes += static_cast<uint64_t>(got);
        continue;
      }
      blocking.push_back(i);
      if (options_.mode == "willneed") posix_fadvise(fds_[i], 0, 0, POSIX_FADV_WILLNEED);
    }
    bytes += options_.mode == "uring" ? ReadByRing(blocking) : 0;
    if (options_.mode != "uring") {
      for (const size_t i : blocking) bytes += ReadBlocking(i);
    }
    for (size_t i = 0; i < count; ++i) close(fds_[i]);
    return bytes;
  }

 private:
  char* Place(size_t i) { return buffer_.data() + i * kLargestFile; }

  uint64_t ReadBlocking(size_t i) {
    const ssize_t got = pread(fds_[i], Place(i), kLargestFile, 0);
    VS_CHECK(got >= 0);
    return static_cast<uint64_t>(got);
  }

  uint64_t ReadByRing(const std::vector<size_t>& indexes) {
    uint64_t bytes = 0;
#ifdef VOLSTREAM_HAVE_LIBURING
    if (indexes.empty()) return 0;
    for (const size_t i : indexes) {
      io_uring_prep_read(io_uring_get_sqe(&ring_), fds_[i], Place(i), kLargestFile, 0);
    }
    io_uring_submit_and_wait(&ring_, static_cast<unsigned>(indexes.size()));
    for (size_t done = 0; done < indexes.size(); ++done) {
      io_uring_cqe* cqe = nullptr;
      VS_CHECK(io_uring_wait_cqe(&ring_, &cqe) == 0 && cqe->res >= 0);
      bytes += static_cast<uint64_t>(cqe->res);
      io_uring_cqe_seen(&ring_, cqe);
    }
#else
    (void)indexes;
#endif
    return bytes;
  }

  const Options& options_;
  std::vector<char> buffer_;
  std::vector<int> fds_;
#ifdef VOLSTREAM_HAVE_LIBURING
  io_uring ring_;
#endif
};

int Run(const std::string& list, const Options& options) {
  std::vector<std::string> paths;
  std::ifstream file(list);
  for (std::string line; std::getline(file, line);) paths.push_back(line);
  const absl::Time start = absl::Now();
  std::atomic<size_t> next{0};
  std::atomic<uint64_t> bytes{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < options.threads; ++i) {
    threads.emplace_back([&] {
      Reader reader(options);
      while (true) {
        const size_t begin = next.fetch_add(options.batch);
        if (begin >= paths.size()) return;
        bytes += reader.Read(&paths[begin], std::min(options.batch, paths.size() - begin));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  nlohmann::ordered_json json;
  json["mode"] = options.mode;
  json["threads"] = options.threads;
  json["batch"] = options.batch;
  json["files"] = paths.size();
  json["bytes"] = bytes.load();
  json["seconds"] = absl::ToDoubleSeconds(absl::Now() - start);
  json["cpu_seconds"] = ProcessCpuSeconds();
  std::printf("%s\n", json.dump().c_str());
  return 0;
}

}  // namespace
}  // namespace volstream::bench

int main(int argc, char** argv) {
  using volstream::bench::Options;
  CLI::App app("Reads many small files, in one of several ways; prints one JSON object");
  std::string list;
  std::string directory;
  Options options;
  std::vector<std::string> modes = {"pread", "willneed"};
#ifdef VOLSTREAM_HAVE_LIBURING
  modes.push_back("uring");
#endif
  app.add_option("list", list, "file that names the files, one a line; written by --make-list")
      ->required();
  app.add_option("--make-list", directory, "only write the list, of the files in this directory");
  app.add_option("--mode", options.mode)->check(CLI::IsMember(modes));
  app.add_option("--threads", options.threads)->check(CLI::Range(1, 256));
  app.add_option("--batch", options.batch, "files at a time")->check(CLI::Range(1, 1024));
  CLI11_PARSE(app, argc, argv);
  if (!directory.empty()) {
    std::ofstream out(list);
    for (const std::string& path : volstream::bench::SmallFilesIn(directory)) out << path << '\n';
    return out.good() ? 0 : 1;
  }
  return volstream::bench::Run(list, options);
}
