// Early return on a failed absl::Status, with the context of the place that passes it on.
#ifndef VOLSTREAM_ENGINE_STATUS_MACROS_H_
#define VOLSTREAM_ENGINE_STATUS_MACROS_H_

#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"

namespace volstream {

// The same code and payloads with `context: ` put before the message. OK stays OK.
inline absl::Status WithContext(const absl::Status& status, std::string_view context) {
  if (status.ok()) return status;
  absl::Status result(status.code(), absl::StrCat(absl::string_view(context.data(), context.size()),
                                                  ": ", status.message()));
  status.ForEachPayload([&result](absl::string_view url, const absl::Cord& payload) {
    result.SetPayload(url, payload);
  });
  return result;
}

// The same code and payloads with `; and then: SEQUEL` put behind the message: what went wrong in
// cleaning up, after the cause. OK stays OK.
inline absl::Status WithSequel(const absl::Status& status, absl::string_view sequel) {
  if (status.ok()) return status;
  absl::Status result(status.code(), absl::StrCat(status.message(), "; and then: ", sequel));
  status.ForEachPayload([&result](absl::string_view url, const absl::Cord& payload) {
    result.SetPayload(url, payload);
  });
  return result;
}

}  // namespace volstream

#define VS_RETURN_IF_ERROR(expression)                                            \
  do {                                                                            \
    if (absl::Status vs_status = (expression); !vs_status.ok()) return vs_status; \
  } while (false)

#define VS_CONCAT_INNER(a, b) a##b
#define VS_CONCAT(a, b) VS_CONCAT_INNER(a, b)
#define VS_ASSIGN_OR_RETURN(declaration, expression) \
  VS_ASSIGN_OR_RETURN_IMPL(VS_CONCAT(vs_result_, __LINE__), declaration, expression)
#define VS_ASSIGN_OR_RETURN_IMPL(result, declaration, expression) \
  auto result = (expression);                                     \
  if (!result.ok()) return result.status();                       \
  declaration = *std::move(result)

#endif  // VOLSTREAM_ENGINE_STATUS_MACROS_H_
