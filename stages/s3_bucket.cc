#include "stages/s3_bucket.h"

#include <pugixml.hpp>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "engine/status_macros.h"

namespace volstream {
namespace {

S3Request Ask(std::string_view about) {
  S3Request request;
  request.query = {{std::string(about), ""}};
  return request;
}

absl::StatusOr<pugi::xml_node> RootOf(pugi::xml_document& document, std::string_view xml,
                                      const char* name) {
  if (!document.load_buffer(xml.data(), xml.size())) {
    return absl::InternalError(absl::StrCat("the answer is no XML (", name, " expected)"));
  }
  const pugi::xml_node root = document.child(name);
  if (root.empty()) return absl::InternalError(absl::StrCat("the answer holds no ", name));
  return root;
}

}  // namespace

S3Request GetVersioningRequest() { return Ask("versioning"); }
S3Request GetObjectLockRequest() { return Ask("object-lock"); }

absl::StatusOr<BucketVersioning> ParseVersioning(std::string_view xml) {
  pugi::xml_document document;
  VS_ASSIGN_OR_RETURN(const pugi::xml_node root, RootOf(document, xml, "VersioningConfiguration"));
  const std::string_view status = root.child_value("Status");
  if (status == "Enabled") return BucketVersioning::kEnabled;
  return status == "Suspended" ? BucketVersioning::kSuspended : BucketVersioning::kNever;
}

absl::StatusOr<BucketLock> ParseObjectLock(std::string_view xml) {
  pugi::xml_document document;
  VS_ASSIGN_OR_RETURN(const pugi::xml_node root, RootOf(document, xml, "ObjectLockConfiguration"));
  BucketLock lock;
  lock.enabled = std::string_view(root.child_value("ObjectLockEnabled")) == "Enabled";
  const pugi::xml_node retention = root.child("Rule").child("DefaultRetention");
  const std::string_view mode = retention.child_value("Mode");
  if (mode.empty()) return lock;
  const std::string_view days = retention.child_value("Days");
  // Ceph writes both, and a zero for the one that is not meant.
  const bool by_days = !days.empty() && days != "0";
  lock.default_retention = absl::StrCat(
      std::string(mode), " ", by_days ? std::string(days) : retention.child_value("Years"),
      by_days ? " days" : " years");
  return lock;
}

}  // namespace volstream
