// Products of pixels with small matrices, and what follows them, in one pass over memory.
//
// Libraries are as fast at large products; at 48 to 384 channels they lose a tenth to a half, and each step after the
// product passes over memory once more.

#include "pairs.h"
#include "tiles.h"

namespace {

constexpr int64_t BLOCK = 64;

// Pixels whose values lie side by side, one pixel ``step`` behind the other.
template <typename T>
struct Pixels {
    T* first;
    int64_t step;

    T* operator[](int64_t pixel) const { return first + pixel * step; }
};

// Calls ``f(sum, pixel, channel)`` for each vector of a tile.
template <int64_t COUNT, int64_t WIDE, typename F>
__attribute__((always_inline)) inline void each(Lanes (&sums)[COUNT][WIDE], int64_t first, int64_t channel, F f) {
    #pragma GCC unroll 8
    for (int64_t i = 0; i < COUNT; ++i) {
        #pragma GCC unroll 8
        for (int64_t j = 0; j < WIDE; ++j) f(sums[i][j], first + i, channel + j * LANES);
    }
}

// What is done with a pixel's product: plus a bias, the sigmoid of that, which is kept, times a map, plus a map by a factor of
// each channel. Null or false: left out.
template <typename T>
struct After {
    const float* bias;
    bool squash;
    Pixels<T> opened;
    Pixels<const T> times, plus;
    const float* factor;
    Pixels<T> answer;

    // Asks for what ``finish`` reads and overwrites: it comes from memory while the pixels are multiplied.
    void ask(int64_t pixel, int64_t channel, int64_t count) const {
        fetch(answer[pixel] + channel, count);
        if (opened.first) fetch(opened[pixel] + channel, count);
        if (times.first) fetch(times[pixel] + channel, count);
        if (plus.first) fetch(plus[pixel] + channel, count);
    }

    // Step by step for all sums, not sum by sum: what is left out is decided once.
    template <int64_t COUNT, int64_t WIDE>
    void finish(Lanes (&sums)[COUNT][WIDE], int64_t first, int64_t channel) const {
        if (bias) each(sums, first, channel, [&](Lanes& x, int64_t, int64_t c) { x += load(bias + c); });
        if (squash) each(sums, first, channel, [&](Lanes& x, int64_t, int64_t) { x = sigmoid(x); });
        if (opened.first) each(sums, first, channel, [&](Lanes& x, int64_t p, int64_t c) { store(opened[p] + c, x); });
        if (times.first) each(sums, first, channel, [&](Lanes& x, int64_t p, int64_t c) { x *= load(times[p] + c); });
        if (plus.first) {
            each(sums, first, channel, [&](Lanes& x, int64_t p, int64_t c) {
                const Lanes more = load(plus[p] + c);
                x += factor ? more * load(factor + c) : more;
            });
        }
        each(sums, first, channel, [&](Lanes& x, int64_t p, int64_t c) { store(answer[p] + c, x); });
    }
};

// What is done with the gradient of ``opened * value``, where ``opened`` is a sigmoid: that product, and the gradients of the
// value and of what the sigmoid was taken of. All (pixels, made).
template <typename T>
struct AfterGate {
    const T *opened, *value;
    int64_t made;
    T *product, *of_value, *of_opened;

    void ask(int64_t pixel, int64_t channel, int64_t count) const {
        const int64_t at = pixel * made + channel;
        for (const T* one : {opened, value, (const T*)product, (const T*)of_value, (const T*)of_opened}) fetch(one + at, count);
    }

