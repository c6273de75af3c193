#include "stages/file_queue.h"

#include <utility>

#include "engine/guarded.h"
#include "stages/absl_text.h"

namespace volstream {
namespace {

// A batch is worth the locks and wake-ups that it costs, and small enough to be spread.
constexpr size_t kBatchFiles = 32;
constexpr uint64_t kBatchBytes = 256 * kKiB;
// What a small file costs beside its content: its header in the same buffer, and its names.
constexpr uint64_t kFileOverheadBytes = kKiB;
constexpr size_t kMaxJobs = 1024;

}  // namespace

FileQueue::FileQueue(int threads, uint64_t max_bytes, FirstError* error)
    : error_(error), pool_(threads, max_bytes, kMaxJobs) {}

FileQueue::~FileQueue() {
  large_ = nullptr;
  batch_ = nullptr;
}

std::shared_ptr<FileQueue::Ticket> FileQueue::NewTicket() {
  Forget();
  return tickets_.emplace_back(std::make_shared<Ticket>());
}

void FileQueue::Note(const std::shared_ptr<Ticket>& ticket, const std::string& path) {
  ticket->paths.push_back(path);
  unfinished_.insert_or_assign(path, ticket);
}

void FileQueue::Forget() {
  for (; !tickets_.empty() && tickets_.front()->done.load(); tickets_.pop_front()) {
    for (const std::string& path : tickets_.front()->paths) {
      const auto found = unfinished_.find(path);
      if (found != unfinished_.end() && found->second == tickets_.front()) unfinished_.erase(found);
    }
  }
}

void FileQueue::AddSmall(std::shared_ptr<FileWrite> file, std::vector<EntryData> pieces) {
  if (batch_ == nullptr) {
    batch_ = std::make_shared<Batch>();
    batch_->ticket = NewTicket();
  }
  Note(batch_->ticket, file->path());
  batch_->bytes += kFileOverheadBytes + file->extra_bytes();
  bool owners_differ = false;
  for (const EntryData& piece : pieces) {
    const void* owner = piece.content.owner.get();
    batch_->bytes += piece.content.bytes.size();
    owners_differ = owners_differ || (batch_->owner != nullptr && batch_->owner != owner);
    batch_->owner = owner;
  }
  batch_->files.push_back({std::move(file), std::move(pieces)});
  if (batch_->files.size() >= kBatchFiles || batch_->bytes >= kBatchBytes || owners_differ) {
    SubmitBatch();
  }
}

void FileQueue::ReleaseOthers(const SharedBytes& piece) {
  if (batch_ != nullptr && batch_->owner != nullptr && batch_->owner != piece.owner.get()) {
    SubmitBatch();
  }
}

void FileQueue::SubmitBatch() {
  if (batch_ == nullptr) return;
  const uint64_t bytes = batch_->bytes;
  pool_.Submit(
      [error = error_, batch = std::exchange(batch_, nullptr)] {
        error->Set(Guarded([&] {
          for (Small& small : batch->files) {
            WriteWhole(small);
            small = Small();
          }
          return absl::OkStatus();
        }));
        batch->files.clear();
        batch->ticket->done = true;
      },
      bytes);
}

void FileQueue::WriteWhole(const Small& small) {
  if (!small.file->Open()) return;
  for (const EntryData& piece : small.pieces) small.file->Write(piece);
  small.file->Complete();
}

void FileQueue::Large::Finish(FirstError* error) {
  if (unfinished.fetch_sub(1) != 1) return;
  error->Set(Guarded([this] {
    file->Complete();
    return absl::OkStatus();
  }));
  file = nullptr;
  ticket->done = true;
}

void FileQueue::BeginLarge(std::shared_ptr<FileWrite> file) {
  // Its pieces shall not overtake small files for long: these hold buffers of the input.
  SubmitBatch();
  large_ = std::make_shared<Large>();
  large_->ticket = NewTicket();
  Note(large_->ticket, file->path());
  large_->file = std::move(file);
}

void FileQueue::AddPiece(EntryData piece) {
  large_->unfinished.fetch_add(1);
  const uint64_t bytes = piece.content.bytes.size();
  pool_.Submit(
      [error = error_, large = large_, piece = std::move(piece)] {
        large->file->Write(piece);
        large->Finish(error);
      },
      bytes);
}

void FileQueue::EndLarge() {
  // By a thread of the pool, that a wait for the file sees its end.
  pool_.Submit([error = error_, large = std::exchange(large_, nullptr)] { large->Finish(error); },
               0);
}

void FileQueue::WaitFor(std::string_view path) {
  const auto found = unfinished_.find(ToAbsl(path));
  if (found == unfinished_.end()) return;
  const std::shared_ptr<Ticket> ticket = found->second;
  if (batch_ != nullptr && batch_->ticket == ticket) SubmitBatch();
  pool_.Await([&] { return ticket->done.load(); });
  Forget();
}

void FileQueue::WaitForAll() {
  SubmitBatch();
  pool_.AwaitAll();
  Forget();
}

}  // namespace volstream
