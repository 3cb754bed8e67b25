// Products of matrices as cuBLAS computes them: columns first, sums in f32 (f64 for f64), and the same refusals.
#include "testbed.hpp"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

#include "emulator/cuda.hpp"

using namespace testbed;

namespace {

/// cublasStatus_t
enum Outcome : int { DONE = 0, NO_HANDLE = 1, BAD_VALUE = 7, FAILED = 13, UNSUPPORTED = 15 };
/// cudaDataType
enum Type : int { F32 = 0, F64 = 1, F16 = 2, BF16 = 14 };
/// cublasComputeType_t
enum Compute : int { IN_F16 = 64, IN_F32 = 68, IN_F64 = 70, FAST_F16 = 74, FAST_BF16 = 75, FAST_TF32 = 77 };

struct Handle {
  void* stream;
};

/// One of the three matrices, of all products of a batch.
struct Matrix {
  char* start;
  int type;
  int64_t leading, stride;
};

struct Product {
  bool transpose_a, transpose_b;
  int64_t m, n, k, batch;
  Matrix a, b, c;
  int compute;
};

std::size_t size_of(int type) { return type == F64 ? 8 : type == F32 ? 4 : 2; }

const char* name_of(int type) { return type == F64 ? "f64" : type == F32 ? "f32" : type == F16 ? "f16" : "bf16"; }

template <class T>
T read(const char* start, int type, int64_t at) {
  switch (type) {
    case F32: return T(reinterpret_cast<const float*>(start)[at]);
    case F64: return T(reinterpret_cast<const double*>(start)[at]);
    case F16: return T(__half2float(reinterpret_cast<const __half*>(start)[at]));
    default: return T(__bfloat162float(reinterpret_cast<const __nv_bfloat16*>(start)[at]));
  }
}

template <class T>
void write(char* start, int type, int64_t at, T x) {
  switch (type) {
    case F32: reinterpret_cast<float*>(start)[at] = float(x); break;
    case F64: reinterpret_cast<double*>(start)[at] = double(x); break;
    case F16: reinterpret_cast<__half*>(start)[at] = __float2half(float(x)); break;
    default: reinterpret_cast<__nv_bfloat16*>(start)[at] = __float2bfloat16(float(x));
  }
}

/// 10 bits of mantissa, as TF32 units read f32.
template <class T>
T rounded_to_tf32(T x) {
  const unsigned bits = __float_as_uint(float(x));
  return std::isfinite(x) ? T(__uint_as_float((bits + 0x1000) & 0xffffe000)) : x;
}

constexpr int64_t ROWS = 16, COLUMNS = 4;

/// `op(X)` in panels of `width` rows (of `a`) or columns (of `b`): for each of `k`, the `width` numbers side by side.
/// `across` is the step between them, `along` the one between terms of a sum.
template <class T>
std::vector<T> panels(const char* start, int type, int64_t count, int64_t width, int64_t k, int64_t across, int64_t along,
                      bool tf32) {
  const int64_t whole = (count + width - 1) / width;
  std::vector<T> packed(std::size_t(whole * width * k));
  for (int64_t panel = 0; panel < whole; ++panel)
    for (int64_t lane = 0; lane < width && panel * width + lane < count; ++lane) {
      T* to = packed.data() + panel * width * k + lane;
      const int64_t from = (panel * width + lane) * across;
      for (int64_t term = 0; term < k; ++term) {
        const T x = read<T>(start, type, from + term * along);
        to[term * width] = tf32 ? rounded_to_tf32(x) : x;
      }
    }
  return packed;
}

/// Calls `work` for 0 to `count` on the machine's threads.
template <class F>
void in_parallel(int64_t count, int64_t cost, F work) {
  const int64_t most = cost < 1 << 20 ? 1 : std::max(1u, std::thread::hardware_concurrency());
  std::atomic<int64_t> next{0};
  const auto loop = [&] {
    for (int64_t at = next++; at < count; at = next++) work(at);
  };
  std::vector<std::thread> others;
  for (int64_t at = 1; at < std::min(most, count); ++at) others.emplace_back(loop);
  loop();
  for (std::thread& other : others) other.join();
}

/// One product of a batch.
template <class T>
void multiply(const Product& p, int64_t number, T alpha, T beta) {
  const bool tf32 = p.compute == FAST_TF32 && p.a.type == F32;
  const auto at = [&](const Matrix& x) { return x.start + number * x.stride * int64_t(size_of(x.type)); };
  const auto steps = [](const Matrix& x, bool swapped) {
    return swapped ? std::pair<int64_t, int64_t>(x.leading, 1) : std::pair<int64_t, int64_t>(1, x.leading);
  };
  const auto [a_across, a_along] = steps(p.a, p.transpose_a);
  const auto [b_across, b_along] = steps(p.b, !p.transpose_b);
  const std::vector<T> a = panels<T>(at(p.a), p.a.type, p.m, ROWS, p.k, a_across, a_along, tf32);
  const std::vector<T> b = panels<T>(at(p.b), p.b.type, p.n, COLUMNS, p.k, b_across, b_along, tf32);
  char* c = at(p.c);
  const int64_t down = (p.m + ROWS - 1) / ROWS, over = (p.n + COLUMNS - 1) / COLUMNS;
  in_parallel(down * over, p.m * p.n * p.k, [&](int64_t tile) {
    const int64_t row = tile % down * ROWS, column = tile / down * COLUMNS;
    const T *x = a.data() + row * p.k, *y = b.data() + column * p.k;
    T sums[COLUMNS][ROWS] = {};
    for (int64_t term = 0; term < p.k; ++term)
      for (int64_t j = 0; j < COLUMNS; ++j)
        for (int64_t i = 0; i < ROWS; ++i) sums[j][i] += x[term * ROWS + i] * y[term * COLUMNS + j];
    for (int64_t j = 0; j < COLUMNS && column + j < p.n; ++j)
      for (int64_t i = 0; i < ROWS && row + i < p.m; ++i) {
        const int64_t place = row + i + (column + j) * p.c.leading;
        // Where beta is 0 the matrix may hold anything, NaN included.
        const T before = beta == T(0) ? T(0) : beta * read<T>(c, p.c.type, place);
        write<T>(c, p.c.type, place, alpha * sums[j][i] + before);
      }
  });
}

bool supported(const Product& p) {
  const int a = p.a.type, c = p.c.type;
  if (p.b.type != a) return false;
  switch (p.compute) {
    case IN_F64: case IN_F64 + 1: return a == F64 && c == F64;
    case IN_F16: case IN_F16 + 1: return a == F16 && c == F16;
    case IN_F32: case IN_F32 + 1: return (a == F32 || a == F16 || a == BF16) && (c == a || c == F32);
    case FAST_F16: case FAST_BF16: case FAST_TF32: return (a == F32 || a == F16 || a == BF16) && c == a;
    default: return false;
  }
}

/// Rows and columns as they lie in memory: the first is what the leading dimension has to cover.
struct Stored {
  int64_t rows, columns;
};

bool within(const Device& device, const Matrix& x, Stored stored, int64_t batch, const char* what) {
  const int64_t numbers = (stored.columns - 1) * x.leading + stored.rows + (batch - 1) * x.stride;
  return inside(device, x.start, std::size_t(numbers) * size_of(x.type), what);
}

int run(Handle* handle, const Product& p, const void* alpha, const void* beta) {
  if (!handle) return NO_HANDLE;
  const Stored a = p.transpose_a ? Stored{p.k, p.m} : Stored{p.m, p.k};
  const Stored b = p.transpose_b ? Stored{p.n, p.k} : Stored{p.k, p.n};
  const Stored c{p.m, p.n};
  const auto covers = [](const Matrix& x, Stored stored) { return x.leading >= std::max<int64_t>(1, stored.rows); };
  if (p.m < 0 || p.n < 0 || p.k < 0 || p.batch < 0 || !covers(p.a, a) || !covers(p.b, b) || !covers(p.c, c) || !alpha ||
      !beta) {
    complain("a product of m %lld, n %lld, k %lld, batch %lld with leading dimensions %lld, %lld, %lld is refused",
             (long long)p.m, (long long)p.n, (long long)p.k, (long long)p.batch, (long long)p.a.leading,
             (long long)p.b.leading, (long long)p.c.leading);
    return BAD_VALUE;
  }
  if (!supported(p)) {
    complain("a product of types %s, %s to %s computed as %d is not supported", name_of(p.a.type), name_of(p.b.type),
             name_of(p.c.type), p.compute);
    return UNSUPPORTED;
  }
  if (p.m == 0 || p.n == 0 || p.batch == 0) return DONE;
  // Real cuBLAS would let the last writer win.
  if (p.batch > 1 && p.c.stride < (p.n - 1) * p.c.leading + p.m) {
    complain("products of a batch are written %lld numbers apart and have %lld x %lld", (long long)p.c.stride,
             (long long)p.m, (long long)p.n);
    return BAD_VALUE;
  }
  Device* device = device_of(handle->stream);
  if (!device) return FAILED;
  const bool reads = p.k == 0 || (within(*device, p.a, a, p.batch, "a product's first matrix (cuBLAS's order) reaches") &&
                                  within(*device, p.b, b, p.batch, "a product's second matrix reaches"));
  if (!reads || !within(*device, p.c, c, p.batch, "a product's result reaches")) return FAILED;
  char shape[160];
  std::snprintf(shape, sizeof(shape), "%s%s%s m=%lld n=%lld k=%lld batch=%lld op=%c%c compute=%d", name_of(p.a.type),
                p.c.type == p.a.type ? "" : "->", p.c.type == p.a.type ? "" : name_of(p.c.type), (long long)p.m,
                (long long)p.n, (long long)p.k, (long long)p.batch, "NT"[p.transpose_a], "NT"[p.transpose_b], p.compute);
  count("gemm", shape);
  const int scalar = p.a.type == F64 ? F64 : p.compute == IN_F16 || p.compute == IN_F16 + 1 ? F16 : F32;
  const char *factor = static_cast<const char*>(alpha), *old = static_cast<const char*>(beta);
  const double scale = read<double>(factor, scalar, 0), keep = read<double>(old, scalar, 0);
  submit(*device, [p, scale, keep] {
    for (int64_t number = 0; number < p.batch; ++number) {
      if (p.a.type == F64)
        multiply<double>(p, number, scale, keep);
      else
        multiply<float>(p, number, float(scale), float(keep));
    }
  });
  return DONE;
}

Matrix matrix(const void* start, int type, int64_t leading, int64_t stride = 0) {
  return {static_cast<char*>(const_cast<void*>(start)), type, leading, stride};
}

}  // namespace

