// How services are reached: by the variables that the command `lodestone` reads.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include <grpcpp/grpcpp.h>

namespace example {

// A channel to the service at LODESTONE_<WORD> (`host:port`), else at `fallback`: with the certificates in the folder
// LODESTONE_TLS, or in plaintext without it, and with the token in the file LODESTONE_TOKEN_FILE. Throws
// std::runtime_error if a file cannot be read.
std::shared_ptr<grpc::Channel> connect(const std::string& word, const std::string& fallback);

// Gives a call this long at most.
void limit(grpc::ClientContext& context, std::chrono::seconds time);

}  // namespace example
