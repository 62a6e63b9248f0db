// Forward passes of layers, all strips in one call: those that keep their wide map for the gradient's sake, and those that do
// not. float32.

#include "layers.h"

// A 1x1 convolution to the wide map: (channels, wide), turned, and (wide) or null.
struct Widening {
    const float *matrix, *bias;
};

namespace {

constexpr int64_t LEAST_PIXELS = 64;

// A strip whose wide map is there: in ``window`` from the row above it on, or in a ring where that is null.
struct WideStrip {
    Place place;
    const float* window;
    Ring ring;
    // Of many bands side by side: which, and whose room.
    int64_t band;
    Room& room;
    int threads;
};

class Wide {
  public:
    Wide(const Layer& of, const Widening& by) : of(of), by(by) {}

    // How many parts of the maps have sums of their own.
    int64_t bands() const { return of.kept ? 1 : of.images * in_image(); }

    // Which image a band is of.
    int64_t image_of(int64_t band) const { return band / in_image(); }

    // Makes what is needed of the wide map and not there yet, then calls ``f(strip)``, strip by strip.
    template <typename F>
    void each(F f) const {
        if (!of.kept) return each_passing(f);
        Room normed, room;
        of.each([&](const Place& place) {
            // Rows above the strip were made with the strip before; the row below is one of it as well.
            const int64_t first = place.row ? place.row + 1 : 0, last = std::min(place.row + place.rows + 1, of.height);
            const int64_t lines = of.margin ? last - first : of.height;
            const float* from = of.pixels + (place.image * of.height + (of.margin ? first : 0)) * line();
            float* const to = of.window(place) + of.margin * (first + 1 - place.row) * of.width * of.wide;
            if (lines > 0) make(from, place.images * lines * of.width, to, normed, of.threads);
            f(WideStrip{place, of.window(place), {}, 0, room, int(of.threads)});
        });
    }

  private:
    int64_t line() const { return of.width * of.channels; }

    // Bands of rows that an image is made in, side by side.
    int64_t in_image() const {
        return of.images % of.threads ? std::clamp(of.height / LEAST, int64_t(1), of.threads) : 1;
    }

    void make(const float* from, int64_t count, float* to, Room& room, int threads) const {
        if (of.scale) {
            float* const normed = room.of(count * of.channels);
            normalize_float32_float32(from, count, of.channels, of.scale, of.offset, of.eps, normed, threads);
            from = normed;
        }
        product_float32(from, of.channels, count, of.channels, by.matrix, of.wide, by.bias, 0, nullptr, 0, nullptr, 0, nullptr,
                        0, nullptr, to, of.wide, threads);
    }

    // Each thread has bands of its own, and takes each through all kernels.
    template <typename F>
    void each_passing(F f) const {
        const int64_t in_each = in_image(), borders = in_each - 1;
        // The rows on both sides of a border: answers may be written where the pixels are.
        std::vector<float> beside(of.images * borders * 2 * line());
        const auto first_of = [&](int64_t part) { return of.height * part / in_each; };
        const auto at_border = [&](int64_t image, int64_t border) {
            return beside.data() + (image * borders + border - 1) * 2 * line();
        };
        for (int64_t image = 0; image < of.images; ++image) {
            for (int64_t border = 1; border <= borders; ++border) {
                const float* const rows = of.pixels + (image * of.height + first_of(border) - 1) * line();
                memcpy(at_border(image, border), rows, 8 * line());
            }
        }
        #pragma omp parallel for num_threads(of.threads) schedule(static)
        for (int64_t band = 0; band < of.images * in_each; ++band) {
            const int64_t image = band / in_each, part = band % in_each;
            const float* const above = part ? at_border(image, part) : nullptr;
            const float* const below = part < borders ? at_border(image, part + 1) + line() : nullptr;
            pass(band, image, first_of(part), first_of(part + 1), above, below, f);
        }
    }

