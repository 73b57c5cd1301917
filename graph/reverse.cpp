#include <dz/graph/reverse.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <unordered_map>

#include <dz/graph/basic.hpp>
#include <dz/graph/mode.hpp>
#include <dz/graph/node.hpp>
#include <dz/graph/record.hpp>
#include <dz/tensor/kernels/kernels.hpp>
#include <dz/tensor/widen.hpp>

namespace dz {

// Note [Claims]. A pass needs a place for each node's cotangents without a lock or a hash map on its way. Every node has one
// claim word: the first pass to reach a node puts its own number and the index of the node's first slot there. A pass that finds
// another's claim (nested in it, or on another thread) sets the `shared` bit and keeps that node in a map of its own. A pass that
// spends a node sets `spent`; it lets go of the closures only where `shared` was not set, so nobody can still be running them,
// and whoever comes later sees `spent`. One word, so each of these steps is one atomic operation.
namespace {
constexpr std::uint64_t spent = std::uint64_t{1} << 63, failed = std::uint64_t{1} << 62, shared = std::uint64_t{1} << 61;
constexpr std::uint64_t index_bits = 0xffffffff, pass_bits = ((std::uint64_t{1} << 61) - 1) & ~index_bits;

std::uint64_t next_pass() {
  static std::atomic<std::uint32_t> passes{0};
  std::uint32_t id;
  do id = passes.fetch_add(1, std::memory_order_relaxed) & ((1u << 29) - 1);
  while (id == 0);
  return static_cast<std::uint64_t>(id) << 32;
}

/// Puts `to` where `from` is expected; false where another thread was quicker.
bool replace(std::atomic<std::uint64_t>& claim, std::uint64_t from, std::uint64_t to) {
  if (!detail::is_alone()) return claim.compare_exchange_strong(from, to, std::memory_order_acq_rel);
  claim.store(to, std::memory_order_relaxed);
  return true;
}
}  // namespace

/// For the time of its scope derivatives may be run on this thread; puts the place and the limit of those around them back.
class Derivatives {
 public:
  Derivatives() { detail::thread_state.deriving = true; }
  ~Derivatives() {
    detail::thread_state.call = call_;
    detail::thread_state.deriving = deriving_;
    detail::autocasting = autocasting_;
    detail::read_limit = limit_;
  }
  Derivatives(const Derivatives&) = delete;
  Derivatives& operator=(const Derivatives&) = delete;

  /// Runs a node's derivatives: on behalf of the user's line, in the forward's precision, and not on what was written in place since the node was recorded. An
  /// anomaly is that of the node's gradient, not of a step on the way to it.
  [[gnu::always_inline]] void run(Node& n, Pull& pull) const {
    detail::thread_state.call = n.at();
    detail::autocasting = n.autocasts();
    detail::read_limit = {n.recorded(), detail::write_clock()};
    try {
      n.pull(pull);
    } catch (Error& e) {
      blame(e, n);
      throw;
    }
  }

 private:
  /// Puts the node's name and place to an error in its derivative.
  [[gnu::noinline]] static void blame(Error& e, const Node& n) {
    if (auto* shapes = dynamic_cast<ShapeError*>(&e); shapes && !e.operation().empty() && e.operation() != n.name())  // of an operation within, which says nothing of this one
      throw ShapeError(fmt::format("{}, in the derivative of {}", e.reason(), n.name()), e.operation(), e.at() ? e.at() : n.at());
    e.locate(n.name(), n.at());
  }

  At call_ = detail::thread_state.call;
  bool deriving_ = detail::thread_state.deriving, autocasting_ = detail::autocasting;
  detail::ReadLimit limit_ = detail::read_limit;
};

/// The cotangents of a pass: a handle for every output of every node, from one piece of the pool.
class Cotangents {
 public:
  Cotangents() = default;
  ~Cotangents() {
    for (std::size_t i = 0; i < filled_; ++i) std::destroy_at(first_ + i);
    if (first_) memory::give(first_, count_ * sizeof(Tensor));
  }
  Cotangents(const Cotangents&) = delete;
  Cotangents& operator=(const Cotangents&) = delete;

  /// Once, when their number is known.
  void make(std::size_t count) {
    first_ = static_cast<Tensor*>(memory::take(count * sizeof(Tensor)));
    count_ = filled_ = count;
    std::uninitialized_default_construct_n(first_, count);
  }
  /// Where all have been moved from, and hold nothing to destroy.
  void forget() { filled_ = 0; }
  std::size_t size() const { return count_; }
  Tensor& operator[](std::size_t i) const { return first_[i]; }

