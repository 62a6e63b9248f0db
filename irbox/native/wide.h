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

// A strip whose wide map is there.
template <typename T>
struct WideStrip {
    Place place;
    Strip<T> map;
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
            const Strip<T> map = {of.window(place), place.images, place.rows, of.width, of.wide, of.margin};
            f(WideStrip<T>{place, map, 0, room, second, int(of.threads)});
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
            take(from, count, normed, threads);
            from = normed;
        }
        widen(from, count, to, threads);
    }

    void widen(const T* from, int64_t count, T* to, int threads) const {
        Linear<T>{by.matrix, by.bias}(from, count, of.channels, of.wide, to, threads);
    }

    // Pixels as ``widen`` takes them.
    void take(const T* from, int64_t count, T* to, int threads) const {
        if (of.scale) {
            norm(from, count, of.channels, of.scale, of.offset, of.eps, to, threads);
        } else {
            memcpy(to, from, sizeof(T) * count * of.channels);
        }
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

    // Rows of an image from ``first`` to before ``last``; those beside them are null where the image ends. Some columns after the
    // others, if rows are long: a ring of them then stays in the second cache.
    template <typename F>
    void pass(int64_t band, int64_t image, int64_t first, int64_t last, const T* above, const T* below, F f) const {
        Rooms rooms;
        const int64_t parts = (of.width + of.across - 1) / of.across;
        const int64_t across = ((of.width + parts - 1) / parts + EVEN - 1) / EVEN * EVEN;
        // The column on the left of those columns, and their last: answers may be written where the pixels are.
        std::vector<T> before((last - first) * of.channels), own(before.size());
        for (int64_t column = 0; column < of.width; column += across) {
            const int64_t columns = std::min(across, of.width - column), end = column + columns;
            for (int64_t row = first; row < last && end < of.width; ++row) {
                const T* const pixel = of.pixels + (image * of.height + row) * line() + (end - 1) * of.channels;
                memcpy(own.data() + (row - first) * of.channels, pixel, sizeof(T) * of.channels);
            }
            pass_columns(band, {image, 1, first, last - first, column, columns}, above, below, before.data(), rooms, f);
            std::swap(before, own);
        }
    }

    struct Rooms {
        Room rows, normed, own, second;
    };

    // Some columns of a band; ``before``: pixels of the column on their left.
    template <typename F>
    void pass_columns(int64_t band, const Place& all, const T* above, const T* below, const T* before, Rooms& rooms, F f) const {
        const int64_t first = all.row, last = first + all.rows, left = all.column > 0;
        const int64_t width = left + all.columns + (all.column + all.columns < of.width), wide_line = width * of.wide;
        const int64_t most = std::min(of.together, all.rows), size = most + 2;
        T* const rows = rooms.rows.template of<T>(size * wide_line);
        const auto place_of = [&](int64_t row) { return (row - first + 1) % size; };
        int64_t next = first - 1;
        // ``from``: whole rows.
        const auto fill = [&](const T* from, int64_t count, const T* on_left) {
            T* const to = rows + place_of(next) * wide_line;
            if (!from) {
                std::fill(to, to + wide_line, T{});
            } else if (width == of.width) {
                make(from, count * width, to, rooms.normed, 1);
            } else {
                T* const normed = rooms.normed.template of<T>(count * width * of.channels);
                for (int64_t row = 0; row < count; ++row) {
                    T* const of_row = normed + row * width * of.channels;
                    if (left) take(on_left + row * of.channels, 1, of_row, 1);
                    take(from + row * line() + all.column * of.channels, width - left, of_row + left * of.channels, 1);
                }
                widen(normed, count * width, to, 1);
            }
            next += count;
        };
        for (int64_t row = first; row < last; row += most) {
            const int64_t some = std::min(most, last - row), until = row + some + 1;
            while (next < until) {
                if (next < first || next == last) {
                    const T* const beside = next < first ? above : below;
                    fill(beside, 1, beside ? beside + (all.column - left) * of.channels : nullptr);
                } else {
                    const int64_t together = std::min(std::min(until, last) - next, size - place_of(next));
                    fill(of.pixels + (all.image * of.height + next) * line(), together, before + (next - first) * of.channels);
                }
            }
            const Place place = {all.image, 1, row, some, all.column, all.columns};
            const Strip<T> map = {rows, 1, some, width, of.wide, 1, size, place_of(row - 1), left, width - left - all.columns,
                                  of.width};
            f(WideStrip<T>{place, map, band, rooms.own, rooms.second, 1});
        }
    }

    // Columns are whole tiles of products and runs of 3x3s.
    static constexpr int64_t EVEN = 24;
    // Rows of a band that are worth the two that are made twice.
    static constexpr int64_t LEAST = 4;
    const LayerOf<T>& of;
    const Widening<T>& by;
};

}  // namespace