    template <int64_t COUNT, int64_t WIDE>
    void finish(Lanes (&sums)[COUNT][WIDE], int64_t first, int64_t channel) const {
        each(sums, first, channel, [&](Lanes x, int64_t pixel, int64_t c) {
            const int64_t at = pixel * made + c;
            const Lanes by = load(opened + at), both = by * load(value + at);
            store(product + at, both);
            store(of_value + at, x * by);
            store(of_opened + at, x * both * (1.0f - by));
        });
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
template <int64_t COUNT, int64_t WIDE, typename T, typename F>
inline void tile(const Pixels<const T>& pixels, int64_t given, const T* weight, int64_t made, int64_t pixel, int64_t channel,
                 const F& after) {
    constexpr int64_t n = together((const T*)nullptr);
    Lanes sums[COUNT][WIDE] = {};
    const T* const from = pixels[pixel];
    const T* line = weight + channel * n;
    const auto add = [&](int64_t k, const T* column) __attribute__((always_inline)) {
        decltype(weights_at(column)) row[WIDE];
        #pragma GCC unroll 8
        for (int64_t j = 0; j < WIDE; ++j) row[j] = weights_at(column + j * LANES * n);
        #pragma GCC unroll 8
        for (int64_t i = 0; i < COUNT; ++i) {
            #pragma GCC unroll 8
            for (int64_t j = 0; j < WIDE; ++j) sums[i][j] = multiply(sums[i][j], from + i * pixels.step + k, row[j]);
        }
    };
    for (int64_t i = 0; i < COUNT; ++i) after.ask(pixel + i, channel, WIDE * LANES);
    // The pixels that the next tile reads, a line at every second step: no processor foresees so many rows. Counters would take
    // turns from the products.
    const T* next = from + COUNT * pixels.step;
    int64_t k = 0;
    for (; k + 2 * n <= given; k += 2 * n, line += 2 * made * n, next += 2 * COUNT * n) {
        __builtin_prefetch(next);
        add(k, line);
        add(k + n, line + made * n);
    }
    if (k < given) add(k, line);
    after.finish(sums, pixel, channel);
}

template <int64_t WIDE, typename T, typename F>
inline void columns(const Pixels<const T>& pixels, int64_t first, int64_t last, int64_t given, const T* weight, int64_t made,
                    int64_t channel, const F& after) {
    int64_t pixel = first;
    for (; pixel + ROWS <= last; pixel += ROWS) tile<ROWS, WIDE>(pixels, given, weight, made, pixel, channel, after);
    for (; pixel < last; ++pixel) tile<1, WIDE>(pixels, given, weight, made, pixel, channel, after);
}

// Some pixels stay in the cache while the columns of the weights pass by, and some columns while those pixels do.
template <typename T, typename F>
void product(const Pixels<const T>& pixels, int64_t count, int64_t given, const T* weight, int64_t made, const F& after,
             int threads) {
    // As many blocks for each thread, of whole tiles.
    const int64_t tiles = (count + ROWS - 1) / ROWS, most = BLOCK / ROWS * threads;
    const int64_t blocks = (tiles + most - 1) / most * threads;
    #pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t block = 0; block < blocks; ++block) {
        const int64_t first = tiles * block / blocks * ROWS, last = std::min(count, tiles * (block + 1) / blocks * ROWS);
        int64_t channel = 0;
        for (; channel + VECTORS * LANES <= made; channel += VECTORS * LANES) {
            columns<VECTORS>(pixels, first, last, given, weight, made, channel, after);
        }
        for (; channel + 2 * LANES <= made; channel += 2 * LANES) {
            columns<2>(pixels, first, last, given, weight, made, channel, after);
        }
        for (; channel < made; channel += LANES) {
            columns<1>(pixels, first, last, given, weight, made, channel, after);
        }
    }
}

}  // namespace

#define PRODUCT(NAME, T, THERE)                                                                                        \
    extern "C" int multiplies_##NAME() { return THERE; }                                                               \
    extern "C" void product_##NAME(const T* pixels, int64_t step, int64_t count, int64_t given, const T* weight,       \
                                   int64_t made, const float* bias, int squash, T* opened, int64_t opened_step,        \
                                   const T* times, int64_t times_step, const T* plus, int64_t plus_step,               \
                                   const float* factor, T* answer, int64_t answer_step, int threads) {                 \
        if constexpr (THERE) {                                                                                         \
            const After<T> after = {bias,   bool(squash),        {opened, opened_step}, {times, times_step},           \
                                    {plus, plus_step}, factor, {answer, answer_step}};                                 \
            product<T>({pixels, step}, count, given, weight, made, after, threads);                                    \
        }                                                                                                              \
    }                                                                                                                  \
    extern "C" void open_gradient_##NAME(const T* pixels, int64_t step, int64_t count, int64_t given, const T* weight, \
                                         int64_t made, const T* opened, const T* value, T* both, T* of_value,          \
                                         T* of_opened, int threads) {                                                  \
        if constexpr (THERE) {                                                                                         \
            const AfterGate<T> after = {opened, value, made, both, of_value, of_opened};                               \
            product<T>({pixels, step}, count, given, weight, made, after, threads);                                    \
        }                                                                                                              \
    }

PRODUCT(float32, float, FLOAT_PRODUCTS)
PRODUCT(bfloat16, BFloat16, HALF_PRODUCTS)
