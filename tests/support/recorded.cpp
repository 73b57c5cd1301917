#include "tests/support/recorded.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <mutex>
#include <regex>
#include <set>

#include <dz/graph/listen.hpp>

#include "tests/ops/table.hpp"

namespace dz::test {
namespace {

std::mutex names_mutex;
std::set<std::string, std::less<>> names;

void note(const char* name) {
  static thread_local const char* last = nullptr;  // long chains repeat themselves
  if (name == last) return;
  last = name;
  const std::lock_guard lock(names_mutex);
  if (!names.contains(std::string_view(name))) names.emplace(name);
}

std::set<std::string, std::less<>> noted() {
  const std::lock_guard lock(names_mutex);
  return names;
}

/// What a row records: forward, in the reverse pass and in the reverse pass of that.
void reverse_twice(const Operation& o) {
  Tensors leaves;
  for (const Tensor& x : o.draw(float32)) leaves.push_back(is_floating(x.dtype()) ? variable(x) : x);
  const Tensor y = o.call(leaves);
  if (!y.requires_grad()) return;
  Tensors inputs, first;
  for (const Tensor& x : leaves)
    if (x.requires_grad()) inputs.push_back(x);
  for (const Tensor& g : grad({y}, inputs, {.create_graph = true, .seeds = {variable(ones_like(y))}}))
    if (g.requires_grad()) first.push_back(g);
  if (first.empty()) return;
  Tensors seeds;
  for (const Tensor& g : first) seeds.push_back(ones_like(g));
  grad(first, inputs, {.create_graph = true, .seeds = seeds});
}

/// Names that are given to operations in the source files of a folder.
std::set<std::string> named_in(const std::filesystem::path& folder) {
  const std::regex naming(R"re((?:record|record_many|record_all|elementwise)\(\s*"([^"]+)")re");
  std::set<std::string> found;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.path().extension() != ".cpp" && entry.path().extension() != ".hpp") continue;
    std::ifstream in(entry.path());
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    for (std::sregex_iterator it(text.begin(), text.end(), naming), end; it != end; ++it) found.insert((*it)[1]);
  }
  return found;
}

}  // namespace

void note_recorded_operations() { detail::listen_to_recording(note); }

std::vector<std::string> recorded_without_row() {
  const auto recorded = noted();
  {
    const std::lock_guard lock(names_mutex);
    names.clear();
  }
  if (recorded.empty()) return {};
  for (const Operation& o : operations()) reverse_twice(o);
  const auto of_rows = noted();
  const std::filesystem::path source(DZ_SOURCE_DIR);
  std::set<std::string> own, of_tests = named_in(source / "tests");
  for (const char* folder : {"graph", "ops", "models", "optim", "calculus", "data"}) own.merge(named_in(source / folder));
  std::vector<std::string> missing;
  for (const std::string& name : recorded)
    if (!of_rows.contains(name) && (own.contains(name) || !of_tests.contains(name))) missing.push_back(name);
  return missing;
}

}  // namespace dz::test
