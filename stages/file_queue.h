// FileQueue: the files that are being written, and which of them are not done yet.
//
// Small files travel to the threads in batches, each file written by one thread from its creation
// to its close; of a large one the pieces are written by whoever is free. Memory: the contents, at
// most `max_bytes` of them, and the names of what is not done.
// Threads: one at a time.
#ifndef VOLSTREAM_STAGES_FILE_QUEUE_H_
#define VOLSTREAM_STAGES_FILE_QUEUE_H_

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "engine/first_error.h"
#include "stages/entry_reader.h"
#include "stages/file_write.h"
#include "stages/work_pool.h"

namespace volstream {

class FileQueue {
 public:
  // Larger files go in pieces.
  static constexpr uint64_t kMaxSmallBytes = kMiB;

  // Throws std::system_error where there are no threads. `error` hears of what no entry stands for
  // (no memory); it outlives the queue.
  FileQueue(int threads, uint64_t max_bytes, FirstError* error);
  // Waits until all is done.
  ~FileQueue();

  // Hands on the files that still wait for more to go with them, but for those whose content is
  // part of the same bytes as `piece`: an input may have to get its bytes back before it gives more
  // (stages/member_input.h), so that whoever waits for it must not hold many.
  void ReleaseOthers(const SharedBytes& piece);

  // A file with all its content. Waits for room.
  void AddSmall(std::shared_ptr<FileWrite> file, std::vector<EntryData> pieces);

  // A file that has been opened; then its pieces; then its end, after which it gets its metadata.
  void BeginLarge(std::shared_ptr<FileWrite> file);
  void AddPiece(EntryData piece);
  void EndLarge();

  // Waits until no file of this path is unfinished.
  void WaitFor(std::string_view path);
  void WaitForAll();
  // Waits until the condition is true or nothing is under way any more. Ends of files alone may
  // make it true.
  template <typename Condition>
  void WaitUntil(Condition condition) {
    SubmitBatch();
    pool_.Await(condition);
    Forget();
  }

 private:
  // Files that are done together.
  struct Ticket {
    std::vector<std::string> paths;
    std::atomic<bool> done{false};
  };
  struct Small {
    std::shared_ptr<FileWrite> file;
    std::vector<EntryData> pieces;
  };
  struct Batch {
    std::shared_ptr<Ticket> ticket;
    std::vector<Small> files;
    uint64_t bytes = 0;
    const void* owner = nullptr;  // of the last piece; null if no file has any
  };
  struct Large {
    std::shared_ptr<Ticket> ticket;
    std::shared_ptr<FileWrite> file;
    std::atomic<uint64_t> unfinished{1};  // pieces, and the end
    void Finish(FirstError* error);
  };

  static void WriteWhole(const Small& small);
  std::shared_ptr<Ticket> NewTicket();
  void Note(const std::shared_ptr<Ticket>& ticket, const std::string& path);
  void SubmitBatch();
  // Forgets what is done.
  void Forget();

  FirstError* const error_;
  std::deque<std::shared_ptr<Ticket>> tickets_;  // oldest first
  absl::flat_hash_map<std::string, std::shared_ptr<Ticket>> unfinished_;
  std::shared_ptr<Batch> batch_;  // not submitted yet; may be null
  std::shared_ptr<Large> large_;  // whose pieces come; may be null
  WorkPool pool_;
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_FILE_QUEUE_H_
