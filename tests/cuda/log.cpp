// What was done, counted, for AFFEKT_FAKE_CUDA_LOG.
#include "testbed.hpp"

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <map>

namespace testbed {

namespace {

struct Line {
  uint64_t times = 0, bytes = 0;
};

/// Never destroyed: libraries that are unloaded later still count.
struct Log {
  std::mutex busy;
  std::map<std::pair<std::string, std::string>, Line> lines;
  const char* path = std::getenv("AFFEKT_FAKE_CUDA_LOG");
};

Log& log() {
  static Log* log = new Log;
  return *log;
}

__attribute__((destructor)) void write() {
  Log& counted = log();
  if (!counted.path || !*counted.path) return;
  for (int at = 0; at < device_count(); ++at) {
    const Device& of = device(at);
    if (of.most_used == 0) continue;
    const std::string name = "cuda:" + std::to_string(at);
    count("memory-peak", name, of.most_used);
    count("memory-at-exit", name, of.used);
  }
  std::lock_guard<std::mutex> busy(counted.busy);
  std::FILE* file = std::fopen(counted.path, "w");
  if (!file) {
    std::fprintf(stderr, "test bed: cannot write AFFEKT_FAKE_CUDA_LOG %s\n", counted.path);
    return;
  }
  std::fprintf(file, "kind\tname\ttimes\tbytes\n");
  std::map<std::string, Line> sums;
  for (const auto& [key, line] : counted.lines) {
    std::fprintf(file, "%s\t%s\t%llu\t%llu\n", key.first.c_str(), key.second.c_str(), (unsigned long long)line.times,
                 (unsigned long long)line.bytes);
    sums[key.first].times += line.times;
    sums[key.first].bytes += line.bytes;
  }
  for (const auto& [kind, line] : sums)
    std::fprintf(file, "%s\t(all)\t%llu\t%llu\n", kind.c_str(), (unsigned long long)line.times,
                 (unsigned long long)line.bytes);
  std::fclose(file);
}

}  // namespace

void count(const char* kind, const std::string& name, uint64_t bytes) {
  Log& counted = log();
  if (!counted.path) return;
  std::lock_guard<std::mutex> busy(counted.busy);
  Line& line = counted.lines[{kind, name}];
  line.times += 1;
  line.bytes += bytes;
}

void complain(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  std::fputs("CUDA test bed: ", stderr);
  std::vfprintf(stderr, format, arguments);
  std::fputc('\n', stderr);
  va_end(arguments);
}

std::size_t setting(const char* name, std::size_t otherwise) {
  const char* text = std::getenv(name);
  if (!text || !*text) return otherwise;
  char* end = nullptr;
  const unsigned long long number = std::strtoull(text, &end, 10);
  if (*end || end == text) {
    complain("%s=%s is no number", name, text);
    std::exit(2);
  }
  return std::size_t(number);
}

}  // namespace testbed
