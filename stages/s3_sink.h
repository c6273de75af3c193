// S3Sink: PartSink for one object: a multipart upload, or one PUT where the whole stream is known
// to fit one part.
//
// Proof: every part carries Content-MD5 (and its SHA-256 in the signature on http), the ETag that
// comes back is compared with the part's MD5, and after Complete a HEAD is compared with the size
// and the ETag that the parts predict. Under SSE-KMS and SSE-C an ETag is no MD5: then the parts'
// checks and the size are the proof, and the ETag that Finish returns differs from PredictedEtag.
// Visibility: a multipart object appears in Finish. A single PUT appears when its Put is done;
// Abort removes it.
// Lifetime: the client must outlive the sink; the sink must outlive its Puts.
#ifndef VOLSTREAM_STAGES_S3_SINK_H_
#define VOLSTREAM_STAGES_S3_SINK_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/message.h"
#include "engine/mutex.h"
#include "engine/stage.h"
#include "stages/s3_client.h"
#include "stages/s3_object.h"
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
  bool WantsSha256() const override { return !client_->https(); }
  absl::Status Begin(const StreamShape& shape) override;
  void Put(std::shared_ptr<const Part> part, Done done) override;
  void Cancel() override;
  // The ETag that HEAD gives. Ends soon after Cancel; what came of Complete is then looked up.
  absl::StatusOr<std::string> Finish(const StreamSummary& summary) override;
  // Tries for at most about half a minute on a dead network.
  absl::Status Abort() override;

  // What Finish should return where ETags are MD5s. After Begin.
  std::string PredictedEtag(const StreamSummary& summary) const;

 private:
  struct PutJob;
  // What a HEAD says of the object, against the summary.
  enum class Found { kOurs, kOther, kNothing, kUnknown };
  struct Inspection {
    Found found = Found::kUnknown;
    std::string etag;
    absl::Status status;  // why it is not kOurs
  };

  void Send(const std::shared_ptr<PutJob>& job);
  void OnPut(const std::shared_ptr<PutJob>& job, absl::StatusOr<HttpResponse> result);
  absl::Status CheckParts(const StreamSummary& summary) const ABSL_LOCKS_EXCLUDED(mu_);
  absl::StatusOr<std::string> FinishSingle(const StreamSummary& summary);
  absl::StatusOr<std::string> FinishUpload(const StreamSummary& summary);
  // After a Complete of which nobody knows whether it took effect.
  absl::StatusOr<std::string> ResolveUnclear(const StreamSummary& summary, absl::Status cause);
  Inspection Inspect(const StreamSummary& summary, bool bounded);
  absl::Status AbortUpload();
  // Begins whose answers were lost left uploads that nobody knows of: aborts those of exactly this
  // key. Nothing unless Begin was unclear. Bounded; what stays is found by a later prune.
  absl::Status AbortStrays();
  absl::Status DeleteObject();
  // `status`, and what could not be cleaned up after it.
  absl::Status WithCleanup(absl::Status status, absl::Status cleanup) const;
  // A request that neither Cancel nor a dead network can hold up.
  S3Request Bounded(S3Request request, std::string what) const;

  S3Client* const client_;
  const std::string key_;
  const S3ObjectOptions object_;
  const S3Provider provider_;
  const std::string url_;
  const std::shared_ptr<CancelFlag> cancelled_;
  bool single_ = false;         // set by Begin
  std::string upload_id_;       // set by Begin
  bool begin_unclear_ = false;  // there may be uploads beside ours

  mutable Mutex mu_;
  std::vector<std::string> etags_ ABSL_GUARDED_BY(mu_);  // by part_index; empty = not stored yet
  bool single_sent_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_S3_SINK_H_
