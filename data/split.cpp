#include <dz/data/split.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace dz {
namespace {

constexpr std::array names = {"training", "dev", "test"};
/// The share of a class from which on an accuracy says little.
constexpr double dominant = 0.9;

/// Which part each of n samples in a row belongs to: always the one that lacks most, so that every stretch has nearly the ratio.
std::vector<std::size_t> dealt(std::size_t n, const std::array<double, 3>& share) {
  std::array<double, 3> lacks{};
  std::vector<std::size_t> part(n);
  for (std::size_t& p : part) {
    for (std::size_t k = 0; k < 3; ++k) lacks[k] += share[k];
    p = static_cast<std::size_t>(std::ranges::max_element(lacks) - lacks.begin());
    lacks[p] -= 1;
  }
  return part;
}

/// Consecutive stretches of the ratio's lengths.
std::vector<std::size_t> cut(std::size_t n, const std::array<double, 3>& share) {
  const auto end = [n](double upto) { return static_cast<std::size_t>(std::lround(upto * static_cast<double>(n))); };
  const std::size_t train = end(share[0]), dev = share[2] > 0 ? end(share[0] + share[1]) : n;
  std::vector<std::size_t> part(n);
  for (std::size_t i = 0; i < n; ++i) part[i] = i < train ? 0 : i < dev ? 1 : 2;
  return part;
}

}  // namespace

Split split(const Dataset& set, const SplitOptions& options, Generator& g) {
  const auto& ratio = options.ratio;
  const double whole = ratio[0] + ratio[1] + ratio[2];
  if (!(ratio[0] > 0 && ratio[1] >= 0 && ratio[2] >= 0 && std::isfinite(whole)))
    throw ValueError(fmt::format("the ratio {}:{}:{} has a part that is no part, or nothing to train with", ratio[0], ratio[1], ratio[2]), "split");
  const std::array<double, 3> share = {ratio[0] / whole, ratio[1] / whole, ratio[2] / whole};

  const auto n = static_cast<std::size_t>(set.size());
  std::vector<std::int64_t> order(n), place(n);  // samples in the order in which they are dealt, and where each stands in it
  std::iota(order.begin(), order.end(), std::int64_t{0});
  if (options.shuffled) order = kernels::permutation(set.size(), g).to_vector<std::int64_t>();
  for (std::size_t i = 0; i < n; ++i) place[static_cast<std::size_t>(order[i])] = static_cast<std::int64_t>(i);
  if (options.stratified) {
    const std::vector<std::int64_t> labels = class_numbers(set);
    if (labels.size() != n) throw ValueError("stratified parts need labels", "split");
    std::ranges::stable_sort(order, {}, [&](std::int64_t i) { return labels[static_cast<std::size_t>(i)]; });
  }

  const std::vector<std::size_t> part = options.stratified ? dealt(n, share) : cut(n, share);
  std::array<std::vector<std::int64_t>, 3> members;
  for (std::size_t i = 0; i < n; ++i) members[part[i]].push_back(order[i]);
  for (std::size_t k = 0; k < 3; ++k) {
    if (share[k] > 0 && members[k].empty())
      throw ValueError(fmt::format("{} samples at {}:{}:{} leave the {} part empty", n, ratio[0], ratio[1], ratio[2], names[k]), "split");
    std::ranges::sort(members[k], {}, [&](std::int64_t i) { return place[static_cast<std::size_t>(i)]; });
  }
  return {samples_of(set, members[0]), samples_of(set, members[1]), samples_of(set, members[2])};
}

std::vector<double> class_shares(const Dataset& set) {
  std::vector<double> shares(static_cast<std::size_t>(class_count(set)));
  for (const std::int64_t label : class_numbers(set)) shares.at(static_cast<std::size_t>(label)) += 1 / static_cast<double>(set.size());
  return shares;
}

namespace {

/// The part of the samples that would have to change class to make the shares of both sets equal.
double shares_apart(const Dataset& a, const Dataset& b) {
  std::vector<double> p = class_shares(a), q = class_shares(b);
  p.resize(std::max(p.size(), q.size())), q.resize(p.size());
  double apart = 0;
  for (std::size_t c = 0; c < p.size(); ++c) apart += std::abs(p[c] - q[c]) / 2;
  return apart;
}

}  // namespace

std::vector<std::string> split_warnings(const Split& parts) {
  std::vector<std::string> found;
  const std::array sets = {&parts.train, &parts.dev, &parts.test};
  for (std::size_t k = 0; k < 3; ++k) {
    const std::vector<std::int64_t> labels = class_numbers(*sets[k]);
    if (labels.empty()) continue;
    const std::vector<double> shares = class_shares(*sets[k]);
    const auto most = static_cast<std::size_t>(std::ranges::max_element(shares) - shares.begin());
    const std::string called = most < sets[k]->classes.size() ? sets[k]->classes[most] : fmt::format("{}", most);
    if (std::ranges::count(labels, static_cast<std::int64_t>(most)) == std::ssize(labels))
      found.push_back(fmt::format("the {} part has samples of class {} alone: nothing can be learnt or judged by it", names[k], called));
    else if (k == 0 && shares[most] >= dominant)
      found.push_back(
          fmt::format("{:.1f} % of the {} part are of class {}, and who always says so is right as often: judge by precision, "
                      "recall and F1, not by the accuracy",
                      100 * shares[most], names[k], called));
  }
  const std::size_t judged = parts.test.size() > 0 ? 2 : 1, beside = judged == 2 && parts.dev.size() > 0 ? 1 : 0;
  if (sets[judged]->size() == 0) return found;
  if (const double apart = shares_apart(*sets[beside], *sets[judged]); apart > 0.1)
    found.push_back(
        fmt::format("the classes have other shares in the {} part than in the {} part ({:.0f} % of the samples would have to "
                    "change class): a stratified split of all data has them alike",
                    names[beside], names[judged], 100 * apart));
  return found;
}

}  // namespace dz
