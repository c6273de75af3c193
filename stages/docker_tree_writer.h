// DockerTreeWriter: a TreeWriter whose tree is a volume of the Docker engine, for who may use the
// engine but not write the volume's directory: entries become a tar stream that the engine unpacks
// through a container made for it. Docker Engine API v1.41, "PutContainerArchive".
//
// Owners go by the archive's numbers; attributes and ACLs as the engine sets them, which passes
// over those that its file system refuses. The engine replaces what is there, and says nothing of
// an entry by itself: what it cannot make ends the restore. Files with holes come whole. Memory:
// the upload's buffer, and the directories that have a default ACL, which comes last, as it would
// be handed down to what is made below. Threads: one at a time. The upload and the client must
// outlive it.
#ifndef VOLSTREAM_STAGES_DOCKER_TREE_WRITER_H_
#define VOLSTREAM_STAGES_DOCKER_TREE_WRITER_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "stages/http_upload.h"
#include "stages/tree_writer.h"

namespace volstream {

class DockerTreeWriter : public TreeWriter {
 public:
  // `upload` goes into the volume's own directory. The engine keeps owner and mode of that itself:
  // `open_parent` gives an upload into its parent, where it is called `root_name`.
  DockerTreeWriter(HttpUpload* upload, std::function<std::unique_ptr<HttpUpload>()> open_parent,
                   std::string root_name, TreeWriterOptions options)
      : upload_(upload),
        open_parent_(std::move(open_parent)),
        root_name_(std::move(root_name)),
        options_(std::move(options)) {}

  absl::Status Begin(const RestoreEntry& entry) override;
  absl::Status Write(EntryData data) override;
  absl::StatusOr<TreeWriterReport> Finish() override;

 private:
  // Its header as `path`, without data.
  absl::Status PutHeader(HttpUpload* upload, const RestoreEntry& entry, const std::string& path,
                         const std::string& link_target, bool with_default_acl);
  std::string PaxRecordsOf(const RestoreEntry& entry, bool with_default_acl);
  // What is missing of the current entry's data, its padding included.
  absl::Status Pad();
  absl::Status PutZeros(uint64_t count);
  absl::Status PutRoot();
  void Warn(const std::string& text);

  HttpUpload* const upload_;
  const std::function<std::unique_ptr<HttpUpload>()> open_parent_;
  const std::string root_name_;
  const TreeWriterOptions options_;
  std::optional<RestoreEntry> root_;
  std::vector<RestoreEntry> with_default_acl_;
  uint64_t bytes_ = 0;     // of the current entry's content
  uint64_t position_ = 0;  // in it
  TreeWriterReport report_;
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_DOCKER_TREE_WRITER_H_
