// Products of pixels with small matrices, and what follows them, in one pass over memory.
//
// Libraries are as fast at large products; at 48 to 384 channels they lose a tenth to a half, and each step after the
// product passes over memory once more.

#include <memory>

#include "pairs.h"
#include "tiles.h"

namespace {

constexpr int64_t BLOCK = 64;
// Values of ``outer``'s left side that stay in the second cache, and its pixels at most.
constexpr int64_t GATHERED = 1 << 17, MOST = 256;

// Pixels whose values lie side by side, one pixel ``step`` behind the other.
template <typename T>
struct Pixels {
    T* first;
    int64_t step;

    T* operator[](int64_t pixel) const { return first + pixel * step; }
};

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

    void operator()(Lanes x, int64_t pixel, int64_t channel) const {
        if (bias) x += load(bias + channel);
        if (squash) x = sigmoid(x);
        if (opened.first) store(opened[pixel] + channel, x);
        if (times.first) x *= load(times[pixel] + channel);
        if (plus.first) {
            const Lanes more = load(plus[pixel] + channel);
            x += factor ? more * load(factor + channel) : more;
        }
        store(answer[pixel] + channel, x);
    }
};

// What is done with the gradient of ``opened * value``, where ``opened`` is a sigmoid: that product, and the gradients of the
// value and of what the sigmoid was taken of. All (pixels, made).
template <typename T>
struct AfterGate {
    const T *opened, *value;
    int64_t made;
    T *product, *of_value, *of_opened;

    void operator()(Lanes x, int64_t pixel, int64_t channel) const {
        const int64_t at = pixel * made + channel;
        const Lanes by = load(opened + at), both = by * load(value + at);
        store(product + at, both);
        store(of_value + at, x * by);
        store(of_opened + at, x * both * (1.0f - by));
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
    const T* column = weight + channel * n;
    for (int64_t k = 0; k < given; k += n, column += made * n) {
        decltype(weights_at(column)) row[WIDE];
        #pragma GCC unroll 8
        for (int64_t j = 0; j < WIDE; ++j) row[j] = weights_at(column + j * LANES * n);
        #pragma GCC unroll 8
        for (int64_t i = 0; i < COUNT; ++i) {
            #pragma GCC unroll 8
            for (int64_t j = 0; j < WIDE; ++j) sums[i][j] = multiply(sums[i][j], from + i * pixels.step + k, row[j]);
        }
    }
    #pragma GCC unroll 8
    for (int64_t i = 0; i < COUNT; ++i) {
        #pragma GCC unroll 8
        for (int64_t j = 0; j < WIDE; ++j) after(sums[i][j], pixel + i, channel + j * LANES);
    }
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

#ifdef __AVX512F__
// WIDE values of each of some pixels, one pixel behind the other: as they lie, a power of two apart, they would share a few
// places of the cache.
template <int64_t WIDE>
inline void gather(const float* from, int64_t step, int64_t pixels, float* to) {
    for (int64_t pixel = 0; pixel < pixels; ++pixel) memcpy(to + pixel * WIDE, from + pixel * step, 4 * WIDE);
}

// The left side the same way, ROWS columns behind each other every ``apart`` values: some pixels at a time, so that whole lines
// are read and written. Columns are summed over the pixels as they pass, unless ``totals`` is null.
inline void gather_columns(const float* from, int64_t step, int64_t pixels, int64_t columns, float* to, int64_t apart,
                           float* totals) {
    constexpr int64_t AT_ONCE = 4;
    int64_t pixel = 0;
    for (; pixel + AT_ONCE <= pixels; pixel += AT_ONCE, from += AT_ONCE * step, to += AT_ONCE * ROWS) {
        for (int64_t i = 0; i < columns; i += ROWS) {
            float* const panel = to + i / ROWS * apart;
            #pragma GCC unroll 4
            for (int64_t k = 0; k < AT_ONCE; ++k) memcpy(panel + k * ROWS, from + k * step + i, 4 * ROWS);
            if (!totals) continue;
            HalfLanes sum, row[AT_ONCE];
            memcpy(&sum, totals + i, sizeof sum);
            memcpy(row, panel, sizeof row);
            sum += (row[0] + row[1]) + (row[2] + row[3]);
            memcpy(totals + i, &sum, sizeof sum);
        }
    }
    for (; pixel < pixels; ++pixel, from += step, to += ROWS) {
        for (int64_t i = 0; i < columns; i += ROWS) {
            memcpy(to + i / ROWS * apart, from + i, 4 * ROWS);
            for (int64_t j = 0; totals && j < ROWS; ++j) totals[i + j] += from[i + j];
        }
    }
}

template <int64_t WIDE>
inline void outer_columns(const float* left, int64_t apart, const float* right, int64_t right_step, int64_t pixels,
                          int64_t columns, float* sums, int64_t made, float* room) {
    gather<WIDE * LANES>(right, right_step, pixels, room);
    for (int64_t i = 0; i < columns; i += ROWS) {
        outer_tile<ROWS, WIDE>(left + i / ROWS * apart, ROWS, room, WIDE * LANES, pixels, sums + i * made, made);
    }
}

// Adds ``left^T right``, summed over the pixels, to ``sums`` (of_left, of_right), and ``left`` to ``totals``, unless that is
// null. Each sum is one thread's, in the pixels' order.
inline void outer(const float* left, int64_t left_step, const float* right, int64_t right_step, int64_t count, int64_t of_left,
                  int64_t of_right, float* sums, float* totals, int threads) {
    #pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t part = 0; part < threads; ++part) {
        const int64_t begin = of_left / ROWS * part / threads * ROWS, end = of_left / ROWS * (part + 1) / threads * ROWS;
        const int64_t together = std::clamp(GATHERED / of_left, BLOCK, MOST);
        // Not a power of two apart.
        const int64_t apart = together * ROWS + LANES;
        const std::unique_ptr<float[]> lefts(new float[(end - begin) / ROWS * apart]);
        const std::unique_ptr<float[]> rights(new float[VECTORS * LANES * together]);
        float *const columns = lefts.get(), *const room = rights.get();
        for (int64_t pixel = 0; pixel < count; pixel += together) {
            const int64_t pixels = std::min(together, count - pixel);
            gather_columns(left + pixel * left_step + begin, left_step, pixels, end - begin, columns, apart,
                           totals ? totals + begin : nullptr);
            const float* const from = right + pixel * right_step;
            float* const to = sums + begin * of_right;
            int64_t c = 0;
            for (; c + VECTORS * LANES <= of_right; c += VECTORS * LANES) {
                outer_columns<VECTORS>(columns, apart, from + c, right_step, pixels, end - begin, to + c, of_right, room);
            }
            for (; c < of_right; c += LANES) {
                outer_columns<1>(columns, apart, from + c, right_step, pixels, end - begin, to + c, of_right, room);
            }
        }
    }
}
#endif

}  // namespace

extern "C" void outer_float32(const float* left, int64_t left_step, const float* right, int64_t right_step, int64_t count,
                              int64_t of_left, int64_t of_right, float* sums, float* totals, int threads) {
#ifdef __AVX512F__
    outer(left, left_step, right, right_step, count, of_left, of_right, sums, totals, threads);
#endif
}

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
