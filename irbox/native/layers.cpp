// Forward passes of layers that keep their wide map for the gradient's sake, all strips in one call. float32.

#include "layers.h"

// A 1x1 convolution to the wide map: (channels, wide), turned, and (wide) or null.
struct Widening {
    const float *matrix, *bias;
};

namespace {

// Makes what is needed of the wide map and not there yet, then calls ``f(place, window)``, strip by strip.
template <typename F>
void widen(const Layer& of, const Widening& by, F f) {
    Room room;
    of.each([&](const Place& place) {
        // Rows above the strip were made with the strip before; the row below is one of it as well.
        const int64_t first = place.row ? place.row + 1 : 0, last = std::min(place.row + place.rows + 1, of.height);
        const int64_t lines = of.margin ? last - first : of.height, count = place.images * lines * of.width;
        if (count > 0) {
            const float* dense = of.pixels + (place.image * of.height + (of.margin ? first : 0)) * of.width * of.channels;
            float* const to = of.window(place) + of.margin * (first + 1 - place.row) * of.width * of.wide;
            if (of.scale) {
                float* const normed = room.of(count * of.channels);
                normalize_float32_float32(dense, count, of.channels, of.scale, of.offset, of.eps, normed, of.threads);
                dense = normed;
            }
            product_float32(dense, of.channels, count, of.channels, by.matrix, of.wide, by.bias, 0, nullptr, 0, nullptr, 0,
                            nullptr, 0, nullptr, to, of.wide, of.threads);
        }
        f(place, of.window(place));
    });
}

}  // namespace

// ``answer`` = ``narrow(gate(wide))``, ``narrow`` (wide / 2, channels), turned; plus the pixels, where there is a norm.
extern "C" void feed_forward_float32(const Layer* layer, const Widening* by, const float* narrow, const float* bias,
                                     float* answer) {
    const Layer& of = *layer;
    const int64_t half = of.wide / 2, channels = of.channels;
    Room room;
    widen(of, *by, [&](const Place& place, const float* window) {
        float* const gated = room.of(place.pixels * half);
        gate_float32(window, place.images, place.rows, of.width, of.wide, of.margin, of.taps, of.shift, gated, of.threads);
        const int64_t at = of.start(place, channels);
        product_float32(gated, half, place.pixels, half, narrow, channels, bias, 0, nullptr, 0, nullptr, 0,
                        of.scale ? of.pixels + at : nullptr, channels, nullptr, answer + at, channels, of.threads);
    });
}

// Values (pixels, channels); added to: products of queries and keys (images, heads, size, size), and sums of their squares
// (images, 2 channels).
extern "C" void attention_sums_float32(const Layer* layer, const Widening* by, int64_t heads, float* values, float* products,
                                       float* squares) {
    const Layer& of = *layer;
    const int64_t dim = of.channels, size = dim / heads;
    Room room;
    std::vector<float> found(2 * dim * of.images);
    widen(of, *by, [&](const Place& place, const float* window) {
        float* const both = room.of(place.pixels * 2 * dim);
        attend_float32(window, place.images, place.rows, of.width, of.wide, of.margin, dim, of.taps, of.shift, both,
                       values + of.start(place, dim), found.data(), of.threads);
        for (int64_t i = 0; i < place.images * 2 * dim; ++i) squares[place.image * 2 * dim + i] += found[i];
        const int64_t pixels = place.rows * of.width;
        for (int64_t i = 0; i < place.images * heads; ++i) {
            const float* const query = both + i / heads * pixels * 2 * dim + i % heads * size;
            outer_float32(query, 2 * dim, query + dim, 2 * dim, pixels, size, size,
                          products + (place.image * heads + i) * size * size, nullptr, of.threads);
        }
    });
}

// The sigmoid of what is convolved: (pixels, wide).
extern "C" void mask_layer_float32(const Layer* layer, const Widening* by, float* mask) {
    const Layer& of = *layer;
    widen(of, *by, [&](const Place& place, const float* window) {
        mask_float32(window, place.images, place.rows, of.width, of.wide, of.margin, of.wide, of.taps, of.shift,
                     mask + of.start(place, of.wide), of.threads);
    });
}

// ``answer`` = pixels + ``last(attended * opened)``: ``attended`` is values by each image's matrix (images, channels, channels),
// ``opened`` the sigmoid of a 1x1 convolution of the normalised pixels; both are kept. Everything (pixels, channels), matrices
// (channels, channels), turned. ``pixels``, of each image.
extern "C" void gated_answer_float32(const float* given, int64_t images, int64_t pixels, int64_t channels, int64_t together,
                                     const float* scale, const float* offset, double eps, const float* values,
                                     const float* matrices, const float* attention_bias, const float* gate,
                                     const float* gate_bias, const float* last, const float* last_bias, float* attended,
                                     float* opened, float* answer, int threads) {
    Room room;
    const int64_t size = std::min(together, pixels) * channels;
    float *const normed = room.of(2 * size), *const gated = normed + size;
    for (int64_t i = 0; i < images; ++i) {
        for (int64_t first = 0; first < pixels; first += together) {
            const int64_t some = std::min(together, pixels - first), at = (i * pixels + first) * channels;
            product_float32(values + at, channels, some, channels, matrices + i * channels * channels, channels, attention_bias,
                            0, nullptr, 0, nullptr, 0, nullptr, 0, nullptr, attended + at, channels, threads);
            normalize_float32_float32(given + at, some, channels, scale, offset, eps, normed, threads);
            product_float32(normed, channels, some, channels, gate, channels, gate_bias, 1, opened + at, channels,
                            attended + at, channels, nullptr, 0, nullptr, gated, channels, threads);
            product_float32(gated, channels, some, channels, last, channels, last_bias, 0, nullptr, 0, nullptr, 0, given + at,
                            channels, nullptr, answer + at, channels, threads);
        }
    }
}
