#include "tests/support/fake_stages.h"
#include "engine/mutex.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <thread>
#include <utility>

namespace volstream {

std::vector<uint8_t> PatternBytes(uint64_t bytes) {
  std::vector<uint8_t> out(bytes);
  for (uint64_t i = 0; i < bytes; ++i) out[i] = PatternByte(i);
  return out;
}

absl::StatusOr<BlockTicket> FakeSource::Next(MutableByteSpan space) {
  if (next_offset_ >= fail_next_at) return absl::UnavailableError("source: Next failed");
  BlockTicket ticket;
  ticket.offset = next_offset_;
  ticket.bytes = static_cast<size_t>(std::min<uint64_t>(space.size(), total_bytes - next_offset_));
  next_offset_ += ticket.bytes;
  if (fill_in_next && ticket.bytes > 0) {
    const absl::StatusOr<size_t> filled = Fill(ticket, space.first(ticket.bytes));
    if (!filled.ok()) return filled.status();
    ticket.filled = true;
  }
  return ticket;
}

absl::StatusOr<size_t> FakeSource::Fill(const BlockTicket& ticket, MutableByteSpan space) {
  const uint64_t end = ticket.offset + ticket.bytes;
  if (ticket.offset <= fail_fill_at && fail_fill_at < end) {
    return absl::UnavailableError("source: Fill failed");
  }
  if (ticket.offset <= throw_in_fill_at && throw_in_fill_at < end) {
    throw std::runtime_error("thrown in Fill");
  }
  if (ticket.offset >= leave_out_from && ticket.offset < leave_out_to) return size_t{0};
  for (size_t i = 0; i < ticket.bytes; ++i) space[i] = PatternByte(ticket.offset + i);
  filled_bytes += ticket.bytes;
  return ticket.bytes;
}

absl::StatusOr<EncodedBlock> CopyCodec::Encode(ByteSpan in, MutableByteSpan out) {
  const uint64_t call = calls.fetch_add(1);
  if (call == fail_at_call) return absl::InternalError("codec failed");
  for (uint64_t spins = call % 7 == 0 ? 20 : 0; spins > 0; --spins) std::this_thread::yield();
  std::memcpy(out.data(), in.data(), in.size());
  std::memset(out.data() + in.size(), 0, extra_bytes);
  return EncodedBlock{in.size() + extra_bytes, false};
}

void FirstByteHasher::Hash(std::span<const PartBytes> parts, bool want_sha256,
                           std::span<PartDigest> digests) {
  if (calls.fetch_add(1) == throw_at_call) throw std::runtime_error("no digest");
  for (uint64_t most = most_together; most < parts.size();) {
    if (most_together.compare_exchange_weak(most, parts.size())) break;
  }
  for (size_t i = 0; i < parts.size(); ++i) {
    digests[i].md5[0] = parts[i].bytes.empty() ? 0 : parts[i].bytes[0];
    digests[i].sha256[0] = want_sha256 ? 1 : 0;
  }
}

absl::Status FakeSink::Begin(const StreamShape& shape) {
  shape_ = shape;
  begun_ = begin_status.ok();
  return begin_status;
}

void FakeSink::Put(std::shared_ptr<const Part> part, Done done) {
  {
    MutexLock lock(&mu_);
    if (gate_closed_ && !cancelled_) {
      held_.push_back(Held{std::move(part), std::move(done)});
      return;
    }
  }
  Store(std::move(part), done);
}

void FakeSink::Store(std::shared_ptr<const Part> part, const Done& done) {
  absl::Status status;
  {
    MutexLock lock(&mu_);
    if (cancelled_) {
      status = absl::CancelledError("sink cancelled");
    } else if (part->index == fail_part_index) {
      status = absl::UnavailableError(name_ + ": part failed");
    } else {
      bytes_ += part->bytes;
      if (!discard) parts_[part->index].assign(part->data().begin(), part->data().end());
    }
  }
  part.reset();
  done(std::move(status));
}

void FakeSink::Cancel() {
  {
    MutexLock lock(&mu_);
    cancelled_ = true;
  }
  OpenGate();
}

void FakeSink::CloseGate() {
  MutexLock lock(&mu_);
  gate_closed_ = true;
}

void FakeSink::OpenGate() {
  std::vector<Held> held;
  {
    MutexLock lock(&mu_);
    gate_closed_ = false;
    held.swap(held_);
  }
  for (Held& put : held) Store(std::move(put.part), put.done);
}

void FakeSink::WaitForHeld(size_t count) {
  MutexLock lock(&mu_);
  const auto enough = [this, count]()
                          ABSL_NO_THREAD_SAFETY_ANALYSIS { return held_.size() >= count; };
  mu_.Await(enough);
}

absl::StatusOr<std::string> FakeSink::Finish(const StreamSummary& summary) {
  finished_ = true;
  summary_ = summary;
  if (!finish_status.ok()) return finish_status;
  return "proof of " + name_;
}

absl::Status FakeSink::Abort() {
  aborted_ = true;
  return abort_status;
}

std::vector<uint8_t> FakeSink::Contents() const {
  MutexLock lock(&mu_);
  std::vector<uint8_t> contents;
  for (const auto& [index, bytes] : parts_) {
    contents.insert(contents.end(), bytes.begin(), bytes.end());
  }
  return contents;
}

uint64_t FakeSink::bytes() const {
  MutexLock lock(&mu_);
  return bytes_;
}

}  // namespace volstream
