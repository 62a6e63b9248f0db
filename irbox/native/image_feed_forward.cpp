// A gated feed-forward layer and its norm, ``x + narrow(gate(depthwise(widen(norm(x)))))``, while it learns: one call each way.

#include "image_layers.h"

namespace {

// Maps and weights as they lie: ``widen`` (2 own, channels), ``taps`` (2 own, 9), ``narrow`` (channels, own).
struct Layer {
    const float* pixels;
    int64_t height, width, channels, own;
    const float *norm, *norm_bias;
    float eps;
    const float *widen, *taps, *narrow;

    int64_t in_image() const { return height * width; }
    // The halves of the wide map are whole vectors.
    int64_t half() const { return (own + 15) / 16 * 16; }

    void normalize(int64_t first, int64_t count, float* to, int threads) const {
        normalize_float32_float32(pixels + first * channels, count, channels, norm, norm_bias, eps, to, threads);
    }

    // (9, 2 half).
    void turn_taps(float* to) const {
        for (int64_t i = 0; i < 2; ++i) turn(taps + i * own * 9, own, 9, 9, to + i * half(), 2 * half());
    }
};

void forward(const Layer& layer, const Parts& parts, float* wide, float* answer) {
    const int64_t channels = layer.channels, own = layer.own, half = layer.half(), most = parts.together * layer.in_image();
    Pieces scratch;
    const int64_t normed = scratch.add(most * channels), gated = scratch.add(most * half);
    Arena room(2 * Arena::whole(2 * half * (channels + 9)) + parts.across * scratch.size());
    float* const widen = room.take_zeros(channels * 2 * half);
    for (int64_t i = 0; i < 2; ++i) turn(layer.widen + i * own * channels, own, channels, channels, widen + i * half, 2 * half);
    float* const taps = room.take_zeros(9 * 2 * half);
    layer.turn_taps(taps);
    float* const narrow = room.take_zeros(half * channels);
    turn(layer.narrow, channels, own, own, narrow, channels);
    float* const of_threads = room.take(parts.across * scratch.size());
    parts.each([&](int64_t, int worker, int64_t first, int64_t images) {
        float* const mine = of_threads + worker * scratch.size();
        const int64_t pixel = first * layer.in_image(), count = images * layer.in_image();
        const float* const from = layer.pixels + pixel * channels;
        float* const map = wide + pixel * 2 * half;
        layer.normalize(pixel, count, mine + normed, parts.within);
        multiply(mine + normed, channels, count, channels, widen, 2 * half, map, 2 * half, parts.within);
        gate_float32(map, images, layer.height, layer.width, 2 * half, 0, taps, nullptr, mine + gated, parts.within);
        multiply_and_add(mine + gated, half, count, half, narrow, channels, from, channels, nullptr, answer + pixel * channels,
                         channels, parts.within);
    });
}

// Where the gradients go, in the shapes of what they are of; ``norm`` is (2, channels), of the weight and of the bias.
struct Gradients {
    float *pixels, *norm, *widen, *taps, *narrow;
};

void backward(const Layer& layer, const Parts& parts, const float* wide, const float* of_answer, const Gradients& found) {
    const int64_t channels = layer.channels, own = layer.own, half = layer.half(), most = parts.together * layer.in_image();
    Pieces scratch;
    const int64_t normed = scratch.add(most * channels), gated = scratch.add(most * half), of_gated = scratch.add(most * std::max(half, channels));
    const int64_t of_wide = scratch.add(most * 2 * half);
    Pieces sums;
    const int64_t of_narrow = sums.add(channels * half), of_widen = sums.add(2 * half * channels);
    const int64_t of_taps = sums.add(10 * 2 * half), of_norm = sums.add(2 * channels);
    Arena room(3 * Arena::whole(2 * half * (channels + 9)) + parts.across * scratch.size() + (parts.count() + 1) * sums.size());
    float* const taps = room.take_zeros(9 * 2 * half);
    layer.turn_taps(taps);
    // Backwards both are multiplied by as they lie.
    float* const narrow = room.take_zeros(channels * half);
    for (int64_t i = 0; i < channels; ++i) memcpy(narrow + i * half, layer.narrow + i * own, 4 * own);
    float* const widen = room.take_zeros(2 * half * channels);
    for (int64_t i = 0; i < 2; ++i) {
        memcpy(widen + i * half * channels, layer.widen + i * own * channels, 4 * own * channels);
    }
    float* const of_threads = room.take(parts.across * scratch.size());
    float* const of_parts = room.take(parts.count() * sums.size());
    parts.each([&](int64_t part, int worker, int64_t first, int64_t images) {
        float *const mine = of_threads + worker * scratch.size(), *const own_sums = of_parts + part * sums.size();
        std::fill(own_sums, own_sums + of_taps, 0.0f);
        const int64_t pixel = first * layer.in_image(), count = images * layer.in_image();
        const float *const grad = of_answer + pixel * channels, *const map = wide + pixel * 2 * half;
        const int threads = parts.within;
        multiply(grad, channels, count, channels, narrow, half, mine + of_gated, half, threads);
        gate_gradient_float32(map, images, layer.height, layer.width, 2 * half, 0, taps, nullptr, mine + of_gated, mine + gated,
                              mine + of_wide, own_sums + of_taps, threads);
        outer_float32(grad, channels, mine + gated, half, count, channels, half, own_sums + of_narrow, nullptr, threads);
        layer.normalize(pixel, count, mine + normed, threads);
        outer_float32(mine + of_wide, 2 * half, mine + normed, channels, count, 2 * half, channels, own_sums + of_widen, nullptr,
                      threads);
        float* const of_normed = mine + of_gated;
        multiply(mine + of_wide, 2 * half, count, 2 * half, widen, channels, of_normed, channels, threads);
        normalize_gradient_float32(layer.pixels + pixel * channels, count, channels, layer.norm, layer.norm_bias != nullptr,
                                   layer.eps, of_normed, grad, found.pixels + pixel * channels, own_sums + of_norm, threads);
    });
    float* const all = room.take(sums.size());
    add_parts(of_parts, sums.size(), parts.count(), sums.size(), all);
    for (int64_t i = 0; i < channels; ++i) memcpy(found.narrow + i * own, all + of_narrow + i * half, 4 * own);
    for (int64_t i = 0; i < 2; ++i) {
        memcpy(found.widen + i * own * channels, all + of_widen + i * half * channels, 4 * own * channels);
        turn(all + of_taps + i * half, 9, own, 2 * half, found.taps + i * own * 9, 9);
    }
    memcpy(found.norm, all + of_norm, 8 * channels);
}

}  // namespace

#define LAYER                                                                                                              \
    const float *pixels, int64_t images, int64_t height, int64_t width, int64_t channels, int64_t own, const float *norm,  \
        const float *norm_bias, float eps, const float *widen, const float *taps, const float *narrow, int64_t together,   \
        int across, int within

extern "C" void image_feed_forward_float32(LAYER, float* wide, float* answer) {
    forward({pixels, height, width, channels, own, norm, norm_bias, eps, widen, taps, narrow}, {images, together, across, within},
            wide, answer);
}

extern "C" void image_feed_forward_gradient_float32(LAYER, const float* wide, const float* of_answer, float* of_pixels, float* of_norm,
                                              float* of_widen, float* of_taps, float* of_narrow) {
    backward({pixels, height, width, channels, own, norm, norm_bias, eps, widen, taps, narrow}, {images, together, across, within},
             wide, of_answer, {of_pixels, of_norm, of_widen, of_taps, of_narrow});
}