EXPORT int cublasCreate_v2(Handle** handle) {
  if (!current()) return NO_HANDLE;
  *handle = new Handle{nullptr};
  count("create", "cublas");
  return DONE;
}
EXPORT int cublasDestroy_v2(Handle* handle) {
  delete handle;
  return DONE;
}
EXPORT int cublasSetStream_v2(Handle* handle, void* stream) {
  handle->stream = stream;
  return DONE;
}
EXPORT int cublasSetMathMode(Handle*, int) { return DONE; }
EXPORT int cublasSetWorkspace_v2(Handle*, void*, std::size_t) { return DONE; }
EXPORT int cublasSetPointerMode_v2(Handle*, int mode) { return mode == 0 ? DONE : UNSUPPORTED; }

EXPORT int cublasGemmStridedBatchedEx(Handle* handle, int op_a, int op_b, int m, int n, int k, const void* alpha,
                                      const void* a, int type_a, int lda, long long stride_a, const void* b, int type_b,
                                      int ldb, long long stride_b, const void* beta, void* c, int type_c, int ldc,
                                      long long stride_c, int batch, int compute, int) {
  const Product product{op_a != 0, op_b != 0, m, n, k, batch, matrix(a, type_a, lda, stride_a),
                        matrix(b, type_b, ldb, stride_b), matrix(c, type_c, ldc, stride_c), compute};
  return run(handle, product, alpha, beta);
}
EXPORT int cublasGemmEx(Handle* handle, int op_a, int op_b, int m, int n, int k, const void* alpha, const void* a,
                        int type_a, int lda, const void* b, int type_b, int ldb, const void* beta, void* c, int type_c,
                        int ldc, int compute, int) {
  const Product product{op_a != 0, op_b != 0, m, n, k, 1, matrix(a, type_a, lda), matrix(b, type_b, ldb),
                        matrix(c, type_c, ldc), compute};
  return run(handle, product, alpha, beta);
}

