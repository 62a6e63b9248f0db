// Products of pixels with small matrices, and what follows them, in one pass over memory.
//
// Libraries are as fast at large products; at 48 to 384 channels they lose a tenth to a half, and each step after the
// product passes over memory once more.

#include "pairs.h"

namespace {

constexpr int64_t ROWS = 8, VECTORS = 3, BLOCK = 64;

// What is done with a pixel's product: plus a bias, the sigmoid of that, times a map, plus a map. Null or false: left out.
template <typename T>
struct After {
    const float* bias;
    bool squash;
    const T* times;
    const T* plus;
    T* answer;
    int64_t channels;

    void operator()(Lanes x, int64_t pixel, int64_t channel) const {
        const int64_t at = pixel * channels + channel;
        if (bias) x += load(bias + channel);
        if (squash) x = sigmoid(x);
        if (times) x *= load(times + at);
        if (plus) x += load(plus + at);
        store(answer + at, x);
    }
};

#ifdef __AVX512F__
constexpr bool FLOAT_PRODUCTS = true;

inline Lanes multiply(Lanes sum, const float* pixel, Lanes weights) { return sum + *pixel * weights; }

inline Lanes weights_at(const float* from) { return load(from); }

constexpr int64_t together(const float*) { return 1; }
#else
constexpr bool FLOAT_PRODUCTS = false;
#endif

// Where the processor has tiles (AMX), torch's products use them.
#if defined(__AVX512BF16__) && !defined(__AMX_BF16__)
constexpr bool HALF_PRODUCTS = true;

inline Lanes multiply(Lanes sum, const BFloat16* pixel, __m512bh weights) {
    int32_t both;
    memcpy(&both, pixel, sizeof both);
    return add_products(sum, (__m512bh)_mm512_set1_epi32(both), weights);
}

inline __m512bh weights_at(const BFloat16* from) { return (__m512bh)_mm512_loadu_si512(from); }

constexpr int64_t together(const BFloat16*) { return 2; }
#else
constexpr bool HALF_PRODUCTS = false;
#endif

// COUNT pixels times WIDE vectors of columns. ``weight``: (given / n, made, n), n the values that one instruction takes.
template <int64_t COUNT, int64_t WIDE, typename T>
inline void tile(const T* pixels, int64_t given, const T* weight, int64_t made, int64_t pixel, int64_t channel,
                 const After<T>& after) {
    constexpr int64_t n = together((const T*)nullptr);
    Lanes sums[COUNT][WIDE] = {};
    const T* from = pixels + pixel * given;
    const T* column = weight + channel * n;
    for (int64_t k = 0; k < given; k += n, column += made * n) {
        decltype(weights_at(column)) row[WIDE];
        #pragma GCC unroll 8
        for (int64_t j = 0; j < WIDE; ++j) row[j] = weights_at(column + j * LANES * n);
        #pragma GCC unroll 8
        for (int64_t i = 0; i < COUNT; ++i) {
            #pragma GCC unroll 8
            for (int64_t j = 0; j < WIDE; ++j) sums[i][j] = multiply(sums[i][j], from + i * given + k, row[j]);
        }
    }
    #pragma GCC unroll 8
    for (int64_t i = 0; i < COUNT; ++i) {
        #pragma GCC unroll 8
        for (int64_t j = 0; j < WIDE; ++j) after(sums[i][j], pixel + i, channel + j * LANES);
    }
}

template <int64_t WIDE, typename T>
inline void columns(const T* pixels, int64_t first, int64_t last, int64_t given, const T* weight, int64_t made,
                    int64_t channel, const After<T>& after) {
    int64_t pixel = first;
    for (; pixel + ROWS <= last; pixel += ROWS) tile<ROWS, WIDE>(pixels, given, weight, made, pixel, channel, after);
    for (; pixel < last; ++pixel) tile<1, WIDE>(pixels, given, weight, made, pixel, channel, after);
}

// Some pixels stay in the cache while the columns of the weights pass by, and some columns while those pixels do.
template <typename T>
void product(const T* pixels, int64_t count, int64_t given, const T* weight, int64_t made, const After<T>& after,
             int threads) {
    const int64_t blocks = (count + BLOCK - 1) / BLOCK;
    #pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t block = 0; block < blocks; ++block) {
        const int64_t first = block * BLOCK, last = std::min(count, first + BLOCK);
        int64_t channel = 0;
        for (; channel + VECTORS * LANES <= made; channel += VECTORS * LANES) {
            columns<VECTORS>(pixels, first, last, given, weight, made, channel, after);
        }
        for (; channel < made; channel += LANES) {
            columns<1>(pixels, first, last, given, weight, made, channel, after);
        }
    }
}

}  // namespace

#define PRODUCT(NAME, T, THERE)                                                                                        \
    extern "C" int multiplies_##NAME() { return THERE; }                                                               \
    extern "C" void product_##NAME(const T* pixels, int64_t count, int64_t given, const T* weight, int64_t made,       \
                                   const float* bias, int squash, const T* times, const T* plus, T* answer,            \
                                   int threads) {                                                                      \
        if constexpr (THERE) {                                                                                         \
            const After<T> after = {bias, bool(squash), times, plus, answer, made};                                    \
            product(pixels, count, given, weight, made, after, threads);                                               \
        }                                                                                                              \
    }

PRODUCT(float32, float, FLOAT_PRODUCTS)
PRODUCT(bfloat16, BFloat16, HALF_PRODUCTS)