    // Rows of an image from ``first`` to before ``last``; those beside them are null where the image ends.
    template <typename F>
    void pass(int64_t band, int64_t image, int64_t first, int64_t last, const float* above, const float* below, F f) const {
        const int64_t most = std::min(of.together, last - first), size = most + 2, wide_line = of.width * of.wide;
        Room rows_room, normed, room;
        float* const rows = rows_room.of(size * wide_line);
        const auto place_of = [&](int64_t row) { return (row - first + 1) % size; };
        int64_t next = first - 1;
        const auto fill = [&](const float* from, int64_t count) {
            float* const to = rows + place_of(next) * wide_line;
            if (from) {
                make(from, count * of.width, to, normed, 1);
            } else {
                std::fill(to, to + wide_line, 0.0f);
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
            const Ring ring = {rows, some, of.width, of.wide, size, place_of(row - 1)};
            f(WideStrip{{image, 1, row, some, some * of.width}, nullptr, ring, band, room, 1});
        }
    }

    // Rows of a band that are worth the two that are made twice.
    static constexpr int64_t LEAST = 8;
    const Layer& of;
    const Widening& by;
};

}  // namespace

// ``answer`` = ``narrow(gate(wide))``, ``narrow`` (wide / 2, channels), turned; plus the pixels, where there is a norm. It may be
// where the pixels are, if nothing is kept.
extern "C" void feed_forward_float32(const Layer* layer, const Widening* by, const float* narrow, const float* bias,
                                     float* answer) {
    const Layer& of = *layer;
    const int64_t half = of.wide / 2, channels = of.channels;
    Wide(of, *by).each([&](const WideStrip& strip) {
        const Place& place = strip.place;
        float* const gated = strip.room.of(place.pixels * half);
        if (strip.window) {
            gate_float32(strip.window, place.images, place.rows, of.width, of.wide, of.margin, of.taps, of.shift, gated,
                         strip.threads);
        } else {
            gate_in_ring(strip.ring, of.taps, of.shift, gated);
        }
        const int64_t at = of.start(place, channels);
        product_float32(gated, half, place.pixels, half, narrow, channels, bias, 0, nullptr, 0, nullptr, 0,
                        of.scale ? of.pixels + at : nullptr, channels, nullptr, answer + at, channels, strip.threads);
    });
}

// Values (pixels, channels), which may be where the pixels are, if nothing is kept; added to: products of queries and keys
// (images, heads, size, size), and sums of their squares (images, 2 channels).
extern "C" void attention_sums_float32(const Layer* layer, const Widening* by, int64_t heads, float* values, float* products,
                                       float* squares) {
    const Layer& of = *layer;
    const int64_t dim = of.channels, size = dim / heads, in_image = dim * size + 2 * dim;
    const Wide wide(of, *by);
    // Of each band, or of each image: products, then squares.
    const int64_t parts = of.kept ? of.images : wide.bands();
    std::vector<float> sums(parts * in_image), found(2 * dim * parts);
    wide.each([&](const WideStrip& strip) {
        const Place& place = strip.place;
        float* const both = strip.room.of(place.pixels * 2 * dim);
        float* const to = values + of.start(place, dim);
        const int64_t part = of.kept ? place.image : strip.band;
        float *const own = sums.data() + part * in_image, *const seen = found.data() + part * 2 * dim;
        if (strip.window) {
            attend_float32(strip.window, place.images, place.rows, of.width, of.wide, of.margin, dim, of.taps, of.shift, both,
                           to, seen, strip.threads);
        } else {
            attend_in_ring(strip.ring, dim, of.taps, of.shift, both, to, seen);
        }
        const int64_t pixels = place.rows * of.width;
        for (int64_t i = 0; i < place.images; ++i) {
            float* const of_image = own + i * in_image;
            for (int64_t k = 0; k < 2 * dim; ++k) of_image[dim * size + k] += seen[i * 2 * dim + k];
            for (int64_t head = 0; head < heads; ++head) {
                const float* const query = both + i * pixels * 2 * dim + head * size;
                outer_float32(query, 2 * dim, query + dim, 2 * dim, pixels, size, size, of_image + head * size * size, nullptr,
                              strip.threads);
            }
        }
    });
    for (int64_t part = 0; part < parts; ++part) {
        const int64_t image = of.kept ? part : wide.image_of(part);
        const float* const own = sums.data() + part * in_image;
        for (int64_t k = 0; k < dim * size; ++k) products[image * dim * size + k] += own[k];
        for (int64_t k = 0; k < 2 * dim; ++k) squares[image * 2 * dim + k] += own[dim * size + k];
    }
}

// The sigmoid of what is convolved: (pixels, wide), not where the pixels are.
extern "C" void mask_layer_float32(const Layer* layer, const Widening* by, float* mask) {
    const Layer& of = *layer;
    Wide(of, *by).each([&](const WideStrip& strip) {
        const Place& place = strip.place;
        float* const to = mask + of.start(place, of.wide);
        if (strip.window) {
            mask_float32(strip.window, place.images, place.rows, of.width, of.wide, of.margin, of.wide, of.taps, of.shift, to,
                         strip.threads);
        } else {
            mask_in_ring(strip.ring, of.taps, of.shift, to);
        }
    });
}

// ``answer`` = pixels + ``last(attended * opened)``: ``attended`` is values by each image's matrix (images, channels, channels),
// ``opened`` the sigmoid of a 1x1 convolution of the normalised pixels; both are kept, unless they are null. Everything (pixels,
// channels), matrices (channels, channels), turned. ``pixels``, of each image.
extern "C" void gated_answer_float32(const float* given, int64_t images, int64_t pixels, int64_t channels, int64_t together,
                                     const float* scale, const float* offset, double eps, const float* values,
                                     const float* matrices, const float* attention_bias, const float* gate,
                                     const float* gate_bias, const float* last, const float* last_bias, float* attended,
                                     float* opened, float* answer, int threads) {
    // Each thread takes strips of its own through all of it.
    const int64_t most = std::min(together, std::max(LEAST_PIXELS, (pixels + threads - 1) / threads));
    const int64_t in_image = (pixels + most - 1) / most, size = most * channels;
    std::vector<Room> rooms(threads);
    #pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t strip = 0; strip < images * in_image; ++strip) {
        const int64_t image = strip / in_image, first = strip % in_image * most;
        const int64_t some = std::min(most, pixels - first), at = (image * pixels + first) * channels;
        float *const normed = rooms[thread()].of(3 * size), *const gated = normed + size;
        float* const found = attended ? attended + at : gated + size;
        const float* const matrix = matrices + image * channels * channels;
        product_float32(values + at, channels, some, channels, matrix, channels, attention_bias, 0, nullptr, 0, nullptr, 0,
                        nullptr, 0, nullptr, found, channels, 1);
        normalize_float32_float32(given + at, some, channels, scale, offset, eps, normed, 1);
        product_float32(normed, channels, some, channels, gate, channels, gate_bias, 1, opened ? opened + at : nullptr, channels,
                        found, channels, nullptr, 0, nullptr, gated, channels, 1);
        product_float32(gated, channels, some, channels, last, channels, last_bias, 0, nullptr, 0, nullptr, 0, given + at,
                        channels, nullptr, answer + at, channels, 1);
    }
}
