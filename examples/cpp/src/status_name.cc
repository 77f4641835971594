#include "status_name.h"

namespace example {
namespace {

// At the place of its number.
constexpr const char* kNames[] = {
    "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
    "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE",
    "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
};

}  // namespace

std::string name_of(grpc::StatusCode code) {
  const auto number = static_cast<size_t>(code);
  return number < sizeof(kNames) / sizeof(*kNames) ? kNames[number] : std::to_string(code);
}

}  // namespace example