 private:
  Tensor* first_ = nullptr;
  std::size_t count_ = 0, filled_ = 0;
};

/// One reverse pass. What every node goes through is inline, and what few do is not: a long chain of small operations costs little else.
class Pass final : private Sums {
 public:
  Pass(bool retain, bool record) : id_(next_pass()), retain_(retain), recording_(detail::thread_state.recording, record) {
    nodes_.reserve(2048);
    leaves_.reserve(32);
  }
  ~Pass() { leave(); }
  Pass(const Pass&) = delete;
  Pass& operator=(const Pass&) = delete;

  void start(const Tensor& y, Tensor seed) {
    seeds_.emplace_back(reach(y.from().node()) + y.from().output(), std::move(seed));
  }

  /// Collects what is reachable, in falling number. Numbers fall strictly along edges.
  void collect() {
    bool sorted = true;
    std::uint64_t last = UINT64_MAX;
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      const Node& n = *nodes_[i];
      sorted &= n.number() < last;
      last = n.number();
      for (const NodeRef& e : n.edges())
        if (e) reach(e.node());
    }
    if (!sorted) std::sort(nodes_.begin(), nodes_.end(), [](const Node* a, const Node* b) { return a->number() > b->number(); });
    cotangents_.make(reached_);
    for (auto& [index, seed] : seeds_) add(cotangents_[index], seed);
  }

  /// Restricts the pass to the ways that lead to these.
  void aim(const std::vector<Tensor>& targets) {
    aimed_.resize(cotangents_.size());
    for (const Tensor& t : targets) {
      const std::size_t first = t.from() ? find(t.from().node()) : none;
      targets_.push_back(first == none ? none : first + t.from().output());
      if (first != none) aimed_[first] |= wanted, aimed_[targets_.back()] |= target;
    }
    for (std::size_t i = nodes_.size(); i-- > 0;)
      for (const NodeRef& e : nodes_[i]->edges())
        if (e && (aimed_[find(e.node())] & wanted)) aimed_[find(nodes_[i])] |= wanted;
    for (Node* n : nodes_)
      if (const std::size_t first = find(n); !(aimed_[first] & wanted))
        for (unsigned o = 0; o < n->output_count(); ++o) cotangents_[first + o] = {};  // a seed that leads nowhere
  }

  void run() {
    const Derivatives derivatives;
    ran_ = true;
    for (done_ = 0; done_ < nodes_.size(); ++done_) visit(*nodes_[done_], derivatives);
    completed_ = true;
  }

  /// What arrived at target number i; empty where nothing did.
  Tensor take(std::size_t i) { return targets_[i] == none ? Tensor() : cotangents_[targets_[i]]; }

  /// Adds what has arrived in leaves into their gradients, all or none.
  void commit() {
    memory::Vector<std::pair<Leaf*, Tensor>> gradients;
    gradients.reserve(leaves_.size());
    const detail::GradientLock lock;
    for (Leaf* leaf : leaves_) {
      Tensor g = std::move(cotangents_[find(leaf)]);
      if (!g) continue;
      if (leaf->gradient_) g = Tensor(kernels::add(leaf->gradient_.value(), g.value()));
      else if (!g.value().is_spare()) g = Tensor(g.value().clone());
      gradients.emplace_back(leaf, std::move(g));
    }
    for (auto& [leaf, g] : gradients) swap(leaf->gradient_, g);
    cotangents_.forget();  // the nodes' were taken by run(), the leaves' just now
  }

 private:
  static constexpr std::size_t few = 4;  // inputs, for which room is at hand
  static constexpr std::size_t none = SIZE_MAX, most_cotangents = index_bits - 65536;
  static constexpr std::uint8_t wanted = 1, target = 2;  // the node is on the way to somewhere; the cotangent itself is asked for

  /// The index of the node's first cotangent; the first time, claims it.
  [[gnu::always_inline]] std::size_t reach(Node* n) {
    const std::uint64_t seen = n->claim_.load(std::memory_order_acquire);
    if ((seen & pass_bits) == id_) return seen & index_bits;
    const std::size_t fresh = reached_;
    if (fresh > most_cotangents || seen != 0 || !replace(n->claim_, seen, id_ | fresh)) [[unlikely]]
      return reach_shared(n, seen, fresh);
    enter(n);
    return fresh;
  }

