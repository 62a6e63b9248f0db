// The wide map of a layer, strip by strip, as its kernels go through it.

#pragma once

#include "layers.h"

// A 1x1 convolution to the wide map: (channels, wide), packed as products read it, and (wide) or null.
template <typename T>
struct Widening {
    const T* matrix;
    const float* bias;
};

namespace {

// A 1x1 convolution, packed; its sigmoid, kept where ``opened`` is not null, times a map; plus a map. Null or false: left out.
// Pixels lie side by side.
template <typename T>
struct Linear {
    const T* matrix;
    const float* bias;
    bool squash = false;
    T* opened = nullptr;
    const T *times = nullptr, *plus = nullptr;

    void operator()(const T* pixels, int64_t count, int64_t given, int64_t made, T* answer, int threads) const {
        if constexpr (sizeof(T) == 2) {
            product_bfloat16(pixels, given, count, given, matrix, made, bias, squash, opened, made, times, made, plus, made,
                             nullptr, answer, made, threads);
        } else {
            product_float32(pixels, given, count, given, matrix, made, bias, squash, opened, made, times, made, plus, made,
                            nullptr, answer, made, threads);
        }
    }
};

inline void norm(const float* pixels, int64_t count, int64_t channels, const float* scale, const float* offset, double eps,
                 float* answer, int threads) {
    normalize_float32_float32(pixels, count, channels, scale, offset, eps, answer, threads);
}

inline void norm(const BFloat16* pixels, int64_t count, int64_t channels, const float* scale, const float* offset, double eps,
                 BFloat16* answer, int threads) {
    normalize_bfloat16_bfloat16(pixels, count, channels, scale, offset, eps, answer, threads);
}

// A strip whose wide map is there: in ``window`` from the row above it on, or in a ring where that is null.
template <typename T>
struct WideStrip {
    Place place;
    const T* window;
    Ring<T> ring;
    // Of many bands side by side: which, and whose room.
    int64_t band;
    Room &room, &second;
    int threads;
};

template <typename T>
class Wide {
  public:
    Wide(const LayerOf<T>& of, const Widening<T>& by) : of(of), by(by) {}

    // How many parts of the maps have sums of their own.
    int64_t bands() const { return of.kept ? 1 : of.images * in_image(); }

    // Which image a band is of.
    int64_t image_of(int64_t band) const { return band / in_image(); }

    // Makes what is needed of the wide map and not there yet, then calls ``f(strip)``, strip by strip.
    template <typename F>
    void each(F f) const {
        if (!of.kept) return each_passing(f);
        Room normed, room, second;
        of.each([&](const Place& place) {
            // Rows above the strip were made with the strip before; the row below is one of it as well.
            const int64_t first = place.row ? place.row + 1 : 0, last = std::min(place.row + place.rows + 1, of.height);
            const int64_t lines = of.margin ? last - first : of.height;
            const T* from = of.pixels + (place.image * of.height + (of.margin ? first : 0)) * line();
            T* const to = of.window(place) + of.margin * (first + 1 - place.row) * of.width * of.wide;
            if (lines > 0) make(from, place.images * lines * of.width, to, normed, of.threads);
            f(WideStrip<T>{place, of.window(place), {}, 0, room, second, int(of.threads)});
        });
    }

  private:
    int64_t line() const { return of.width * of.channels; }

    // Bands of rows that an image is made in, side by side.
    int64_t in_image() const {
        return of.images % of.threads ? std::clamp(of.height / LEAST, int64_t(1), of.threads) : 1;
    }

    void make(const T* from, int64_t count, T* to, Room& room, int threads) const {
        if (of.scale) {
            T* const normed = room.of<T>(count * of.channels);
            norm(from, count, of.channels, of.scale, of.offset, of.eps, normed, threads);
            from = normed;
        }
        Linear<T>{by.matrix, by.bias}(from, count, of.channels, of.wide, to, threads);
    }

    // Each thread has bands of its own, and takes each through all kernels.
    template <typename F>
    void each_passing(F f) const {
        const int64_t in_each = in_image(), borders = in_each - 1;
        // The rows on both sides of a border: answers may be written where the pixels are.
        std::vector<T> beside(of.images * borders * 2 * line());
        const auto first_of = [&](int64_t part) { return of.height * part / in_each; };
        const auto at_border = [&](int64_t image, int64_t border) {
            return beside.data() + (image * borders + border - 1) * 2 * line();
        };
        for (int64_t image = 0; image < of.images; ++image) {
            for (int64_t border = 1; border <= borders; ++border) {
                const T* const rows = of.pixels + (image * of.height + first_of(border) - 1) * line();
                memcpy(at_border(image, border), rows, 2 * sizeof(T) * line());
            }
        }
        #pragma omp parallel for num_threads(of.threads) schedule(static)
        for (int64_t band = 0; band < of.images * in_each; ++band) {
            const int64_t image = band / in_each, part = band % in_each;
            const T* const above = part ? at_border(image, part) : nullptr;
            const T* const below = part < borders ? at_border(image, part + 1) + line() : nullptr;
            pass(band, image, first_of(part), first_of(part + 1), above, below, f);
        }
    }

    // Rows of an image from ``first`` to before ``last``; those beside them are null where the image ends.
    template <typename F>
    void pass(int64_t band, int64_t image, int64_t first, int64_t last, const T* above, const T* below, F f) const {
        const int64_t most = std::min(of.together, last - first), size = most + 2, wide_line = of.width * of.wide;
        Room rows_room, normed, room, second;
        T* const rows = rows_room.of<T>(size * wide_line);
        const auto place_of = [&](int64_t row) { return (row - first + 1) % size; };
        int64_t next = first - 1;
        const auto fill = [&](const T* from, int64_t count) {
            T* const to = rows + place_of(next) * wide_line;
            if (from) {
                make(from, count * of.width, to, normed, 1);
            } else {
                std::fill(to, to + wide_line, T{});
            }
            next += count;
        };
        for (int64_t row = first; row < last; row += most) {
            const int64_t some = std::min(most, last - row), until = row + some + 1;
            while (next < until) {
                if (next < first) {
                    fill(above, 1);
                } else if (next == last) {
                    fill(below, 1);
                } else {
                    const int64_t together = std::min(std::min(until, last) - next, size - place_of(next));
                    fill(of.pixels + (image * of.height + next) * line(), together);
                }
            }
            const Ring<T> ring = {rows, some, of.width, of.wide, size, place_of(row - 1)};
            f(WideStrip<T>{{image, 1, row, some, some * of.width}, nullptr, ring, band, room, second, 1});
        }
    }

    // Rows of a band that are worth the two that are made twice.
    static constexpr int64_t LEAST = 4;
    const LayerOf<T>& of;
    const Widening<T>& by;
};

}  // namespace
