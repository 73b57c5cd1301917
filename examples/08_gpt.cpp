// A transformer that learns Shakespeare letter by letter, and then writes: 4 blocks, 4 heads, width 128, 64 letters of context, batches of 12.
// The setting is that of nanoGPT's README for a CPU, whose validation loss after 2,000 steps is 1.88.
// usage: 08_gpt [STEPS] [SEED] [TEXT]
#include <dz/data/file.hpp>
#include <dz/dz.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

using namespace dz;

/// Letters as numbers, and back.
struct Alphabet {
  std::string letters;
  std::array<std::int64_t, 256> numbers{};

  explicit Alphabet(const std::string& text) : letters(text) {
    std::ranges::sort(letters);
    letters.erase(std::unique(letters.begin(), letters.end()), letters.end());
    for (std::size_t i = 0; i < letters.size(); ++i) numbers[static_cast<unsigned char>(letters[i])] = static_cast<std::int64_t>(i);
  }
  std::vector<std::int64_t> encode(const std::string& text) const {
    std::vector<std::int64_t> tokens;
    for (const char c : text) tokens.push_back(numbers[static_cast<unsigned char>(c)]);
    return tokens;
  }
  std::string decode(const std::vector<std::int64_t>& tokens) const {
    std::string text;
    for (const std::int64_t t : tokens) text += letters[static_cast<std::size_t>(t)];
    return text;
  }
};

constexpr std::int64_t context = 64, batch = 12;

/// The cost of foretelling every next letter in these stretches of the text.
Tensor cost(const Gpt& model, const std::vector<std::int64_t>& text, const std::vector<std::int64_t>& starts) {
  std::vector<std::int64_t> now, next;
  for (const std::int64_t start : starts)
    for (std::int64_t i = start; i < start + context; ++i) {
      now.push_back(text[static_cast<std::size_t>(i)]);
      next.push_back(text[static_cast<std::size_t>(i + 1)]);
    }
  const auto m = std::ssize(starts);
  const Tensor logits = model(tensor(now, {m, context}));
  return cross_entropy(reshape(logits, {m * context, -1}), tensor(next, {m * context}));
}

/// Over all of a text, in stretches that do not overlap.
double cost_of_all(const Gpt& model, const std::vector<std::int64_t>& text, std::int64_t most) {
  const auto guard = no_grad();
  double sum = 0;
  std::int64_t count = 0;
  for (std::int64_t at = 0; at + context < std::ssize(text) && count < most; at += context, ++count) sum += cost(model, text, {at}).item();
  return sum / static_cast<double>(count);
}

int main(int words_count, char** words) try {
  const std::filesystem::path data = std::getenv("DZ_DATA") ? std::getenv("DZ_DATA") : "../shared";
  const std::filesystem::path file = words_count > 3 ? words[3] : data / "data/tinyshakespeare.txt";
  const std::int64_t steps = words_count > 1 ? std::stoll(words[1]) : 30;
  const std::uint64_t first = words_count > 2 ? std::stoull(words[2]) : 1;
  if (!std::filesystem::exists(file)) return std::printf("skipped: there is no %s\n", file.c_str()), 77;

  seed(first);
  const std::string text = read_file(file);
  const Alphabet alphabet(text);
  const std::vector<std::int64_t> all = alphabet.encode(text);
  const auto nine_tenths = all.begin() + std::ssize(all) * 9 / 10;
  const std::vector<std::int64_t> train(all.begin(), nine_tenths), held_out(nine_tenths, all.end());

  Gpt model({.vocabulary = std::ssize(alphabet.letters), .tokens = context});
  AdamW adam{.beta2 = 0.99, .weight_decay = 0.1};
  const CosineDecay rate{.rate = 0.002, .lowest = 0.0002, .steps = steps, .warmup = std::min<std::int64_t>(100, steps / 2)};
  const auto start = std::chrono::steady_clock::now();
  for (std::int64_t step = 0; step < steps; ++step) {
    const Tensor starts = floor(uniform({batch}, 0, static_cast<double>(std::ssize(train) - context), float64));
    const Tensor J = cost(model, train, starts.to_vector<std::int64_t>());
    backward(J);
    clip_norm(model, 1);
    adam.learning_rate = rate(step);
    adam.step(model);
    if (step % std::max<std::int64_t>(1, steps / 10) == 0) {
      std::printf("step %4lld  cost %.4f\n", static_cast<long long>(step), J.item());
      std::fflush(stdout);
    }
  }
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  std::printf("%.0f s; cost %.4f on the last tenth of the text\n\n", seconds.count(), cost_of_all(model, held_out, steps < 1000 ? 20 : std::ssize(all)));
  std::printf("%s\n", alphabet.decode(write_on(model, alphabet.encode("\n"), steps < 1000 ? 80 : 500, {.temperature = 0.8})).c_str());
} catch (const std::exception& e) {
  std::fprintf(stderr, "%s\nusage: 08_gpt [STEPS] [SEED] [TEXT]\n", e.what());
  return 2;
}