  /// The same for a node that another pass has seen.
  [[gnu::noinline]] std::size_t reach_shared(Node* n, std::uint64_t seen, std::size_t fresh) {
    if (fresh > most_cotangents) throw GraphError("a graph of more than four thousand million nodes");
    if (auto known = others_.find(n); known != others_.end()) return known->second;
    if (!n->is_leaf()) seen = n->claim_.fetch_or(shared, std::memory_order_acq_rel);
    if (seen & spent) refuse_spent(*n, seen);
    others_.emplace(n, fresh);
    enter(n);
    return fresh;
  }

  [[gnu::always_inline]] void enter(Node* n) {
    if (n->is_leaf()) leaves_.push_back(static_cast<Leaf*>(n));
    else nodes_.push_back(n);
    reached_ += n->output_count();
  }

  [[gnu::always_inline]] std::size_t find(Node* n) const {
    const std::uint64_t claim = n->claim_.load(std::memory_order_relaxed);
    if ((claim & pass_bits) == id_) [[likely]]
      return claim & index_bits;
    return find_shared(n);
  }
  [[gnu::noinline]] std::size_t find_shared(Node* n) const {
    const auto known = others_.find(n);
    return known == others_.end() ? none : known->second;
  }
  bool is_target(std::size_t index) const { return !aimed_.empty() && (aimed_[index] & target); }

  [[noreturn]] static void refuse_spent(const Node& n, std::uint64_t claim) {
    throw GraphError(claim & failed ? "the graph was given up when an earlier reverse pass failed; record it again"
                                    : "the graph has already been reversed; pass {.retain = true} to the pass before to keep it",
                     n.name(), n.at());
  }

  [[gnu::always_inline]] void visit(Node& n, const Derivatives& derivatives) {
    const std::size_t first = find(&n);
    if (n.output_count() == 1) {
      dy_ = arrived(first);
      if (dy_) pull(n, {&dy_, 1}, derivatives);
    } else {
      visit_many(n, first, derivatives);
    }
    if (!retain_) spend(n);
  }

  [[gnu::noinline]] void visit_many(Node& n, std::size_t first, const Derivatives& derivatives) {
    memory::Vector<Tensor> dy(n.output_count());
    bool some = false;
    for (std::size_t o = 0; o < dy.size(); ++o) some |= static_cast<bool>(dy[o] = arrived(first + o));
    if (some) pull(n, dy, derivatives);
  }

  /// What has arrived as the cotangent of that index; it stays where it is asked for.
  Tensor arrived(std::size_t index) { return is_target(index) ? cotangents_[index] : std::move(cotangents_[index]); }

  [[gnu::always_inline]] void pull(Node& n, std::span<Tensor> dy, const Derivatives& derivatives) {
    const auto edges = n.edges();
    if (edges.size() > few) [[unlikely]]
      return pull_many(n, dy, edges, derivatives);
    std::uint8_t asked[few];
    pull_into(n, dy, edges, dx_, asked, derivatives);
  }
  [[gnu::noinline]] void pull_many(Node& n, std::span<Tensor> dy, std::span<const NodeRef> edges, const Derivatives& derivatives) {
    memory::Vector<Tensor> dx(edges.size());
    memory::Vector<std::uint8_t> asked(edges.size());
    pull_into(n, dy, edges, dx.data(), asked.data(), derivatives);
  }

  /// dx and asked have room for each edge.
  [[gnu::always_inline]] void pull_into(Node& n, std::span<Tensor> dy, std::span<const NodeRef> edges, Tensor* dx, std::uint8_t* asked, const Derivatives& derivatives) {
    for (std::size_t i = 0; i < edges.size(); ++i) asked[i] = static_cast<bool>(edges[i]);
    if (!aimed_.empty()) [[unlikely]]
      ask_where_aimed(edges, asked);
    Pull p{dy, {dx, edges.size()}, {asked, edges.size()}, this};
    derivatives.run(n, p);
    for (Tensor& d : dy) d = {};  // a gradient that is dy itself can then be added to in place
    for (std::size_t i = 0; i < edges.size(); ++i)
      if (asked[i]) deliver(n, i, edges[i], dx[i]);
  }
  [[gnu::noinline]] void ask_where_aimed(std::span<const NodeRef> edges, std::uint8_t* asked) const {
    for (std::size_t i = 0; i < edges.size(); ++i) asked[i] = asked[i] && (aimed_[find(edges[i].node())] & wanted);
  }

  Tensor take(const NodeRef& operand) override { return std::move(cotangents_[find(operand.node()) + operand.output()]); }

