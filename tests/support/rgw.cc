#include "tests/support/rgw.h"

#include <gtest/gtest.h>
#include <unistd.h>
#include <algorithm>

#include <atomic>
#include <cctype>
#include <cstdio>
#include <iterator>
#include <memory>
#include <pugixml.hpp>
#include <utility>

#include "engine/check.h"
#include "stages/digest.h"
#include "tests/support/tree.h"

namespace volstream {
namespace {

Rgw* shared_rgw = nullptr;

std::string FirstLine(const std::string& path) {
  const std::string text = ReadFile(path);
  return text.substr(0, text.find('\n'));
}

std::string WithoutQuotes(std::string text) {
  std::erase(text, '"');
  return text;
}

// RFC 3986 unreserved characters stay, and '/' where it separates.
std::string PercentEncode(std::string_view text, bool keep_slash) {
  std::string out;
  for (const char c : text) {
    const bool plain = std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '.' ||
                       c == '_' || c == '~' || (keep_slash && c == '/');
    if (plain) {
      out += c;
    } else {
      char code[4];
      std::snprintf(code, sizeof(code), "%%%02X", static_cast<unsigned char>(c));
      out += code;
    }
  }
  return out;
}

}  // namespace

class RgwEnvironment : public ::testing::Environment {
 public:
  void SetUp() override {
    directory_ = std::make_unique<TempDir>();
    const std::string state = *directory_ / "rgw";
    const CommandResult result =
        Command({VOLSTREAM_RGW_SCRIPT, "up", state, "0", std::to_string(getpid())})
            .Timeout(120)
            .Run();
    if (result.exit_code != 0) {
      std::fprintf(stderr,
                   "\n*** These tests need a real S3 server, and Ceph RGW did not start.\n"
                   "*** The README's test command installs it. Nothing was tested.\n\n");
      FAIL() << result;
    }
    auto rgw = std::unique_ptr<Rgw>(new Rgw());
    rgw->state_ = state;
    rgw->endpoint_ = FirstLine(state + "/endpoint");
    rgw->tls_endpoint_ = FirstLine(state + "/tls_endpoint");
    rgw->access_key_ = FirstLine(state + "/access_key");
    rgw->secret_key_ = FirstLine(state + "/secret_key");
    rgw->guest_access_key_ = FirstLine(state + "/guest_access_key");
    rgw->guest_secret_key_ = FirstLine(state + "/guest_secret_key");
    std::printf("Ceph RGW at %s, started in %.1f s\n", rgw->endpoint_.c_str(), result.seconds);
    rgw_ = std::move(rgw);
    shared_rgw = rgw_.get();
  }

  void TearDown() override {
    shared_rgw = nullptr;
    const CommandResult result = Command({VOLSTREAM_RGW_SCRIPT, "down", *directory_ / "rgw"}).Run();
    EXPECT_EQ(result.exit_code, 0) << result;
    directory_.reset();
  }

