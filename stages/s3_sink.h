// S3Sink: PartSink for one object: a multipart upload, or one PUT where the whole stream is known
// to fit one part.
//
// Proof: every part carries Content-MD5 (and its SHA-256 in the signature on http), the ETag that
// comes back is compared with the part's MD5, and after Complete a HEAD is compared with the size
// and the ETag that the parts predict (stages/s3_proof.h). Where the provider keeps a CRC of whole
// objects, each part carries its own and Complete that of all, and HEAD's is compared too. Under
// SSE-KMS and SSE-C an ETag is no MD5: then the parts' checks, the size and the CRC are the proof,
// and the ETag that Finish returns differs from PredictedEtag. Encryption that was asked for must
// be confirmed by the server before the first byte (before the last, in a single PUT).
// Visibility: a multipart object appears in Finish. A single PUT appears when its Put is done;
// Abort removes it. An object of that name that is not this stream's is never removed, and where
// the provider takes conditional writes it is not replaced either.
// Lifetime: the client must outlive the sink; the sink must outlive its Puts.
#ifndef VOLSTREAM_STAGES_S3_SINK_H_
#define VOLSTREAM_STAGES_S3_SINK_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "engine/message.h"
#include "engine/mutex.h"
#include "engine/stage.h"
#include "stages/s3_checksum.h"
#include "stages/s3_cleanup.h"
#include "stages/s3_client.h"
#include "stages/s3_inspector.h"
#include "stages/s3_object.h"
#include "stages/s3_proof.h"
#include "stages/s3_provider.h"

namespace volstream {

// The ETag of a multipart upload of these parts: md5(md5s)-N (as S3 and its peers do it; no
// specification says so).
std::string MultipartEtag(const std::vector<PartRecord>& parts);

class S3Sink : public PartSink {
 public:
  S3Sink(S3Client* client, std::string key, const S3ObjectOptions& object = {},
         const S3Provider& provider = {});

  std::string Describe() const override { return url_; }
  bool WantsSha256() const override { return client_->signs_bodies(); }
  absl::Status Begin(const StreamShape& shape) override;
  void Put(std::shared_ptr<const Part> part, Done done) override;
  void Cancel() override;
  // The ETag that HEAD gives. Ends soon after Cancel; what came of Complete is then looked up.
  absl::StatusOr<std::string> Finish(const StreamSummary& summary) override;
  std::vector<std::pair<std::string, std::string>> Facts() const override { return facts_; }
  // Tries for at most about half a minute on a dead network.
  absl::Status Abort() override;

  // What Finish should return where ETags are MD5s. After Begin.
  std::string PredictedEtag(const StreamSummary& summary) const;

 private:
  struct PutJob;
  struct StoredPart {
    std::string etag;  // empty = not stored yet
    uint64_t crc = 0;
  };

  void Send(const std::shared_ptr<PutJob>& job);
  void OnPut(const std::shared_ptr<PutJob>& job, absl::StatusOr<HttpResponse> result);
  absl::Status CheckParts(const StreamSummary& summary) const ABSL_LOCKS_EXCLUDED(mu_);
  S3Expectation Expected(const StreamSummary& summary) const ABSL_LOCKS_EXCLUDED(mu_);
  absl::StatusOr<std::string> FinishSingle(const StreamSummary& summary);
  absl::StatusOr<std::string> FinishUpload(const StreamSummary& summary);
  absl::StatusOr<HttpResponse> Complete(const S3Expectation& expected);
  // After a Complete of which nobody knows whether it took effect.
  absl::StatusOr<std::string> ResolveUnclear(const S3Expectation& expected, absl::Status cause);
  absl::StatusOr<std::string> Proven(S3Inspection inspection, const S3Expectation& expected);
  absl::Status AbortUpload();
  // Begins whose answers were lost left uploads that nobody knows of. Nothing unless Begin was
  // unclear; what stays is found by a later prune.
  absl::Status AbortStrays();
  // Removes the object that this sink certainly made.
  absl::Status DeleteMade();
  // Of the single PUT, whatever became of it: only when what is there is its.
  absl::Status DeleteSingle();
  // `status`, and what could not be cleaned up after it.
  absl::Status WithCleanup(absl::Status status, const absl::Status& cleanup) const;

  S3Client* const client_;
  const std::string key_;
  const S3ObjectOptions object_;
  const S3Provider provider_;
  const S3ChecksumOf checksum_;
  const std::string url_;
  const S3Cleanup cleanup_;
  const std::shared_ptr<CancelFlag> cancelled_;
  const S3Inspector inspector_;
  absl::Time begun_at_;         // set by Begin
  bool single_ = false;         // set by Begin
  std::string upload_id_;       // set by Begin
  bool begin_unclear_ = false;  // there may be uploads beside ours

  std::vector<std::pair<std::string, std::string>> facts_;  // set by Finish

  mutable Mutex mu_;
  std::vector<StoredPart> stored_ ABSL_GUARDED_BY(mu_);  // by part_index
  bool made_ ABSL_GUARDED_BY(mu_) = false;               // the answer to the single PUT said so
  std::string version_id_ ABSL_GUARDED_BY(mu_);          // of the object made; may stay empty
  std::optional<S3Expectation> single_sent_ ABSL_GUARDED_BY(mu_);
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_S3_SINK_H_