  /// Takes g, the gradient by input number i.
  [[gnu::always_inline]] void deliver(const Node& n, std::size_t i, const NodeRef& to, Tensor& g) {
    const OutputKind& kind = to.node()->output(to.output());
    if (!g || !kind.fits(g.value()) || detail::thread_state.watching) [[unlikely]]
      examine(n, i, kind, g);
    add(cotangents_[find(to.node()) + to.output()], g);
  }

  /// Makes g fit, and looks for anomalies where that is asked.
  [[gnu::noinline]] void examine(const Node& n, std::size_t i, const OutputKind& kind, Tensor& g) {
    if (!g) throw GraphError(fmt::format("its derivative by input {} gives nothing", i), n.name(), n.at());
    if (!kind.fits(g.value())) g = fit(n, i, kind, std::move(g));
    if (!detail::thread_state.watching) return;
    try {
      detail::require_finite(g.value(), fmt::format("its gradient by input {}", i));
    } catch (Error& e) {
      e.locate(n.name(), n.at());
      throw;
    }
  }

  /// Undoes a broadcast; refuses any other difference.
  Tensor fit(const Node& n, std::size_t i, const OutputKind& kind, Tensor g) {
    if (g.dtype() != kind.dtype()) {
      if (!detail::widening || !is_floating(g.dtype()) || is_recording())
        throw DtypeError(fmt::format("its derivative by input {} is {}, the input {}", i, name(g.dtype()), name(kind.dtype())), n.name(),
                         n.at());
      g = Tensor(g.value().cast(kind.dtype()));
    }
    try {
      return is_recording() ? sum_to(g, kind.shape()) : Tensor(kernels::sum_to(g.value(), kind.shape()));
    } catch (const ShapeError&) {
      throw ShapeError(
          fmt::format("its derivative by input {} has the shape {}, the input {}", i, to_string(g.shape()), to_string(kind.shape())),
          n.name(), n.at());
    }
  }

  /// sum += more, which is taken.
  [[gnu::always_inline]] static void add(Tensor& sum, Tensor& more) {
    if (!sum) swap(sum, more);
    else add_up(sum, more);
  }
  [[gnu::noinline]] static void add_up(Tensor& sum, Tensor& more) {
    if (is_recording()) sum = sum + more;
    else sum = Tensor(kernels::add_over(std::move(sum).value(), more.value()));
    more = {};
  }

  /// Marks the node spent and gives its claim back, at once where no other pass has seen it.
  [[gnu::always_inline]] void spend(Node& n, std::uint64_t reason = 0) {
    const std::uint64_t before = n.claim_.load(std::memory_order_acquire);
    if (!(before & shared) && (before & pass_bits) == id_ && replace(n.claim_, before, spent | reason)) [[likely]]
      return n.spend();
    n.claim_.fetch_or(spent | reason, std::memory_order_acq_rel);
    given_back_ = false;
  }

  /// Gives the claims back; a pass that broke off gives its graph up.
  void leave() noexcept {
    if (!completed_ && !retain_ && ran_)
      for (std::size_t i = done_; i < nodes_.size(); ++i) spend(*nodes_[i], failed);
    const auto give_back = [this](Node& n, std::uint64_t kept) {
      if ((n.claim_.load(std::memory_order_relaxed) & pass_bits) == id_) n.claim_.fetch_and(kept, std::memory_order_acq_rel);
    };
    if (!given_back_ || retain_ || !ran_)
      for (Node* n : nodes_) give_back(*n, spent | failed | shared);
    for (Leaf* n : leaves_) give_back(*n, 0);
  }

  std::uint64_t id_;
  bool retain_, ran_ = false, completed_ = false;
  bool given_back_ = true;  // the claims of all nodes that were spent
  detail::FlagGuard recording_;
  memory::Vector<Node*> nodes_;
  memory::Vector<Leaf*> leaves_;
  std::size_t reached_ = 0;  // outputs, a node's side by side: their cotangents' indices
  memory::Vector<std::pair<std::size_t, Tensor>> seeds_;
  Cotangents cotangents_;
  std::unordered_map<Node*, std::size_t> others_;
  std::vector<std::uint8_t> aimed_;  // flags for each cotangent; empty where the pass goes everywhere
  std::vector<std::size_t> targets_;
  Tensor dy_, dx_[few];  // of the node that is visited
  std::size_t done_ = 0;
};

