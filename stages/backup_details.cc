#include "stages/backup_details.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "engine/guarded.h"
#include "engine/mutex.h"
#include "engine/start_threads.h"
#include "engine/status_macros.h"
#include "stages/absl_text.h"
#include "stages/archive_name.h"
#include "stages/receipt.h"

namespace volstream {
namespace {

// That it is not this one object: asking for the others would only take long.
bool IsOfDestination(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) ||
         absl::IsCancelled(status) || absl::IsUnauthenticated(status);
}

absl::Status ReadReceipt(Storage* storage, const BackupInfo& backup, BackupDetails* details) {
  const std::string name = ReceiptNameOf(backup.name);
  const absl::StatusOr<std::string> text = storage->ReadAll(name);
  // Gone since the listing.
  if (absl::IsNotFound(text.status())) return absl::OkStatus();
  if (IsOfDestination(text.status())) return text.status();
  const absl::StatusOr<Receipt> receipt =
      text.ok() ? Receipt::FromJson(*text) : absl::StatusOr<Receipt>(text.status());
  if (!receipt.ok()) {
    details->state = BackupState::kUnreadable;
    details->remark =
        absl::StrCat(storage->UrlOf(name), " cannot be read: ", receipt.status().message());
    return absl::OkStatus();
  }
  if (!receipt->Fits(backup.name, backup.bytes)) {
    details->remark = absl::StrCat(storage->UrlOf(name), " is the receipt of ", receipt->bytes,
                                   " bytes named ", receipt->archive, ", and the archive has ",
                                   backup.bytes, ": it proves nothing");
    return absl::OkStatus();
  }
  details->state = BackupState::kProven;
  details->figures = BackupFigures{receipt->tar_bytes,
                                   receipt->entries,
                                   receipt->warning_count,
                                   receipt->missing_count,
                                   receipt->finished - receipt->started,
                                   receipt->codec,
                                   receipt->level,
                                   receipt->levels};
  return absl::OkStatus();
}

absl::Status ReadVerification(Storage* storage, const BackupInfo& backup, BackupDetails* details) {
  const std::string name = VerificationNameOf(backup.name);
  const absl::StatusOr<std::string> text = storage->ReadAll(name);
  if (absl::IsNotFound(text.status())) return absl::OkStatus();
  if (IsOfDestination(text.status())) return text.status();
  absl::StatusOr<Verification> verification =
      text.ok() ? Verification::FromJson(*text) : absl::StatusOr<Verification>(text.status());
  if (verification.ok() && verification->archive != backup.name) {
    verification = absl::DataLossError(absl::StrCat("it is of ", verification->archive));
  }
  if (!verification.ok()) {
    if (details->remark.empty()) {
      details->remark =
          absl::StrCat(storage->UrlOf(name), " cannot be read: ", verification.status().message());
    }
    return absl::OkStatus();
  }
  if (!verification->ok) {
    details->state = BackupState::kDamaged;
    details->remark = absl::StrCat(
        storage->UrlOf(backup.name), " is damaged: ",
        verification->errors.empty() ? "its verification failed" : verification->errors.front());
  } else if (details->state == BackupState::kProven) {
    details->state = BackupState::kVerified;
  }
  details->verification = *std::move(verification);
  return absl::OkStatus();
}

absl::StatusOr<BackupDetails> ReadDetails(Storage* storage, const BackupInfo& backup) {
  BackupDetails details;
  if (backup.proven) VS_RETURN_IF_ERROR(ReadReceipt(storage, backup, &details));
  if (backup.verified) VS_RETURN_IF_ERROR(ReadVerification(storage, backup, &details));
  return details;
}

// A window over the backups: readers take the next one that nobody has, at most kDetailsAhead
// beyond the one that is visited next.
class Readers {
 public:
  Readers(Storage* storage, const std::vector<BackupInfo>& backups)
      : storage_(storage), backups_(backups), slots_(std::min(kDetailsAhead, backups.size())) {
    const size_t count = std::min<size_t>(kDetailReads, backups.size());
    start_status_ = StartThreads(
        count, [this] { Loop(); }, &threads_);
  }

  ~Readers() {
    {
      MutexLock lock(&mu_);
      stop_ = true;
    }
    for (std::thread& thread : threads_) thread.join();
  }

  // The details of the next backup, in order.
  absl::StatusOr<BackupDetails> Next() ABSL_LOCKS_EXCLUDED(mu_) {
    VS_RETURN_IF_ERROR(start_status_);
    MutexLock lock(&mu_);
    std::optional<absl::StatusOr<BackupDetails>>& slot = slots_[next_visit_ % slots_.size()];
    mu_.Await([&slot] { return slot.has_value(); });
    absl::StatusOr<BackupDetails> details = *std::exchange(slot, std::nullopt);
    ++next_visit_;
    return details;
  }

 private:
  void Loop() ABSL_LOCKS_EXCLUDED(mu_) {
    while (true) {
      size_t index = 0;
      {
        MutexLock lock(&mu_);
        mu_.Await([this]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
          return stop_ || next_read_ == backups_.size() || next_read_ < next_visit_ + slots_.size();
        });
        if (stop_ || next_read_ == backups_.size()) return;
        index = next_read_++;
      }
      absl::StatusOr<BackupDetails> details = BackupDetails();
      const absl::Status status = Guarded([&] {
        details = ReadDetails(storage_, backups_[index]);
        return absl::OkStatus();
      });
      if (!status.ok()) details = status;
      MutexLock lock(&mu_);
      slots_[index % slots_.size()] = std::move(details);
    }
  }

  Storage* const storage_;
  const std::vector<BackupInfo>& backups_;
  Mutex mu_;
  std::vector<std::optional<absl::StatusOr<BackupDetails>>> slots_ ABSL_GUARDED_BY(mu_);
  size_t next_read_ ABSL_GUARDED_BY(mu_) = 0;
  size_t next_visit_ ABSL_GUARDED_BY(mu_) = 0;
  bool stop_ ABSL_GUARDED_BY(mu_) = false;
  absl::Status start_status_;
  std::vector<std::thread> threads_;  // last: they use the rest
};

}  // namespace

std::string_view TextOf(BackupState state) {
  switch (state) {
    case BackupState::kUnproven:
      return "unproven";
    case BackupState::kProven:
      return "proven";
    case BackupState::kVerified:
      return "verified";
    case BackupState::kDamaged:
      return "damaged";
    case BackupState::kUnreadable:
      return "unreadable";
  }
  return "";
}

absl::Status ForEachDetails(Storage* storage, const std::vector<BackupInfo>& backups,
                            const DetailsVisitor& visit) {
  Readers readers(storage, backups);
  for (const BackupInfo& backup : backups) {
    VS_ASSIGN_OR_RETURN(const BackupDetails details, readers.Next());
    VS_RETURN_IF_ERROR(visit(backup, details));
  }
  return absl::OkStatus();
}

}  // namespace volstream
