// Channels-last maps, and the pixels around a pixel.
//
// Sums are float whatever the map's type is. Every thread writes pixels of its own, in an order that does not depend on
// time: the same bits each time.

#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#ifdef _OPENMP
#include <omp.h>
#endif

#include "lanes.h"

namespace {

// Ask for values that are read, or overwritten, soon.
template <typename T>
inline void fetch(const T* from, int64_t count) {
    for (int64_t k = 0; k < count; k += 64 / sizeof(T)) __builtin_prefetch(from + k);
}

// How many values ahead norms ask for what they pass over.
constexpr int64_t SOON = 1024;

inline int thread() {
#ifdef _OPENMP
    return omp_get_thread_num();
#else
    return 0;
#endif
}

}  // namespace

// Three rows of a map around a pixel; null where the map ends.
template <typename T>
struct Around {
    const T* row[3];
    // ``left``: columns before the first answer's.
    int64_t width, channels, left;

    // Channels from ``channel`` on of the pixel in column ``x``; zeros outside of the map.
    Lanes at(int i, int64_t x, int64_t channel) const {
        if (x < 0 || x >= width) return Lanes{};
        return load(row[i] + x * channels + channel);
    }

    // A vector of channels of COUNT answers from column ``x`` on, convolved. ``weight``: (9, channels).
    template <int64_t COUNT>
    void convolve(const float* weight, const float* bias, int64_t x, int64_t channel, Lanes* sums) const {
        const Lanes start = bias ? load(bias + channel) : Lanes{};
        for (int64_t k = 0; k < COUNT; ++k) sums[k] = start;
        for (int i = 0; i < 3; ++i) {
            if (!row[i]) continue;
            Lanes pixel[COUNT + 2];
            for (int64_t k = 0; k < COUNT + 2; ++k) pixel[k] = at(i, left + x + k - 1, channel);
            for (int j = 0; j < 3; ++j) {
                const Lanes tap = load(weight + (3 * i + j) * channels + channel);
                for (int64_t k = 0; k < COUNT; ++k) sums[k] += tap * pixel[k + j];
            }
        }
    }
};

// One strip of a map that is convolved: ``rows`` of answers of each of ``images``.
template <typename T>
struct Strip {
    const T* map;
    int64_t images, rows, width, channels;
    // Rows that the map has above its answers' first and below their last: 1 or 0, or -1 where it lacks those.
    int64_t margin;
    // Of one image: as many rows lie in a ring, the strip's first (of the margin) at ``start``. 0: all rows as they are.
    int64_t ring = 0, start = 0;
    // Columns on the left and on the right that have no answers.
    int64_t left = 0, right = 0;
    // Pixels from one row of an answer that is a part of a larger map to the next; 0: as many as there are answers in a row.
    int64_t apart = 0;

    // Answers in a row.
    int64_t inner() const { return width - left - right; }

    // Which pixel an answer is: among the strip's own, and of that map.
    int64_t own(int64_t line, int64_t x) const { return line * inner() + x; }
    int64_t outside(int64_t line, int64_t x) const { return line * (apart ? apart : inner()) + x; }

    // The map's row beside an answer's, as many rows ``further``; null where there is none.
    const T* row_near(int64_t image, int64_t row, int64_t further) const {
        const int64_t height = rows + 2 * margin, y = row + margin + further;
        if (y < 0 || y >= height) return nullptr;
        return map + (ring ? (start + y) % ring : image * height + y) * width * channels;
    }

    Around<T> around(int64_t image, int64_t row) const {
        Around<T> found = {{}, width, channels, left};
        for (int i = 0; i < 3; ++i) found.row[i] = row_near(image, row, i - 1);
        return found;
    }

    // Calls ``f<COUNT>(around, line, x)`` for runs of COUNT pixels of a row, TOGETHER or one, that share what they read: the
    // answers from column ``x`` on in row ``line`` of all images' rows.
    template <int64_t TOGETHER, typename F>
    void each(int threads, F f) const {
        const int64_t last = inner(), runs = (last + TOGETHER - 1) / TOGETHER;
        #pragma omp parallel for num_threads(threads) schedule(static)
        for (int64_t run = 0; run < images * rows * runs; ++run) {
            const int64_t line = run / runs, x = run % runs * TOGETHER;
            const Around<T> near = around(line / rows, line % rows);
            // The pixels below the next run's: nothing else is new to the caches, and no processor foresees so many rows.
            if (near.row[2] && x + TOGETHER < last) {
                const int64_t first = left + x + TOGETHER + 1;
                fetch(near.row[2] + first * channels, std::min(TOGETHER, width - first) * channels);
            }
            if (x + TOGETHER <= last) {
                f.template operator()<TOGETHER>(near, line, x);
            } else {
                for (int64_t k = x; k < last; ++k) f.template operator()<1>(near, line, k);
            }
        }
    }
};

#define STRIP(T) const T *map, int64_t images, int64_t rows, int64_t width, int64_t channels, int margin
#define GIVEN(T) \
    Strip<T> { map, images, rows, width, channels, margin }