namespace {

Tensor seed_of(const Tensor& y, const Tensor& given, At at, const char* what) {
  if (!y.requires_grad())
    throw GraphError("nothing was recorded for this tensor: no variable or Parameter is in it, or it was computed under no_grad", what, at);
  if (!given) {
    if (y.size() != 1)
      throw GraphError(fmt::format("a tensor of shape {} needs a seed: only a single element starts from 1", to_string(y.shape())), what,
                       at);
    return Tensor(Array::full(y.shape(), 1, y.dtype()));
  }
  if (detail::widening && given.dtype() != y.dtype() && is_floating(given.dtype()) && !given.requires_grad())
    return seed_of(y, Tensor(given.value().cast(y.dtype())), at, what);  // a reverse pass within a derivative that captured float32
  if (given.dtype() != y.dtype() || given.shape() != y.shape())
    throw ShapeError(fmt::format("the seed is {} {}, the output {} {}", name(given.dtype()), to_string(given.shape()), name(y.dtype()),
                                 to_string(y.shape())),
                     what, at);
  return given;
}

}  // namespace

void backward(In y, BackwardOptions options) {
  Tensor seed = seed_of(y, options.seed.detach(), y.at(), "backward");
  Pass pass(options.retain, false);
  pass.start(y, std::move(seed));
  pass.collect();
  pass.run();
  pass.commit();
}

std::vector<Tensor> grad(const std::vector<Tensor>& outputs, const std::vector<Tensor>& inputs, const GradOptions& options, At at) {
  if (!options.seeds.empty() && options.seeds.size() != outputs.size())
    throw GraphError(fmt::format("{} seeds for {} outputs", options.seeds.size(), outputs.size()), "grad", at);
  for (const Tensor& x : inputs)
    if (!x.requires_grad()) throw GraphError("an input was never recorded: make it a variable", "grad", at);
  std::vector<Tensor> seeds;
  for (std::size_t i = 0; i < outputs.size(); ++i)
    seeds.push_back(seed_of(outputs[i], options.seeds.empty() ? Tensor() : options.seeds[i], at, "grad"));
  Pass pass(options.retain || options.create_graph, options.create_graph);
  for (std::size_t i = 0; i < outputs.size(); ++i) pass.start(outputs[i], std::move(seeds[i]));
  pass.collect();
  pass.aim(inputs);
  pass.run();
  std::vector<Tensor> gradients;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    Tensor g = pass.take(i);
    gradients.push_back(g ? std::move(g) : Tensor(Array::full(inputs[i].shape(), 0, inputs[i].dtype())));
  }
  return gradients;
}

Tensor grad(const Tensor& output, const Tensor& input, const GradOptions& options, At at) {
  return std::move(grad(std::vector<Tensor>{output}, {input}, options, at)[0]);
}

namespace detail {
std::vector<Tensor> pull_alone(const NodeRef& node, const std::vector<Tensor>& cotangents, std::vector<Array> outputs) {
  Node& n = *node.node();
  const struct Exchange {
    Node& n;
    std::span<Array> outputs;
    Exchange(Node& node, std::span<Array> y) : n(node), outputs(y) { exchange(); }
    ~Exchange() { exchange(); }
    void exchange() const {
      if (!outputs.empty()) n.exchange_outputs(outputs);
    }
  } exchanged(n, outputs);
  const auto edges = n.edges();
  std::vector<Tensor> dx(edges.size());
  std::vector<std::uint8_t> wanted;
  for (const NodeRef& e : edges) wanted.push_back(static_cast<bool>(e));
  std::vector<Tensor> dy = cotangents;
  Pull p{dy, dx, wanted};
  const auto quiet = no_grad();
  Derivatives().run(n, p);
  for (std::size_t i = 0; i < dx.size(); ++i) {
    if (!edges[i]) continue;
    if (!dx[i]) throw GraphError(fmt::format("its derivative by input {} gives nothing", i), n.name(), n.at());
    dx[i] = Tensor(kernels::sum_to(dx[i].value(), edges[i].node()->output(edges[i].output()).shape()));
  }
  return dx;
}

void require_finite(const Array& a, const std::string& what) {
  if (!is_floating(a.dtype())) return;
  const std::vector<double> x = a.to_vector<double>();
  const auto bad = std::ranges::find_if(x, [](double v) { return !std::isfinite(v); });
  if (bad != x.end()) throw ValueError(fmt::format("{} is {} at element {} of {}", what, *bad, bad - x.begin(), to_string(a.shape())));
}

void refuse_second_order(const char* name, At at) {
  throw GraphError("its derivative is of first order only (written on Arrays): a second order needs one written with operations on Tensors",
                   name, at);
}
}  // namespace detail

}  // namespace dz
