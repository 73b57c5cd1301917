// Classes by what they are called.
#include <dz/data/dataset.hpp>
#include <dz/data/model_file.hpp>

#include "tests/support/support.hpp"

using namespace dz;

namespace {

using Names = std::vector<std::string>;

Dataset labelled(const std::vector<std::int64_t>& labels, const Names& classes = {}) {
  const std::int64_t m = std::ssize(labels);
  return {Tensor(Array::full({m, 1}, 0)), Tensor(Array::of(labels, {m})), {}, classes};
}

}  // namespace

TEST_CASE("classes are renumbered by what they are called", "[data]") {
  const Names animals = {"ant", "bee", "cat"};
  CHECK(class_numbers(renumbered(labelled({0, 1, 0}, {"bee", "cat"}), animals)) == std::vector<std::int64_t>{1, 2, 1});
  CHECK(renumbered(labelled({0}, {"cat"}), animals).classes == animals);
  CHECK_THROWS_WITH(renumbered(labelled({0, 1}, {"bee", "dog"}), animals), test::Contains("'dog' is none of 'ant', 'bee', 'cat'"));
  CHECK(class_numbers(renumbered(labelled({0}, {"bee", "dog"}), animals)) == std::vector<std::int64_t>{1});  // no sample is a dog

  // Numbers are places among words, and names where there are numbers among the names.
  CHECK(class_numbers(renumbered(labelled({2, 0}), animals)) == std::vector<std::int64_t>{2, 0});
  CHECK_THROWS_AS(renumbered(labelled({3}), animals), ValueError);
  CHECK(class_numbers(renumbered(labelled({1, 10, 2}), {"1", "10", "2", "x"})) == std::vector<std::int64_t>{0, 1, 2});
  CHECK_THROWS_AS(renumbered(labelled({0}), {"1", "10", "2", "x"}), ValueError);
  CHECK(class_numbers(renumbered(labelled({0, 1}, {"1", "9"}), {})) == std::vector<std::int64_t>{1, 9});
  CHECK_THROWS_AS(renumbered(labelled({0}, {"bee"}), {}), ValueError);
  CHECK_THROWS_AS(renumbered(labelled({0}, {"01"}), {}), ValueError);

  Dataset two = labelled_for(labelled({0, 0}, {"yes"}), 1);
  two = renumbered(two, {"no", "yes"});
  CHECK(two.y.shape() == Shape{2, 1});
  CHECK(two.y.to_vector() == std::vector<double>{1, 1});
  CHECK_FALSE(renumbered({Tensor(Array::full({2, 1}, 0)), {}, {}}, animals).y);
}

TEST_CASE("the classes' names survive as text of the metadata", "[data]") {
  for (const Names& names : {Names{}, {"a"}, {"no", "yes"}, {"a,\"b\"\\", "猫", "", "line\nline", std::string("\0", 1)}}) CHECK(classes_in(classes_text(names)) == names);
  CHECK_THROWS_AS(classes_text({"\xff"}), ValueError);
  for (const char* wrong : {"", "{}", "[1]", "[\"a\"", "[\"a\",\"a\"]", "[[\"a\"]]", "[\"\xff\"]"}) CHECK_THROWS_AS(classes_in(wrong), FileError);
  CHECK_THROWS_AS(classes_in(std::string(1'000'000, '[') + std::string(1'000'000, ']')), FileError);
}
