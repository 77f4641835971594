#pragma once

#include <grpcpp/grpcpp.h>

#include <string>

namespace example {

// The name of a status as gRPC's documents have it, for example NOT_FOUND; grpc++ itself has the numbers alone.
std::string name_of(grpc::StatusCode code);

}  // namespace example
