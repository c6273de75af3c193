#include "stages/digest.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <cstddef>
#include <utility>

#include "engine/check.h"

namespace volstream {
namespace {

struct FreeContext {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};
using ContextPtr = std::unique_ptr<EVP_MD_CTX, FreeContext>;

// A fetch looks the algorithm up in the providers, which costs more than hashing a short string.
// The pointers live as long as the process.
const EVP_MD* Md5Algorithm() {
  static const EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "MD5", nullptr);
  VS_CHECK(algorithm != nullptr);
  return algorithm;
}

const EVP_MD* Sha256Algorithm() {
  static const EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "SHA2-256", nullptr);
  VS_CHECK(algorithm != nullptr);
  return algorithm;
}

template <size_t kSize>
std::array<uint8_t, kSize> OneShot(const EVP_MD* algorithm, ByteSpan bytes) {
  thread_local const ContextPtr context(EVP_MD_CTX_new());
  std::array<uint8_t, kSize> digest;
  unsigned size = 0;
  VS_CHECK(context != nullptr);
  VS_CHECK(EVP_DigestInit_ex(context.get(), algorithm, nullptr) == 1);
  VS_CHECK(EVP_DigestUpdate(context.get(), bytes.data(), bytes.size()) == 1);
  VS_CHECK(EVP_DigestFinal_ex(context.get(), digest.data(), &size) == 1);
  VS_CHECK(size == kSize);
  return digest;
}

}  // namespace

Md5Digest Md5Of(ByteSpan bytes) { return OneShot<16>(Md5Algorithm(), bytes); }

Sha256Digest Sha256Of(ByteSpan bytes) { return OneShot<32>(Sha256Algorithm(), bytes); }

Sha256Digest HmacSha256(ByteSpan key, ByteSpan message) {
  // HMAC() reads a null key as "use the key of the call before", so an empty key needs an address.
  static constexpr uint8_t kNoKey = 0;
  Sha256Digest digest;
  unsigned size = 0;
  VS_CHECK(HMAC(Sha256Algorithm(), key.empty() ? &kNoKey : key.data(), static_cast<int>(key.size()),
                message.data(), message.size(), digest.data(), &size) != nullptr);
  VS_CHECK(size == digest.size());
  return digest;
}

std::string ToHex(ByteSpan bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(2 * bytes.size());
  for (const uint8_t byte : bytes) {
    text.push_back(kDigits[byte >> 4]);
    text.push_back(kDigits[byte & 15]);
  }
  return text;
}

std::string ToBase64(ByteSpan bytes) {
  // EVP_EncodeBlock ends the text with a NUL.
  std::string text(4 * ((bytes.size() + 2) / 3) + 1, '\0');
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), bytes.data(),
                                   static_cast<int>(bytes.size()));
  VS_CHECK(size >= 0);
  text.resize(static_cast<size_t>(size));
  return text;
}

void WipeSecret(std::string& secret) {
  OPENSSL_cleanse(secret.data(), secret.size());
  secret.clear();
}

void WipeSecret(Sha256Digest& secret) { OPENSSL_cleanse(secret.data(), secret.size()); }

struct Md5Stream::State {
  ContextPtr context{EVP_MD_CTX_new()};
};

Md5Stream::Md5Stream() : state_(std::make_unique<State>()) {
  VS_CHECK(state_->context != nullptr);
  VS_CHECK(EVP_DigestInit_ex(state_->context.get(), Md5Algorithm(), nullptr) == 1);
}
Md5Stream::~Md5Stream() = default;
Md5Stream::Md5Stream(Md5Stream&&) noexcept = default;
Md5Stream& Md5Stream::operator=(Md5Stream&&) noexcept = default;

void Md5Stream::Update(ByteSpan bytes) {
  VS_CHECK(EVP_DigestUpdate(state_->context.get(), bytes.data(), bytes.size()) == 1);
}

Md5Digest Md5Stream::Finish() {
  Md5Digest digest;
  unsigned size = 0;
  VS_CHECK(EVP_DigestFinal_ex(state_->context.get(), digest.data(), &size) == 1);
  VS_CHECK(size == digest.size());
  return digest;
}

}  // namespace volstream
