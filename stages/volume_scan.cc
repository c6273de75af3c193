#include "stages/volume_scan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <system_error>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "engine/check.h"
#include "engine/options.h"
#include "stages/file_attributes.h"
#include "stages/sqlite_snapshot.h"

namespace volstream {
namespace {

// Descriptors of directories kept for their children; beyond that a directory is opened again from
// the root. Far below the usual limit of 1,024 for a process; less where that is lower.
constexpr int kMaxOpenDirectories = 200;

// Cache Directory Tagging Specification (bford.info/cachedir).
constexpr std::string_view kCacheTagName = "CACHEDIR.TAG";
constexpr std::string_view kCacheTagSignature = "Signature: 8a477f597d28d172789f06886806bc55";

struct CloseDir {
  void operator()(DIR* dir) const { closedir(dir); }
};

bool HoldsCacheTag(int dir_fd) {
  const UniqueFd fd(openat(dir_fd, std::string(kCacheTagName).c_str(),
                           O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  char text[kCacheTagSignature.size()];
  return fd.valid() && pread(fd.get(), text, sizeof(text), 0) == ssize_t{sizeof(text)} &&
         std::string_view(text, sizeof(text)) == kCacheTagSignature;
}

std::string PlaceOf(std::string path) {
  std::replace(path.begin(), path.end(), '/', '\0');
  return path;
}

// "/proc/self/fd/N/": with a name behind it, a path for the calls that take no directory.
std::string ProcPath(int dir_fd) { return absl::StrCat("/proc/self/fd/", dir_fd, "/"); }

}  // namespace

// Guarded by the scan's lock unless it says otherwise; the fields that a listing fills in are
// constant once its state is kDone.
class ScanDirectory {
 public:
  enum class State { kIdle, kRunning, kDone };
  struct Chunk {
    State state = State::kIdle;
    std::vector<ScannedEntry> entries;
  };

  ~ScanDirectory() {
    if (fd.valid()) --*open_count;
  }

  const char* Name(size_t index) const { return names.c_str() + offsets[index]; }

  std::string path;  // from the root; empty = the root
  // Only whoever lists the directory uses it, to open this one in it. Weak: the parent holds its
  // children, and neither would go when a scan ends early.
  std::weak_ptr<ScanDirectory> parent;

  State state = State::kIdle;
  int error = 0;
  bool partial = false;
  UniqueFd fd;                                     // invalid if it is to be opened anew
  std::shared_ptr<std::atomic<int>> open_count;    // counts fd; may outlive the scan
  std::string names;                               // each ended by a NUL
  absl::flat_hash_set<std::string> sqlite_owners;  // names that have a -wal, -shm or -journal
  std::vector<uint32_t> offsets;                   // into names, sorted by name
  std::vector<Chunk> chunks;
};

// Of a listing, or of one chunk of it.
template <typename Task>
ScanDirectory::State* StateOf(const Task& task) {
  return task.is_listing ? &task.directory->state : &task.directory->chunks[task.chunk].state;
}

VolumeScan::VolumeScan(ScanOptions options, const std::atomic<bool>* cancelled)
    : options_(std::move(options)),
      cancelled_(cancelled),
      max_open_directories_(std::min(kMaxOpenDirectories, DescriptorLimit() / 4)) {}

VolumeScan::~VolumeScan() {
  {
    MutexLock lock(&mu_);
    stop_ = true;
  }
  for (std::thread& thread : threads_) thread.join();
}

void VolumeScan::Root(int root_fd, ScannedEntry* entry) {
  VS_CHECK(root_fd_ < 0);
  root_fd_ = root_fd;
  StatInto(root_fd, "", AT_EMPTY_PATH, /*sparse=*/false, entry);
  root_device_ = entry->device;
  FileAttributes attributes = ReadFileAttributes(ProcPath(root_fd) + ".");
  entry->pax_records = std::move(attributes.pax_records);
  entry->unreadable = std::move(attributes.unreadable);
  if (access(ProcPath(root_fd).c_str(), F_OK) != 0) {
    entry->unreadable.push_back(
        "no extended attributes are read here and below, as /proc is not mounted");
  }
  entry->directory = std::make_shared<ScanDirectory>();
  // Enough to keep a disk's queue busy while inodes come from it one by one.
  const int threads = options_.threads > 0 ? options_.threads : 2 * ResolveWorkers(0) + 2;
  try {
    for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { Loop(); });
  } catch (const std::system_error&) {
    // Where no more threads are to be had, the consumer does the rest.
  }
}

bool VolumeScan::CanWork() const { return !tasks_.empty() && ahead_ < kMaxAhead; }

void VolumeScan::Loop() {
  while (true) {
    Task task;
    {
      MutexLock lock(&mu_);
      mu_.Await([this] { return stop_ || CanWork(); });
      if (stop_) return;
      task = Pop();
      if (!IsIdle(task)) continue;  // the consumer was faster
      *StateOf(task) = ScanDirectory::State::kRunning;
    }
    if (task.is_listing) {
      PerformListing(task.directory);
    } else {
      PerformChunk(task.directory, task.chunk);
    }
  }
}

UniqueFd VolumeScan::Open(const ScanDirectory& directory) const {
  constexpr int kFlags = O_RDONLY | O_DIRECTORY;
  if (const std::shared_ptr<ScanDirectory> parent = directory.parent.lock();
      parent != nullptr && parent->fd.valid()) {
    const std::string name = directory.path.substr(directory.path.rfind('/') + 1);
    return OpenBeneath(parent->fd.get(), name, kFlags);
  }
  return OpenBeneath(root_fd_, directory.path, kFlags);
}

void VolumeScan::ReadNames(ScanDirectory* directory, int fd) {
  const int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const std::unique_ptr<DIR, CloseDir> dir(copy < 0 ? nullptr : fdopendir(copy));
  if (dir == nullptr) {
    directory->error = errno;
    if (copy >= 0) close(copy);
    return;
  }
  while (cancelled_ == nullptr || !cancelled_->load(std::memory_order_relaxed)) {
    errno = 0;
    const dirent* entry = readdir(dir.get());
    if (entry == nullptr) {
      directory->error = errno;
      directory->partial = errno != 0;
      break;
    }
    const std::string_view name(entry->d_name);
    if (name == "." || name == "..") continue;
    directory->offsets.push_back(static_cast<uint32_t>(directory->names.size()));
    directory->names.append(name).push_back('\0');
    if (const std::string_view owner = SqliteOwnerOf(name); !owner.empty()) {
      directory->sqlite_owners.emplace(owner);
    }
  }
  std::sort(directory->offsets.begin(), directory->offsets.end(),
            [names = directory->names.c_str()](uint32_t a, uint32_t b) {
              return strcmp(names + a, names + b) < 0;
            });
  if (!options_.exclude_caches) return;
  const auto is_tag = [&](uint32_t offset) {
    return directory->names.c_str() + offset == kCacheTagName;
  };
  const auto tag = std::find_if(directory->offsets.begin(), directory->offsets.end(), is_tag);
  if (tag == directory->offsets.end() || !HoldsCacheTag(fd)) return;
  excluded_ += directory->offsets.size() - 1;
  directory->offsets = {*tag};
}

void VolumeScan::PerformListing(const std::shared_ptr<ScanDirectory>& directory) {
  UniqueFd fd = Open(*directory);
  if (fd.valid()) {
    ReadNames(directory.get(), fd.get());
  } else {
    directory->error = errno;
  }
  directory->parent.reset();
  const size_t chunk_count = (directory->offsets.size() + kChunkEntries - 1) / kChunkEntries;
  directory->chunks.resize(chunk_count);
  // The first chunk at once: most directories have no other.
  if (chunk_count > 0) StatAll(directory, 0, fd.get());
  if (fd.valid() && open_directories_->load() < max_open_directories_) {
    ++*open_directories_;
    directory->open_count = open_directories_;
    directory->fd = std::move(fd);
  }
  MutexLock lock(&mu_);
  for (size_t chunk = 1; chunk < chunk_count; ++chunk) {
    Push(Task{directory, chunk, /*is_listing=*/false,
              PlaceOf(directory->path) + '\0' + directory->Name(chunk * kChunkEntries)});
  }
  if (chunk_count > 0) FinishChunk(directory.get(), 0);
  directory->state = ScanDirectory::State::kDone;
}

void VolumeScan::PerformChunk(const std::shared_ptr<ScanDirectory>& directory, size_t chunk) {
  UniqueFd own;
  if (!directory->fd.valid()) own = OpenBeneath(root_fd_, directory->path, O_RDONLY | O_DIRECTORY);
  if (directory->fd.valid() || own.valid()) {
    StatAll(directory, chunk, directory->fd.valid() ? directory->fd.get() : own.get());
  } else {
    FailAll(directory.get(), chunk, errno);
  }
  MutexLock lock(&mu_);
  FinishChunk(directory.get(), chunk);
}

void VolumeScan::Push(Task task) {
  tasks_.push_back(std::move(task));
  std::push_heap(tasks_.begin(), tasks_.end(), IsLater);
}

VolumeScan::Task VolumeScan::Pop() {
  std::pop_heap(tasks_.begin(), tasks_.end(), IsLater);
  Task task = std::move(tasks_.back());
  tasks_.pop_back();
  return task;
}

bool VolumeScan::IsLater(const Task& a, const Task& b) { return a.place > b.place; }

void VolumeScan::FinishChunk(ScanDirectory* directory, size_t chunk) {
  ScanDirectory::Chunk& done = directory->chunks[chunk];
  done.state = ScanDirectory::State::kDone;
  ahead_ += done.entries.size();
  for (const ScannedEntry& entry : done.entries) {
    if (entry.directory == nullptr) continue;
    Push(Task{entry.directory, 0, /*is_listing=*/true, PlaceOf(entry.directory->path)});
  }
  DropDoneTasks();
}

bool VolumeScan::IsIdle(const Task& task) { return *StateOf(task) == ScanDirectory::State::kIdle; }

void VolumeScan::DropDoneTasks() {
  // While enough is scanned ahead elsewhere, the consumer does all itself and nobody takes tasks;
  // those would keep every directory of the volume in memory, and open.
  if (tasks_.size() < drop_done_at_) return;
  std::erase_if(tasks_, [](const Task& task) { return !IsIdle(task); });
  std::make_heap(tasks_.begin(), tasks_.end(), IsLater);
  drop_done_at_ = std::max(kChunkEntries, 2 * tasks_.size());
}

void VolumeScan::StatAll(const std::shared_ptr<ScanDirectory>& directory, size_t chunk,
                         int dir_fd) {
  const size_t begin = chunk * kChunkEntries;
  const size_t end = std::min(begin + kChunkEntries, directory->offsets.size());
  std::vector<ScannedEntry>& entries = directory->chunks[chunk].entries;
  entries.reserve(end - begin);
  const std::string proc_path = ProcPath(dir_fd);
  for (size_t i = begin; i < end; ++i) {
    if (cancelled_ != nullptr && cancelled_->load(std::memory_order_relaxed)) return;
    ScannedEntry entry = Stat(directory, dir_fd, proc_path, directory->Name(i));
    if (!options_.excludes.empty()) {
      const std::string path =
          directory->path.empty() ? entry.name : directory->path + "/" + entry.name;
      if (options_.excludes.Matches(path, S_ISDIR(entry.mode))) {
        ++excluded_;
        continue;
      }
    }
    entries.push_back(std::move(entry));
  }
}

void VolumeScan::FailAll(ScanDirectory* directory, size_t chunk, int error) const {
  const size_t begin = chunk * kChunkEntries;
  const size_t end = std::min(begin + kChunkEntries, directory->offsets.size());
  for (size_t i = begin; i < end; ++i) {
    ScannedEntry entry;
    entry.name = directory->Name(i);
    entry.error = error;
    directory->chunks[chunk].entries.push_back(std::move(entry));
  }
}

ScannedEntry VolumeScan::Stat(const std::shared_ptr<ScanDirectory>& directory, int dir_fd,
                              std::string_view proc_path, std::string name) {
  ScannedEntry entry;
  entry.name = std::move(name);
  if (!StatInto(dir_fd, entry.name.c_str(), 0, options_.sparse, &entry)) return entry;
  if (S_ISSOCK(entry.mode)) return entry;
  // Directories alone: on an overlay of several file systems each file has the device of its layer.
  entry.other_file_system =
      options_.one_file_system && S_ISDIR(entry.mode) && entry.device != root_device_;
  if (S_ISLNK(entry.mode) && !ReadLinkInto(dir_fd, options_.sparse, &entry)) return entry;
  if (S_ISREG(entry.mode)) {
    entry.maybe_sqlite =
        LooksLikeSqliteName(entry.name) ||
        (!directory->sqlite_owners.empty() && directory->sqlite_owners.contains(entry.name));
  }
  FileAttributes attributes = ReadFileAttributes(std::string(proc_path).append(entry.name));
  entry.pax_records = std::move(attributes.pax_records);
  entry.unreadable = std::move(attributes.unreadable);
  if (S_ISDIR(entry.mode) && !entry.other_file_system) {
    entry.directory = std::make_shared<ScanDirectory>();
    entry.directory->path =
        directory->path.empty() ? entry.name : directory->path + "/" + entry.name;
    entry.directory->parent = directory;
  }
  return entry;
}

bool VolumeScan::Claim(const Task& task) {
  ScanDirectory::State* const state = StateOf(task);
  MutexLock lock(&mu_);
  if (*state != ScanDirectory::State::kIdle) {
    mu_.Await([state] { return *state == ScanDirectory::State::kDone; });
    return false;
  }
  *state = ScanDirectory::State::kRunning;
  return true;
}

VolumeScan::Listing VolumeScan::List(const std::shared_ptr<ScanDirectory>& directory) {
  if (Claim(Task{directory, 0, /*is_listing=*/true, ""})) PerformListing(directory);
  return Listing{directory->error, directory->partial, directory->chunks.size()};
}

std::vector<ScannedEntry> VolumeScan::Take(const std::shared_ptr<ScanDirectory>& directory,
                                           size_t chunk) {
  if (Claim(Task{directory, chunk, /*is_listing=*/false, ""})) PerformChunk(directory, chunk);
  std::vector<ScannedEntry> entries;
  MutexLock lock(&mu_);
  entries.swap(directory->chunks[chunk].entries);
  ahead_ -= entries.size();
  return entries;
}

}  // namespace volstream
