#include "stages/docker_tree_writer.h"

#include <algorithm>
#include <array>

#include "absl/strings/str_cat.h"
#include "engine/status_macros.h"
#include "stages/absl_text.h"
#include "stages/acl_text.h"
#include "stages/digest.h"
#include "stages/entry_path.h"
#include "stages/tar_header.h"
#include "stages/warnings.h"

namespace volstream {
namespace {

constexpr char kAttributePrefix[] = "SCHILY.xattr.";
constexpr std::array<uint8_t, 64 * kKiB> kZeros = {};

// As an attribute: the engine knows no SCHILY.acl.*. Names mean nothing in a container.
std::string AclBytes(std::string_view text) {
  return AclValue(text, [](std::string_view, bool) { return std::nullopt; });
}

}  // namespace

void DockerTreeWriter::Warn(const std::string& text) {
  ++report_.warnings;
  if (options_.on_warning) options_.on_warning(text);
}

std::string DockerTreeWriter::PaxRecordsOf(const RestoreEntry& entry, bool with_default_acl) {
  std::string records;
  const auto put = [&](std::string_view name, const std::string& value) {
    AppendPaxRecord(std::string(kAttributePrefix).append(name), value, &records);
  };
  for (const auto& [name, value] : entry.attributes) {
    // The first ends the keyword, and the engine takes the other as it is.
    if (name.find_first_of("=%") != std::string::npos) {
      Warn(absl::StrCat(PrintablePath(entry.path), ": could not restore its attribute ",
                        PrintablePath(name), ", whose name the engine cannot be told"));
      continue;
    }
    put(name, value);
  }
  const auto put_acl = [&](const char* name, const std::string& text) {
    if (text.empty()) return;
    const std::string value = AclBytes(text);
    if (!value.empty()) {
      put(name, value);
      return;
    }
    Warn(absl::StrCat(PrintablePath(entry.path), ": could not restore its ACL, which has no ",
                      "numbers: ", PrintablePath(text)));
  };
  put_acl("system.posix_acl_access", entry.access_acl);
  if (with_default_acl) put_acl("system.posix_acl_default", entry.default_acl);
  return records;
}

absl::Status DockerTreeWriter::PutHeader(HttpUpload* upload, const RestoreEntry& entry,
                                         const std::string& path, const std::string& link_target,
                                         bool with_default_acl) {
  const std::string records = PaxRecordsOf(entry, with_default_acl);
  TarEntry tar;
  tar.type = entry.type;
  tar.path = path;
  tar.link_target = link_target;
  tar.mode = entry.mode;
  tar.uid = entry.uid;
  tar.gid = entry.gid;
  tar.bytes = entry.type == TarType::kFile ? entry.bytes : 0;
  tar.mtime_seconds = entry.mtime_seconds;
  tar.mtime_nanoseconds = entry.mtime_nanoseconds;
  tar.device_major = entry.device_major;
  tar.device_minor = entry.device_minor;
  tar.pax_records = records;
  const std::string header = TarHeaderOf(tar);
  return upload->Write(AsBytes(header));
}

absl::Status DockerTreeWriter::PutZeros(uint64_t count) {
  while (count > 0) {
    const size_t bytes = static_cast<size_t>(std::min<uint64_t>(count, kZeros.size()));
    VS_RETURN_IF_ERROR(upload_->Write(ByteSpan(kZeros).first(bytes)));
    count -= bytes;
  }
  return absl::OkStatus();
}

absl::Status DockerTreeWriter::Pad() {
  const uint64_t missing = TarPadded(bytes_) - position_;
  bytes_ = position_ = 0;
  return PutZeros(missing);
}

absl::Status DockerTreeWriter::Begin(const RestoreEntry& entry) {
  VS_RETURN_IF_ERROR(Pad());
  const std::optional<std::string> path = ContainedPath(entry.path);
  if (!path.has_value()) return LeadsOutside(entry.path);
  ++report_.entries;
  if (entry.mtime_seconds < 0) {
    Warn(absl::StrCat(PrintablePath(entry.path), ": could not restore its time, which is before ",
                      "1970: the engine makes it 1970"));
  }
  if (path->empty()) {
    if (entry.type != TarType::kDirectory) return LeadsOutside(entry.path);
    root_ = entry;
    return absl::OkStatus();
  }
  std::string link_target = entry.link_target;
  if (entry.type == TarType::kHardLink) {
    const std::optional<std::string> contained = ContainedPath(entry.link_target);
    if (!contained.has_value()) return LeadsOutside(entry.path);
    link_target = *contained;
  }
  const bool is_directory = entry.type == TarType::kDirectory;
  if (is_directory && !entry.default_acl.empty()) with_default_acl_.push_back(entry);
  VS_RETURN_IF_ERROR(PutHeader(upload_, entry, is_directory ? *path + "/" : *path, link_target,
                               /*with_default_acl=*/false));
  if (entry.type == TarType::kFile) bytes_ = entry.bytes;
  return absl::OkStatus();
}

absl::Status DockerTreeWriter::Write(EntryData data) {
  const ByteSpan bytes = data.content.bytes;
  if (bytes.size() > options_.max_file_bytes - report_.file_bytes) {
    return OverMaxSize(options_.max_file_bytes);
  }
  if (data.offset < position_ || data.offset > bytes_ || bytes.size() > bytes_ - data.offset) {
    return absl::DataLossError("an entry has more data than its header says");
  }
  VS_RETURN_IF_ERROR(PutZeros(data.offset - position_));
  VS_RETURN_IF_ERROR(upload_->Write(bytes));
  position_ = data.offset + bytes.size();
  report_.file_bytes += bytes.size();
  return absl::OkStatus();
}

absl::StatusOr<TreeWriterReport> DockerTreeWriter::Finish() {
  VS_RETURN_IF_ERROR(Pad());
  // The deepest first, as the engine makes no difference and a directory is above what is in it.
  std::reverse(with_default_acl_.begin(), with_default_acl_.end());
  for (const RestoreEntry& entry : with_default_acl_) {
    VS_RETURN_IF_ERROR(PutHeader(upload_, entry, *ContainedPath(entry.path) + "/", "",
                                 /*with_default_acl=*/true));
  }
  VS_RETURN_IF_ERROR(PutZeros(kTarEndBytes));
  VS_RETURN_IF_ERROR(upload_->Finish());
  if (root_.has_value()) {
    const absl::Status status = PutRoot();
    if (absl::IsCancelled(status)) return status;
    if (!status.ok()) {
      Warn(absl::StrCat("could not restore owner, mode and time of the volume's own directory: ",
                        status.message()));
    }
  }
  return report_;
}

absl::Status DockerTreeWriter::PutRoot() {
  const std::unique_ptr<HttpUpload> parent = open_parent_();
  VS_RETURN_IF_ERROR(
      PutHeader(parent.get(), *root_, root_name_ + "/", "", /*with_default_acl=*/true));
  VS_RETURN_IF_ERROR(parent->Write(ByteSpan(kZeros).first(kTarEndBytes)));
  return parent->Finish();
}

}  // namespace volstream
