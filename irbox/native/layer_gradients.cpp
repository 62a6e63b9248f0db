// Backward passes of layers that kept their wide map, all strips in one call: what strips are made of stays in the caches, and
// nobody outside is asked for memory, views and numbers between the kernels. float32.

#include "layers.h"

// What is added to, but for ``of_pixels``, which is written: without a norm, or with ``base`` plus that.
struct Gradients {
    // (wide, channels), of the 1x1 convolution.
    const float* matrix;
    const float* base;
    float* of_pixels;
    // (wide, channels), (wide) or null, (10, wide), (2, channels) or null.
    float *of_matrix, *of_bias, *of_taps, *of_norm;
};

namespace {

inline void add(const float* from, int64_t count, float* to) {
    for (int64_t i = 0; i < count; ++i) to[i] += from[i];
}

class WideStrips {
  public:
    WideStrips(const Layer& of, const Gradients& to)
        : of(of), to(to), both(2 * of.channels), taps(10 * of.wide), carried(2 * of.width * of.wide) {}

    // Calls ``f(place)`` for one strip after the other; each is to be learned from.
    template <typename F>
    void each(F f) {
        of.each([&](const Place& next) {
            place = next;
            const bool follows = place.row > 0, goes_on = place.row + place.rows < of.height;
            const int64_t first = -int64_t(follows);
            flow = {first, place.rows - goes_on, follows, goes_on, carried.data()};
            f(place);
        });
    }

    // Through the gate's gradient and what follows, given that of the gate's answer; that goes to ``gated``.
    void learn_gated(const float* of_gated, float* gated) {
        float* const of_window = made.of(lines() * of.width * of.wide);
        flowing_gate_gradient(of.window(place), place.images, place.rows, of.width, of.wide, of.margin, flow, of.taps, of.shift,
                              of_gated, gated, of_window, taps.data(), of.threads);
        learn_window(of_window);
    }

    // The same from the convolution's answer on.
    void learn(const float* of_convolved) {
        float* const of_window = made.of(lines() * of.width * of.wide);
        flowing_depthwise_gradient(of.window(place), place.images, place.rows, of.width, of.wide, of.margin, flow, of.taps,
                                   of_convolved, of_window, taps.data(), of.threads);
        learn_window(of_window);
    }

  private:
    int64_t lines() const { return place.images * (flow.last - flow.first); }

    void learn_window(const float* of_window) {
        add(taps.data(), 10 * of.wide, to.of_taps);
        const int64_t count = lines() * of.width, channels = of.channels;
        const int64_t at = of.start(place, channels) + flow.first * of.width * channels;
        if (!count) return;
        const float* dense = of.pixels + at;
        if (of.scale) {
            float* const normed = given.of(count * channels);
            normalize_float32_float32(of.pixels + at, count, channels, of.scale, of.offset, of.eps, normed, of.threads);
            dense = normed;
        }
        outer_float32(of_window, of.wide, dense, channels, count, of.wide, channels, to.of_matrix, to.of_bias, of.threads);
        float* const of_dense = of.scale ? of_given.of(count * channels) : to.of_pixels + at;
        multiply(of_window, of.wide, count, of.wide, to.matrix, channels, of_dense, channels, of.threads);
        if (!of.scale) return;
        normalize_gradient_float32(of.pixels + at, count, channels, of.scale, of.offset != nullptr, of.eps, of_dense,
                                   to.base + at, to.of_pixels + at, both.data(), of.threads);
        add(both.data(), 2 * channels, to.of_norm);
    }

    const Layer& of;
    const Gradients& to;
    Place place;
    Flow<float> flow;
    Room made, given, of_given;
    std::vector<float> both, taps, carried;
};

}  // namespace

// Of ``narrow(gate(wide))``, ``narrow`` (channels, wide / 2), given ``of_answer``; ``of_narrow`` and ``of_bias``, unless that is
// null, are added to.
extern "C" void feed_forward_gradient_float32(const Layer* layer, const Gradients* gradients, const float* of_answer,
                                              const float* narrow, float* of_narrow, float* of_bias) {
    const Layer& of = *layer;
    const int64_t half = of.wide / 2, channels = of.channels;
    WideStrips strips(of, *gradients);
    Room of_gate, gate;
    strips.each([&](const Place& place) {
        const float* const of_out = of_answer + of.start(place, channels);
        float *const of_gated = of_gate.of(place.pixels() * half), *const gated = gate.of(place.pixels() * half);
        multiply(of_out, channels, place.pixels(), channels, narrow, half, of_gated, half, of.threads);
        strips.learn_gated(of_gated, gated);
        outer_float32(of_out, channels, gated, half, place.pixels(), channels, half, of_narrow, of_bias, of.threads);
    });
}

