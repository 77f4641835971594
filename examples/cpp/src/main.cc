// Lists profiles, and judges an image file.
#include <fstream>
#include <iostream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

#include "connection.h"
#include "status_name.h"
#include "lodestone/crawler/v1/crawler_service.grpc.pb.h"
#include "lodestone/novelty/v1/novelty_service.grpc.pb.h"

namespace {

namespace crawler = lodestone::crawler::v1;
namespace image = lodestone::image::v1;
namespace novelty = lodestone::novelty::v1;

constexpr std::chrono::seconds kPatience{60};

void require_ok(const grpc::Status& status) {
  if (status.ok()) return;
  throw std::runtime_error(example::name_of(status.error_code()) + ": " + status.error_message());
}

// Prints the newest version of every profile.
void list_profiles() {
  auto stub = novelty::NoveltyService::NewStub(example::connect("NOVELTY", "127.0.0.1:50052"));
  grpc::ClientContext context;
  example::limit(context, kPatience);
  novelty::ListProfilesResponse response;
  require_ok(stub->ListProfiles(&context, novelty::ListProfilesRequest(), &response));
  for (const novelty::Profile& profile : response.profiles()) {
    std::cout << profile.name() << '@' << profile.version() << ": ";
    if (profile.damage().empty()) {
      std::cout << profile.liked_count() << " liked\n";
    } else {
      std::cout << "damaged: " << profile.damage() << '\n';
    }
  }
}

std::string line_of(const crawler::JudgeResult& result) {
  // A word that a newer server has and these stubs lack has no name; its number is shown then.
  switch (result.outcome_case()) {
    case crawler::JudgeResult::kValue: {
      const crawler::Judgement& judgement = result.value();
      const std::string name = image::Verdict_Name(judgement.verdict());
      return (name.empty() ? std::to_string(judgement.verdict()) : name) + ": " + judgement.reason();
    }
    case crawler::JudgeResult::kRejection: {
      const image::Rejection& rejection = result.rejection();
      const std::string name = image::RejectionCode_Name(rejection.code());
      return "not judged, " + (name.empty() ? std::to_string(rejection.code()) : name) + ": " + rejection.reason();
    }
    default:
      return "an answer of a newer server";
  }
}

// Prints what the gates say of an image file (JPEG, PNG, WebP, GIF or AVIF, at most 20 MB); nothing is stored.
void judge(const std::string& path, const std::string& profile) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error(path + " cannot be read");
  crawler::JudgeImagesRequest request;
  request.mutable_options()->set_profile(profile);
  request.add_images()->set_encoded(std::string(std::istreambuf_iterator<char>(file), {}));
  auto stub = crawler::CrawlerService::NewStub(example::connect("CRAWLER", "127.0.0.1:50054"));
  grpc::ClientContext context;
  example::limit(context, kPatience);
  crawler::JudgeImagesResponse response;
  require_ok(stub->JudgeImages(&context, request, &response));
  for (const crawler::JudgeResult& result : response.results()) std::cout << path << ": " << line_of(result) << '\n';
}

}  // namespace

int main(int count, char** values) {
  const std::vector<std::string> words(values + 1, values + count);
  try {
    if (words.size() == 1 && words[0] == "profiles") {
      list_profiles();
    } else if (words.size() == 3 && words[0] == "judge") {
      judge(words[1], words[2]);
    } else {
      std::cerr << "usage: lodestone-example profiles | judge FILE PROFILE\n";
      return 2;
    }
  } catch (const std::runtime_error& error) {
    std::cerr << "error: " << error.what() << '\n';
    return 1;
  }
  return 0;
}
