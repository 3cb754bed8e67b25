// Random numbers: uniform and normal ones of a seed, other than NVIDIA's generators draw.
#include "testbed.hpp"

#include <random>

using namespace testbed;

namespace {

constexpr int NO_CONTEXT = 203;

struct Generator {
  std::mt19937_64 engine;
  void* stream;
};

template <class T, class Distribution>
int draw(Generator* generator, T* to, std::size_t count, Distribution distribution) {
  Device* device = device_of(generator->stream);
  if (!device) return NO_CONTEXT;
  if (!inside(*device, to, count * sizeof(T), "random numbers reach")) return NO_CONTEXT;
  finish(*device);
  for (std::size_t at = 0; at < count; ++at) to[at] = distribution(generator->engine);
  testbed::count("random", "numbers", count * sizeof(T));
  return SUCCESS;
}

}  // namespace

EXPORT int curandCreateGenerator(Generator** generator, int) {
  *generator = new Generator{std::mt19937_64(0), nullptr};
  return SUCCESS;
}
EXPORT int curandDestroyGenerator(Generator* generator) {
  delete generator;
  return SUCCESS;
}
EXPORT int curandSetPseudoRandomGeneratorSeed(Generator* generator, unsigned long long seed) {
  generator->engine.seed(seed);
  return SUCCESS;
}
EXPORT int curandSetStream(Generator* generator, void* stream) {
  generator->stream = stream;
  return SUCCESS;
}
// Numbers of (0, 1], as curand draws them.
EXPORT int curandGenerateUniform(Generator* generator, float* to, std::size_t count) {
  return draw(generator, to, count, [](auto& engine) { return float((engine() >> 40) + 1) / float(1 << 24); });
}
EXPORT int curandGenerateUniformDouble(Generator* generator, double* to, std::size_t count) {
  return draw(generator, to, count, [](auto& engine) { return double((engine() >> 11) + 1) / double(1ull << 53); });
}
EXPORT int curandGenerateNormal(Generator* generator, float* to, std::size_t count, float mean, float deviation) {
  return draw(generator, to, count, std::normal_distribution<float>(mean, deviation));
}
EXPORT int curandGenerateNormalDouble(Generator* generator, double* to, std::size_t count, double mean, double deviation) {
  return draw(generator, to, count, std::normal_distribution<double>(mean, deviation));
}
