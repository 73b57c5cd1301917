// What is asked of every operation of the table (testing/), and that no operation of the headers is missing in it.

#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>

#include <dz/calculus/catch.hpp>
#include <dz/testing/check.hpp>

#include "tests/ops/table.hpp"
#include "tests/support/support.hpp"

using namespace dz;
using namespace dz::test;
using dz::testing::Check;
using dz::testing::Findings;

namespace {

/// What a check finds of an operation; each is asked once.
const Findings& findings(const Operation& o, const Check& question) {
  static std::map<std::pair<std::string, std::string>, Findings> known;
  const std::pair key{o.name, std::string(question.name)};
  const auto found = known.find(key);
  return found != known.end() ? found->second : known.emplace(key, testing::check(o, question)).first->second;
}

void ask_of_every_operation(const std::string& name) {
  const auto all = testing::checks();
  const auto question = std::ranges::find_if(all, [&](const Check& c) { return c.name == name; });
  REQUIRE(question != all.end());
  for (const Operation& o : operations()) {
    INFO(o.name);
    const Findings& found = findings(o, *question);
    INFO(to_string(found));
    CHECK(found.failures().empty());
  }
}

}  // namespace

TEST_CASE("no operation of the headers is missing in the table", "[ops]") {
  std::set<std::string> rows, declared;
  for (const Operation& o : operations()) {
    INFO(o.name);
    CHECK(rows.insert(o.name).second);
    rows.insert(o.function());
  }
  std::vector<std::filesystem::path> headers{std::filesystem::path(DZ_SOURCE_DIR) / "graph" / "basic.hpp"};
  for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::path(DZ_SOURCE_DIR) / "ops"))
    if (entry.path().extension() == ".hpp" && entry.path().filename() != "creation.hpp") headers.push_back(entry.path());
  // A declaration at the beginning of a line that gives a Tensor or several. Operators are other names of the same.
  const std::regex declaration(R"(^(?:inline )?(?:Tensor|std::vector<Tensor>) (\w+)\()");
  for (const auto& header : headers) {
    std::ifstream in(header);
    REQUIRE(in);
    for (std::string line; std::getline(in, line);)
      if (std::smatch found; std::regex_search(line, found, declaration)) declared.insert(found[1]);
  }
  declared.insert("elementwise");  // a template, whose declaration begins otherwise
  CHECK(declared.size() >= 42);
  for (const std::string& name : declared) {
    INFO(name);
    CHECK(rows.contains(name));
  }
}

TEST_CASE("every operation: the gradient and its gradient are right in float64", "[ops][gradcheck]") {
  ask_of_every_operation("the gradient and its gradient are right in float64");
}
TEST_CASE("every operation: float32 agrees with float64 on every way that a kernel can take", "[ops][precision]") {
  ask_of_every_operation("float32 agrees with float64 on every way that a kernel can take");
}
TEST_CASE("every operation: float32 agrees with float64 on both sides of every threshold", "[ops][precision][long][.]") {
  ask_of_every_operation("float32 agrees with float64 on both sides of every threshold");
}
TEST_CASE("every operation: the layout of its inputs changes nothing", "[ops]") {
  ask_of_every_operation("the layout of its inputs changes nothing");
}
TEST_CASE("every operation: unrecorded it gives the same values, and leaves its inputs as they are", "[ops]") {
  ask_of_every_operation("unrecorded it gives the same values, and leaves its inputs as they are");
}
TEST_CASE("every operation: empty inputs give the right shape, or are refused", "[ops]") {
  ask_of_every_operation("empty inputs give the right shape, or are refused");
}
TEST_CASE("every operation: what does not fit is refused, with operation and line", "[ops]") {
  ask_of_every_operation("what does not fit is refused, with operation and line");
}
TEST_CASE("every operation: a NaN reaches the result and nothing breaks on infinities", "[ops]") {
  ask_of_every_operation("a NaN reaches the result and nothing breaks on infinities");
}
TEST_CASE("every elementwise operation of one argument: its limits, and each element by itself", "[ops]") {
  ask_of_every_operation("its limits, and each element by itself");
}

TEST_CASE("where refuses values of two dtypes and a condition that is none", "[ops]") {
  const Tensor condition = less(zeros({2}), 1), a = zeros({2}), b = zeros({2}, float64);
  CHECK_THROWS_AS(where(condition, a, b), DtypeError);
  CHECK_THROWS_AS(where(a, a, a), DtypeError);
}

TEST_CASE("every operation has at least forty cases", "[ops]") {
  for (const Operation& o : operations()) {
    std::int64_t cases = 0;
    for (const Check& question : testing::checks())
      if (!question.slow) cases += findings(o, question).cases();
    INFO(o.name);
    CHECK(cases >= 40);
  }
}
