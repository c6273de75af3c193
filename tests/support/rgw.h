// Rgw: the real S3 server of a test program, Ceph's radosgw from tests/rgw.sh. Linking rgw.cc
// starts it before the first test and stops it after the last; where it does not start, no test
// runs and the program fails with the reason, so that a missing package never looks like a pass.
//
// The verbs below go through curl and its own request signing, not through volstream: what they
// report is a second opinion. They fail the running test when the server refuses.
// Threads: the verbs are safe to call concurrently; stopping and starting the gateway is not.
#ifndef VOLSTREAM_TESTS_SUPPORT_RGW_H_
#define VOLSTREAM_TESTS_SUPPORT_RGW_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/cli.h"

namespace volstream {

struct RgwObject {
  std::string key;
  uint64_t bytes = 0;
  std::string etag;  // without quotes
};

class Rgw {
 public:
  // The one of this process. REQUIRES: a test is running.
  static const Rgw& Shared();

  const std::string& endpoint() const { return endpoint_; }
  const std::string& access_key() const { return access_key_; }
  const std::string& secret_key() const { return secret_key_; }
  // Of a user who may do nothing in others' buckets.
  const std::string& guest_access_key() const { return guest_access_key_; }
  const std::string& guest_secret_key() const { return guest_secret_key_; }
  // The same server over TLS as https://localhost:PORT; the certificate is good for 127.0.0.1 and
  // s3.test too, and signed by the CA of ca_file().
  const std::string& tls_endpoint() const { return tls_endpoint_; }
  std::string ca_file() const { return state_ + "/tls/ca.pem"; }

  // Kills the gateway as a crash would (SIGKILL); what it has stored stays. Until StartGateway()
  // connections are refused.
  void StopGateway() const;
  // Starts it again at the same ports and waits until it answers.
  void StartGateway() const;

  // `volstream` with these arguments, this server's endpoint and its credentials in the
  // environment.
  Command Volstream(std::vector<std::string> args) const;

  // An empty bucket of a name not used before.
  std::string NewBucket() const;
  // The same with versions, or with Object Lock (GOVERNANCE, a day, for every new object).
  std::string NewVersionedBucket() const;
  std::string NewLockBucket() const;
  // Of a bucket with versions: all that it keeps, delete markers left out.
  size_t CountVersions(const std::string& bucket) const;
  size_t CountMarkers(const std::string& bucket) const;
  void Put(const std::string& bucket, const std::string& key, std::string_view contents) const;
  std::string Get(const std::string& bucket, const std::string& key) const;
  // ETag and size as a HEAD request reports them.
  RgwObject Head(const std::string& bucket, const std::string& key) const;
  // All headers of that answer, in lower case.
  std::string HeadText(const std::string& bucket, const std::string& key) const;
  // Sorted by key.
  std::vector<RgwObject> List(const std::string& bucket, const std::string& prefix = "") const;
  std::vector<std::string> Keys(const std::string& bucket, const std::string& prefix = "") const;
  // Keys of the multipart uploads that are neither complete nor aborted.
  std::vector<std::string> OpenUploads(const std::string& bucket) const;

 private:
  friend class RgwEnvironment;
  Rgw() = default;
  CommandResult Curl(std::vector<std::string> args) const;
  std::string UrlOf(const std::string& bucket, const std::string& key) const;
  // PUT of a part of a bucket's configuration.
  void Configure(const std::string& bucket, const std::string& part, const std::string& xml) const;

  std::string state_;  // directory of tests/rgw.sh
  std::string endpoint_;
  std::string tls_endpoint_;
  std::string access_key_;
  std::string secret_key_;
  std::string guest_access_key_;
  std::string guest_secret_key_;
};

}  // namespace volstream

#endif  // VOLSTREAM_TESTS_SUPPORT_RGW_H_
