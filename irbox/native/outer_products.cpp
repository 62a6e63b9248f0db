// Products of two maps' pixels, summed over the pixels: the gradient of a 1x1 convolution, queries by keys.

#include <memory>
#include <utility>

#include "tiles.h"

#ifdef __AVX512F__

namespace {

// Pixels at a time: of maps that are read where they lie; of those that are gathered, at least and at most.
constexpr int64_t BLOCK = 64, MOST = 256;
// Values of the left side that are gathered, which stay in the second cache.
constexpr int64_t GATHERED = 1 << 17;
// Sums from which on gathering costs next to nothing, and keeps them longer in the caches.
constexpr int64_t MANY = 40000;

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

// Lines of both maps' next pixels, which are asked for while others are summed: ``next`` names one after the other.
struct Soon {
    const float* map[2];
    int64_t step[2], lines[2];

    // The next line of the first pixel, and how far it is to the next pixel's; null where no line is left.
    std::pair<const float*, int64_t> next() {
        for (int i : {0, 1}) {
            if (lines[i]) return {map[i] + --lines[i] * LANES, step[i]};
        }
        return {nullptr, 0};
    }
};

// Some pixels of both sides: of the left one a panel of ROWS columns ``apart`` from the next.
struct Sides {
    const float* left;
    int64_t left_step, apart;
    const float* right;
    int64_t right_step, pixels;
};

template <int64_t WIDE>
inline void outer_columns(Sides of, int64_t column, int64_t columns, float* sums, int64_t made, float* room, Soon& soon) {
    of.right += column;
    if (room) {
        gather<WIDE * LANES>(of.right, of.right_step, of.pixels, room);
        of.right = room;
        of.right_step = WIDE * LANES;
    }
    for (int64_t i = 0; i < columns; i += ROWS) {
        const auto [line, step] = soon.next();
        outer_tile<ROWS, WIDE>(of.left + i / ROWS * of.apart, of.left_step, of.right, of.right_step, of.pixels,
                               sums + i * made + column, made, line, step);
    }
}

inline void add_columns(const float* from, int64_t step, int64_t pixels, int64_t columns, float* totals) {
    for (int64_t i = 0; i < columns; i += ROWS) {
        HalfLanes sums[2] = {}, one;
        for (int64_t pixel = 0; pixel < pixels; ++pixel) {
            memcpy(&one, from + pixel * step + i, sizeof one);
            sums[pixel % 2] += one;
        }
        memcpy(&one, totals + i, sizeof one);
        one += sums[0] + sums[1];
        memcpy(totals + i, &one, sizeof one);
    }
}

// Adds ``left^T right``, summed over the pixels, to ``sums`` (of_left, of_right), and ``left`` to ``totals``, unless that is
// null. Each sum is one thread's, in the pixels' order.
inline void outer(const float* left, int64_t left_step, const float* right, int64_t right_step, int64_t count, int64_t of_left,
                  int64_t of_right, float* sums, float* totals, int threads) {
    const bool gathers = of_left * of_right > MANY || left_step % 512 == 0 || right_step % 256 == 0;
    const int64_t together = gathers ? std::clamp(GATHERED / of_left, BLOCK, MOST) : BLOCK;
    #pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t part = 0; part < threads; ++part) {
        const int64_t begin = of_left / ROWS * part / threads * ROWS, end = of_left / ROWS * (part + 1) / threads * ROWS;
        const int64_t columns = end - begin;
        // Not a power of two apart.
        const int64_t apart = together * ROWS + LANES;
        std::unique_ptr<float[]> lefts, rights;
        if (gathers) {
            lefts.reset(new float[columns / ROWS * apart]);
            rights.reset(new float[VECTORS * LANES * together]);
        }
        float* const room = rights.get();
        for (int64_t pixel = 0; pixel < count; pixel += together) {
            const int64_t pixels = std::min(together, count - pixel);
            Sides of = {left + pixel * left_step + begin, left_step, ROWS, right + pixel * right_step, right_step, pixels};
            Soon soon = {{of.right + pixels * right_step, of.left + pixels * left_step}, {right_step, left_step}, {}};
            if (gathers) {
                gather_columns(of.left, left_step, pixels, columns, lefts.get(), apart, totals ? totals + begin : nullptr);
                of.left = lefts.get();
                of.left_step = ROWS;
                of.apart = apart;
            } else {
                soon.lines[0] = of_right / LANES;
                soon.lines[1] = (columns + LANES - 1) / LANES;
                if (totals) add_columns(of.left, left_step, pixels, columns, totals + begin);
            }
            float* const to = sums + begin * of_right;
            int64_t c = 0;
            for (; c + VECTORS * LANES <= of_right; c += VECTORS * LANES) {
                outer_columns<VECTORS>(of, c, columns, to, of_right, room, soon);
            }
            for (; c + 2 * LANES <= of_right; c += 2 * LANES) outer_columns<2>(of, c, columns, to, of_right, room, soon);
            for (; c < of_right; c += LANES) outer_columns<1>(of, c, columns, to, of_right, room, soon);
        }
    }
}

}  // namespace
#endif

extern "C" void outer_float32(const float* left, int64_t left_step, const float* right, int64_t right_step, int64_t count,
                              int64_t of_left, int64_t of_right, float* sums, float* totals, int threads) {
#ifdef __AVX512F__
    outer(left, left_step, right, right_step, count, of_left, of_right, sums, totals, threads);
#endif
}
