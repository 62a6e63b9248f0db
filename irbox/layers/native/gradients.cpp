// Gradients of what ``kernels.cpp`` computes around a layer's matrix products, each in one pass over memory.

#include "maps.h"

namespace {

// ``gate`` once more, and its gradient by the map after the convolution: ``answer`` and ``of_answer`` (pixels, channels / 2),
// ``of_convolved`` (pixels, channels).
template <typename T>
void gate_gradient(const Strip<T>& strip, const float* weight, const float* bias, const T* of_answer, T* answer,
                   T* of_convolved, int threads) {
    const int64_t half = strip.channels / 2, channels = strip.channels, width = strip.width;
    strip.template each<4>(threads, [=]<int64_t COUNT>(const Around<T>& near, int64_t pixel, int64_t x) {
        if (x + 2 * COUNT <= width) {
            fetch(of_answer + (pixel + COUNT) * half, COUNT * half);
            fetch(answer + (pixel + COUNT) * half, COUNT * half);
            fetch(of_convolved + (pixel + COUNT) * channels, COUNT * channels);
        }
        for (int64_t c = 0; c < half; c += LANES) {
            Lanes opened[COUNT], value[COUNT];
            near.template convolve<COUNT>(weight, bias, x, c, opened);
            near.template convolve<COUNT>(weight, bias, x, half + c, value);
            for (int64_t k = 0; k < COUNT; ++k) {
                const Lanes a = opened[k], grad = load(of_answer + (pixel + k) * half + c);
                const Lanes below = 0.5f + 0.5f * error_function(a);
                const Lanes slope = below + a * (0.39894228f * exponential(-0.5f * a * a));
                store(answer + (pixel + k) * half + c, a * below * value[k]);
                store(of_convolved + (pixel + k) * channels + c, grad * value[k] * slope);
                store(of_convolved + (pixel + k) * channels + half + c, grad * a * below);
            }
        }
    });
}

// Of a depthwise convolution, given ``of_answer`` (images, rows, width, channels): ``of_map``, of the map's shape, and
// ``of_weight`` (10, channels), of the nine taps, last one first, and of the bias. ``turned``: the taps (9, channels), in
// that order.
template <typename T>
void depthwise_gradient(const Strip<T>& strip, const float* turned, const T* of_answer, T* of_map, float* of_weight,
                        int threads) {
    const int64_t channels = strip.channels, size = 10 * channels;
    const Strip<T> back = {of_answer, strip.images, strip.rows + 2 * strip.margin, strip.width, channels, -strip.margin};
    const T* const map = strip.map;
    const int64_t width = strip.width;
    std::vector<float> sums(threads * size, 0.0f);
    float* const of_threads = sums.data();
    back.template each<4>(threads, [=]<int64_t COUNT>(const Around<T>& near, int64_t pixel, int64_t x) {
        float* const own = of_threads + thread() * size;
        if (x + 2 * COUNT <= width) {
            fetch(map + (pixel + COUNT) * channels, COUNT * channels);
            fetch(of_map + (pixel + COUNT) * channels, COUNT * channels);
        }
        for (int64_t c = 0; c < channels; c += LANES) {
            Lanes made[COUNT], given[COUNT];
            for (int64_t k = 0; k < COUNT; ++k) {
                made[k] = Lanes{};
                given[k] = load(map + (pixel + k) * channels + c);
            }
            for (int i = 0; i < 3; ++i) {
                if (!near.row[i]) continue;
                Lanes grad[COUNT + 2];
                for (int64_t k = 0; k < COUNT + 2; ++k) grad[k] = near.at(i, x + k - 1, c);
                for (int j = 0; j < 3; ++j) {
                    float* const at = own + (3 * i + j) * channels + c;
                    const Lanes tap = load(turned + (3 * i + j) * channels + c);
                    Lanes of_tap = load(at);
                    for (int64_t k = 0; k < COUNT; ++k) {
                        made[k] += tap * grad[k + j];
                        of_tap += given[k] * grad[k + j];
                    }
                    store(at, of_tap);
                }
                if (i != 1) continue;
                Lanes of_bias = load(own + 9 * channels + c);
                for (int64_t k = 0; k < COUNT; ++k) of_bias += grad[k + 1];
                store(own + 9 * channels + c, of_bias);
            }
            for (int64_t k = 0; k < COUNT; ++k) store(of_map + (pixel + k) * channels + c, made[k]);
        }
    });
    for (int64_t i = 0; i < size; ++i) {
        of_weight[i] = 0;
        for (int j = 0; j < threads; ++j) of_weight[i] += of_threads[j * size + i];
    }
}

}  // namespace

#define GRADIENTS(NAME, T)                                                                                             \
    extern "C" void gate_gradient_##NAME(STRIP(T), const float* weight, const float* bias, const T* of_answer,         \
                                         T* answer, T* of_convolved, int threads) {                                    \
        gate_gradient(GIVEN(T), weight, bias, of_answer, answer, of_convolved, threads);                               \
    }                                                                                                                  \
    extern "C" void depthwise_gradient_##NAME(STRIP(T), const float* turned, const T* of_answer, T* of_map,            \
                                              float* of_weight, int threads) {                                         \
        depthwise_gradient(GIVEN(T), turned, of_answer, of_map, of_weight, threads);                                   \
    }

GRADIENTS(float32, float)
GRADIENTS(bfloat16, BFloat16)