#define STRIDED(name, T, type, compute)                                                                             \
  EXPORT int name(Handle* handle, int op_a, int op_b, int m, int n, int k, const T* alpha, const T* a, int lda,      \
                  long long stride_a, const T* b, int ldb, long long stride_b, const T* beta, T* c, int ldc,        \
                  long long stride_c, int batch) {                                                                  \
    return cublasGemmStridedBatchedEx(handle, op_a, op_b, m, n, k, alpha, a, type, lda, stride_a, b, type, ldb,     \
                                      stride_b, beta, c, type, ldc, stride_c, batch, compute, 0);                   \
  }
STRIDED(cublasSgemmStridedBatched, float, F32, IN_F32)
STRIDED(cublasDgemmStridedBatched, double, F64, IN_F64)

#define PLAIN(name, T, type, compute)                                                                               \
  EXPORT int name(Handle* handle, int op_a, int op_b, int m, int n, int k, const T* alpha, const T* a, int lda,      \
                  const T* b, int ldb, const T* beta, T* c, int ldc) {                                              \
    return cublasGemmEx(handle, op_a, op_b, m, n, k, alpha, a, type, lda, b, type, ldb, beta, c, type, ldc, compute, 0); \
  }
PLAIN(cublasSgemm_v2, float, F32, IN_F32)
PLAIN(cublasDgemm_v2, double, F64, IN_F64)
