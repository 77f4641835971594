#include "connection.h"

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace example {
namespace {

constexpr int kMessageBytes = 65 * 1024 * 1024;

// Replicas in turn, and what is tried again: the file beside the protos, which `make` writes as a literal.
constexpr char kServiceConfig[] =
#include "service_config.inc"
    ;

std::string variable(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  return value == nullptr ? "" : value;
}

std::string contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream bytes;
  if (!file || !(bytes << file.rdbuf())) throw std::runtime_error(path + " cannot be read");
  return bytes.str();
}

// Read for each call, so that a new token is sent once the file has it.
class Token : public grpc::MetadataCredentialsPlugin {
 public:
  explicit Token(std::string path) : path_(std::move(path)) {}

  grpc::Status GetMetadata(grpc::string_ref, grpc::string_ref, const grpc::AuthContext&,
                           std::multimap<grpc::string, grpc::string>* metadata) override {
    std::string token;
    if (!(std::ifstream(path_) >> token)) return {grpc::StatusCode::UNAUTHENTICATED, "no token in " + path_};
    metadata->emplace("authorization", "Bearer " + token);
    return grpc::Status::OK;
  }

 private:
  const std::string path_;
};

std::shared_ptr<grpc::ChannelCredentials> credentials() {
  const std::string folder = variable("LODESTONE_TLS"), token_file = variable("LODESTONE_TOKEN_FILE");
  if (folder.empty()) {
    if (token_file.empty()) return grpc::InsecureChannelCredentials();
    throw std::runtime_error("LODESTONE_TOKEN_FILE: a token is sent over TLS alone: set LODESTONE_TLS");
  }
  grpc::SslCredentialsOptions files;
  files.pem_root_certs = contents(folder + "/ca.crt");
  files.pem_cert_chain = contents(folder + "/tls.crt");
  files.pem_private_key = contents(folder + "/tls.key");
  auto secured = grpc::SslCredentials(files);
  if (token_file.empty()) return secured;
  auto token = grpc::MetadataCredentialsFromPlugin(std::make_unique<Token>(token_file));
  return grpc::CompositeChannelCredentials(secured, token);
}

}  // namespace

std::shared_ptr<grpc::Channel> connect(const std::string& word, const std::string& fallback) {
  const std::string address = variable("LODESTONE_" + word);
  grpc::ChannelArguments arguments;
  arguments.SetServiceConfigJSON(kServiceConfig);
  arguments.SetMaxReceiveMessageSize(kMessageBytes);
  const std::string target = "dns:///" + (address.empty() ? fallback : address);
  return grpc::CreateCustomChannel(target, credentials(), arguments);
}

void limit(grpc::ClientContext& context, std::chrono::seconds time) {
  context.set_deadline(std::chrono::system_clock::now() + time);
}

}  // namespace example