 private:
  std::unique_ptr<TempDir> directory_;
  std::unique_ptr<Rgw> rgw_;
};

// GoogleTest owns it.
[[maybe_unused]] const ::testing::Environment* const kRgwEnvironment =
    ::testing::AddGlobalTestEnvironment(new RgwEnvironment);

const Rgw& Rgw::Shared() {
  VS_CHECK(shared_rgw != nullptr);
  return *shared_rgw;
}

void Rgw::StopGateway() const {
  const CommandResult result = Command({VOLSTREAM_RGW_SCRIPT, "stop-gateway", state_}).Run();
  EXPECT_EQ(result.exit_code, 0) << result;
}

void Rgw::StartGateway() const {
  const CommandResult result =
      Command({VOLSTREAM_RGW_SCRIPT, "start-gateway", state_}).Timeout(90).Run();
  EXPECT_EQ(result.exit_code, 0) << result;
}

Command Rgw::Volstream(std::vector<std::string> args) const {
  Command command = volstream::Volstream(std::move(args));
  command.Env("AWS_ENDPOINT_URL", endpoint_)
      .Env("AWS_ACCESS_KEY_ID", access_key_)
      .Env("AWS_SECRET_ACCESS_KEY", secret_key_);
  return command;
}

CommandResult Rgw::Curl(std::vector<std::string> args) const {
  std::vector<std::string> argv = {"curl",         "--silent",
                                   "--show-error", "--fail-with-body",
                                   "--aws-sigv4",  "aws:amz:us-east-1:s3",
                                   "--user",       access_key_ + ":" + secret_key_,
                                   "--header",     "x-amz-content-sha256: UNSIGNED-PAYLOAD"};
  argv.insert(argv.end(), args.begin(), args.end());
  const CommandResult result = Command(std::move(argv)).Run();
  EXPECT_EQ(result.exit_code, 0) << args.back() << "\n" << result;
  return result;
}

std::string Rgw::UrlOf(const std::string& bucket, const std::string& key) const {
  return endpoint_ + "/" + bucket + "/" + PercentEncode(key, true);
}

std::string Rgw::NewBucket() const {
  static std::atomic<int> count = 0;
  const std::string bucket = "test-bucket-" + std::to_string(++count);
  Curl({"--request", "PUT", endpoint_ + "/" + bucket});
  return bucket;
}

std::string Rgw::NewVersionedBucket() const {
  const std::string bucket = NewBucket();
  Configure(bucket, "versioning",
            "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>");
  return bucket;
}

std::string Rgw::NewLockBucket() const {
  static std::atomic<int> count = 0;
  const std::string bucket = "test-lock-bucket-" + std::to_string(++count);
  Curl({"--request", "PUT", "--header", "x-amz-bucket-object-lock-enabled: true",
        endpoint_ + "/" + bucket});
  Configure(bucket, "object-lock",
            "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule>"
            "<DefaultRetention><Mode>GOVERNANCE</Mode><Days>1</Days></DefaultRetention></Rule>"
            "</ObjectLockConfiguration>");
  return bucket;
}

void Rgw::Configure(const std::string& bucket, const std::string& part,
                    const std::string& xml) const {
  Curl({"--request", "PUT", "--header", "Content-MD5: " + ToBase64(Md5Of(AsBytes(xml))), "--data",
        xml, endpoint_ + "/" + bucket + "?" + part + "="});
}

size_t Rgw::CountVersions(const std::string& bucket) const {
  pugi::xml_document document;
  document.load_string(Curl({endpoint_ + "/" + bucket + "?versions="}).out.c_str());
  const auto versions = document.document_element().children("Version");
  return static_cast<size_t>(std::distance(versions.begin(), versions.end()));
}

void Rgw::Put(const std::string& bucket, const std::string& key, std::string_view contents) const {
  TempDir directory;
  WriteFile(directory / "body", contents);
  Curl({"--upload-file", directory / "body", UrlOf(bucket, key)});
}

std::string Rgw::Get(const std::string& bucket, const std::string& key) const {
  return Curl({UrlOf(bucket, key)}).out;
}

RgwObject Rgw::Head(const std::string& bucket, const std::string& key) const {
  RgwObject object = {key, 0, ""};
  // The write-out format prints headers by name, in lower case.
  const std::string out = Curl({"--head", "--output", "/dev/null", "--write-out",
                                "%header{etag} %header{content-length}", UrlOf(bucket, key)})
                              .out;
  const size_t space = out.find(' ');
  object.etag = WithoutQuotes(out.substr(0, space));
  if (space != std::string::npos) object.bytes = std::stoull("0" + out.substr(space + 1));
  return object;
}

std::string Rgw::HeadText(const std::string& bucket, const std::string& key) const {
  std::string text = Curl({"--head", UrlOf(bucket, key)}).out;
  std::transform(text.begin(), text.end(), text.begin(),
                 [](char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

size_t Rgw::CountMarkers(const std::string& bucket) const {
  pugi::xml_document document;
  document.load_string(Curl({endpoint_ + "/" + bucket + "?versions="}).out.c_str());
  const auto markers = document.document_element().children("DeleteMarker");
  return static_cast<size_t>(std::distance(markers.begin(), markers.end()));
}

std::vector<RgwObject> Rgw::List(const std::string& bucket, const std::string& prefix) const {
  std::vector<RgwObject> objects;
  const std::string url =
      endpoint_ + "/" + bucket + "?list-type=2&prefix=" + PercentEncode(prefix, false);
  pugi::xml_document document;
  document.load_string(Curl({url}).out.c_str());
  const pugi::xml_node root = document.child("ListBucketResult");
  EXPECT_STREQ(root.child_value("IsTruncated"), "false") << "more objects than one page";
  for (const pugi::xml_node node : root.children("Contents")) {
    objects.push_back({node.child_value("Key"), node.child("Size").text().as_ullong(),
                       WithoutQuotes(node.child_value("ETag"))});
  }
  return objects;
}

std::vector<std::string> Rgw::Keys(const std::string& bucket, const std::string& prefix) const {
  std::vector<std::string> keys;
  for (const RgwObject& object : List(bucket, prefix)) keys.push_back(object.key);
  return keys;
}

std::vector<std::string> Rgw::OpenUploads(const std::string& bucket) const {
  std::vector<std::string> keys;
  pugi::xml_document document;
  document.load_string(Curl({endpoint_ + "/" + bucket + "?uploads="}).out.c_str());
  for (const pugi::xml_node node :
       document.child("ListMultipartUploadsResult").children("Upload")) {
    keys.emplace_back(node.child_value("Key"));
  }
  return keys;
}

}  // namespace volstream