// Of attention across channels, given ``of_answer``: what each image's values are multiplied by, turned (images, channels,
// channels), and by head the gradients of products of queries and keys (images, heads, size, size), as they are and turned, and
// twice those of squares (images, 2 channels).
extern "C" void attention_gradient_float32(const Layer* layer, const Gradients* gradients, const float* of_answer,
                                           const float* of_values, int64_t heads, const float* of_products,
                                           const float* of_products_turned, const float* twice) {
    const Layer& of = *layer;
    const int64_t dim = of.channels, wide = of.wide, size = dim / heads;
    WideStrips strips(of, *gradients);
    Room two, three;
    std::vector<float> squares(2 * dim * of.images);
    strips.each([&](const Place& place) {
        const int64_t pixels = place.rows * of.width;
        float *const both = two.of(place.pixels() * 2 * dim), *const of_wide = three.of(place.pixels() * wide);
        attend_float32(of.window(place), place.images, place.rows, of.width, wide, of.margin, dim, of.taps, of.shift, both,
                       nullptr, squares.data(), of.threads);
        for (int64_t i = 0; i < place.images; ++i) {
            const int64_t image = place.image + i;
            float* const to = of_wide + i * pixels * wide;
            const float* const from = both + i * pixels * 2 * dim;
            multiply(of_answer + of.start(place, dim) + i * pixels * dim, dim, pixels, dim, of_values + image * dim * dim, dim,
                     to + 2 * dim, wide, of.threads);
            for (int64_t head = 0; head < heads; ++head) {
                const int64_t query = head * size, key = dim + query, matrix = (image * heads + head) * size * size;
                product_float32(from + key, 2 * dim, pixels, size, of_products_turned + matrix, size, nullptr, 0, nullptr, 0,
                                nullptr, 0, from + query, 2 * dim, twice + image * 2 * dim + query, to + query, wide,
                                of.threads);
                product_float32(from + query, 2 * dim, pixels, size, of_products + matrix, size, nullptr, 0, nullptr, 0,
                                nullptr, 0, from + key, 2 * dim, twice + image * 2 * dim + key, to + key, wide, of.threads);
            }
        }
        strips.learn(of_wide);
    });
}

// Of the sigmoid of what the 3x3 makes, ``mask``, given ``of_mask``: both (images, height, width, channels).
extern "C" void mask_gradient_float32(const Layer* layer, const Gradients* gradients, const float* mask,
                                      const float* of_mask) {
    const Layer& of = *layer;
    WideStrips strips(of, *gradients);
    Room room;
    strips.each([&](const Place& place) {
        const int64_t at = of.start(place, of.wide);
        float* const of_convolved = room.of(place.pixels() * of.wide);
        for (int64_t i = 0; i < place.pixels() * of.wide; ++i) {
            const float m = mask[at + i];
            of_convolved[i] = of_mask[at + i] * m * (1 - m);
        }
        strips.learn(of_convolved);
    });
}

// Of ``last(opened * attended)``, ``opened`` the sigmoid of a 1x1 convolution of the normalised pixels: everything (pixels,
// channels), matrices (channels, channels). ``of_attended`` and, plus ``of_answer``, ``of_pixels`` are written.
extern "C" void gated_gradient_float32(const float* pixels, int64_t count, int64_t channels, int64_t together, const float* scale,
                                       const float* offset, double eps, const float* of_answer, const float* attended,
                                       const float* opened, const float* gate, const float* last, float* of_attended,
                                       float* of_pixels, float* of_gate, float* of_gate_bias, float* of_last,
                                       float* of_last_bias, float* of_norm, int threads) {
    std::vector<float> sums(2 * channels);
    Room room;
    const int64_t size = std::min(together, count) * channels;
    float *const given = room.of(4 * size), *const gated = given + size, *const of_logits = gated + size,
                 *const of_given = of_logits + size;
    for (int64_t first = 0; first < count; first += together) {
        const int64_t some = std::min(together, count - first), at = first * channels;
        normalize_float32_float32(pixels + at, some, channels, scale, offset, eps, given, threads);
        open_gradient_float32(of_answer + at, channels, some, channels, last, channels, opened + at, attended + at, gated,
                              of_attended + at, of_logits, threads);
        outer_float32(of_answer + at, channels, gated, channels, some, channels, channels, of_last, of_last_bias, threads);
        outer_float32(of_logits, channels, given, channels, some, channels, channels, of_gate, of_gate_bias, threads);
        multiply(of_logits, channels, some, channels, gate, channels, of_given, channels, threads);
        normalize_gradient_float32(pixels + at, some, channels, scale, offset != nullptr, eps, of_given, of_answer + at,
                                   of_pixels + at, sums.data(), threads);
        add(sums.data(), 2 * channels, of_norm);
    }
}
