// What surrounds a layer's matrix products on a CPU, each in one pass over memory. With nothing to differentiate.
//
// Channels come in whole vectors: maps are padded to 16 (irbox.layers.strips).

#include "layers.h"
#include "pairs.h"

// GELU of the first half of the channels times the second: ``answer`` (pixels, channels / 2).
template <typename T>
void gate(const Strip<T>& strip, const float* weight, const float* bias, T* answer, int threads) {
    const int64_t half = strip.channels / 2;
#ifdef __AVX512BF16__
    if constexpr (sizeof(T) == 2) {
        if (half >= PAIR) return gate_by_pairs(strip, weight, bias, answer, threads);
    }
#endif
    constexpr int64_t together = sizeof(T) == 2 ? 6 : 4;
    strip.template each<together>(threads, [=]<int64_t COUNT>(const Around<T>& near, int64_t line, int64_t x) {
        T* const to = answer + strip.own(line, x) * half;
        for (int64_t c = 0; c < half; c += LANES) {
            Lanes opened[COUNT], value[COUNT];
            near.template convolve<COUNT>(weight, bias, x, c, opened);
            near.template convolve<COUNT>(weight, bias, x, half + c, value);
            for (int64_t k = 0; k < COUNT; ++k) store(to + k * half + c, gelu(opened[k]) * value[k]);
        }
    });
}

// Queries and keys side by side, (pixels, 2 dim), values, (pixels, dim), unless null, and the squares of queries and keys summed over
// the pixels of each image, (images, 2 dim). The map may have channels beyond these.
template <typename T>
void attend(const Strip<T>& strip, int64_t dim, const float* weight, const float* bias, T* both, T* values,
            float* squares, int threads) {
#ifdef __AVX512BF16__
    if constexpr (sizeof(T) == 2) {
        if (dim >= PAIR) return attend_by_pairs(strip, dim, weight, bias, both, values, squares, threads);
    }
#endif
    const int64_t size = strip.images * 2 * dim;
    std::vector<float> sums(threads * size, 0.0f);
    float* const of_threads = sums.data();
    strip.template each<6>(threads, [=]<int64_t COUNT>(const Around<T>& near, int64_t line, int64_t x) {
        float* const own = of_threads + thread() * size + line / strip.rows * 2 * dim;
        T* const beside = both + strip.own(line, x) * 2 * dim;
        for (int64_t c = 0; c < 2 * dim; c += LANES) {
            Lanes made[COUNT], sum = load(own + c);
            near.template convolve<COUNT>(weight, bias, x, c, made);
            for (int64_t k = 0; k < COUNT; ++k) {
                store(beside + k * 2 * dim + c, made[k]);
                sum += made[k] * made[k];
            }
            store(own + c, sum);
        }
        T* const to = values + strip.outside(line, x) * dim;
        for (int64_t c = 0; values && c < dim; c += LANES) {
            Lanes made[COUNT];
            near.template convolve<COUNT>(weight, bias, x, 2 * dim + c, made);
            for (int64_t k = 0; k < COUNT; ++k) store(to + k * dim + c, made[k]);
        }
    });
    for (int64_t i = 0; i < size; ++i) {
        squares[i] = 0;
        for (int j = 0; j < threads; ++j) squares[i] += of_threads[j * size + i];
    }
}

// The sigmoid of all channels of the first ``dim``: ``answer`` (pixels, dim).
template <typename T>
void mask(const Strip<T>& strip, int64_t dim, const float* weight, const float* bias, T* answer, int threads) {
#ifdef __AVX512BF16__
    if constexpr (sizeof(T) == 2) {
        if (dim >= PAIR) return mask_by_pairs(strip, dim, weight, bias, answer, threads);
    }
#endif
    strip.template each<6>(threads, [=]<int64_t COUNT>(const Around<T>& near, int64_t line, int64_t x) {
        T* const to = answer + strip.outside(line, x) * dim;
        for (int64_t c = 0; c < dim; c += LANES) {
            Lanes made[COUNT];
            near.template convolve<COUNT>(weight, bias, x, c, made);
            for (int64_t k = 0; k < COUNT; ++k) store(to + k * dim + c, sigmoid(made[k]));
        }
    });
}

namespace {

// COUNT pixels side by side: what one waits for, the others use.
template <int64_t COUNT, typename From, typename To>
inline void normalize_pixels(const From* from, int64_t channels, const float* weight, const float* bias, float eps,
                             To* to) {
    Lanes sums[COUNT] = {}, squares[COUNT] = {};
    float mean[COUNT], scale[COUNT];
    for (int64_t c = 0; c < channels; c += LANES) {
        for (int64_t k = 0; k < COUNT; ++k) sums[k] += load(from + k * channels + c);
    }
    for (int64_t k = 0; k < COUNT; ++k) mean[k] = total(sums[k]) / channels;
    for (int64_t c = 0; c < channels; c += LANES) {
        for (int64_t k = 0; k < COUNT; ++k) {
            const Lanes apart = load(from + k * channels + c) - mean[k];
            squares[k] += apart * apart;
        }
    }
    for (int64_t k = 0; k < COUNT; ++k) scale[k] = 1 / std::sqrt(total(squares[k]) / channels + eps);
    for (int64_t c = 0; c < channels; c += LANES) {
        const Lanes factor = load(weight + c);
        for (int64_t k = 0; k < COUNT; ++k) {
            // Without a bias the mean stays: only the deviation is divided by.
            Lanes x = load(from + k * channels + c) - (bias ? mean[k] : 0);
            x = x * scale[k] * factor;
            if (bias) x += load(bias + c);
            store(to + k * channels + c, x);
        }
    }
}

template <typename From, typename To>
void normalize(const From* pixels, int64_t count, int64_t channels, const float* weight, const float* bias, float eps,
               To* answer, int threads) {
    constexpr int64_t together = 4;
    #pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t pixel = 0; pixel < count; pixel += together) {
        fetch(pixels + pixel * channels + SOON, together * channels);
        fetch(answer + pixel * channels + SOON, together * channels);
        if (pixel + together <= count) {
            normalize_pixels<together>(pixels + pixel * channels, channels, weight, bias, eps, answer + pixel * channels);
        } else {
            for (int64_t k = pixel; k < count; ++k) {
                normalize_pixels<1>(pixels + k * channels, channels, weight, bias, eps, answer + k * channels);
            }
        }
    }
}

}  // namespace

#define KERNELS(NAME, T)                                                                                               \
    template void gate(const Strip<T>&, const float*, const float*, T*, int);                                          \
    template void attend(const Strip<T>&, int64_t, const float*, const float*, T*, T*, float*, int);                   \
    template void mask(const Strip<T>&, int64_t, const float*, const float*, T*, int);                                 \
    extern "C" void gate_##NAME(STRIP(T), const float* weight, const float* bias, T* answer, int threads) {            \
        gate(GIVEN(T), weight, bias, answer, threads);                                                                 \
    }                                                                                                                  \
    extern "C" void attend_##NAME(STRIP(T), int64_t dim, const float* weight, const float* bias, T* both, T* values,   \
                                  float* squares, int threads) {                                                       \
        attend(GIVEN(T), dim, weight, bias, both, values, squares, threads);                                           \
    }                                                                                                                  \
    extern "C" void mask_##NAME(STRIP(T), int64_t dim, const float* weight, const float* bias, T* answer,              \
                                int threads) {                                                                         \
        mask(GIVEN(T), dim, weight, bias, answer, threads);                                                            \
    }

KERNELS(float32, float)
KERNELS(bfloat16, BFloat16)

#define NORM(NAME, FROM, TO)                                                                                           \
    extern "C" void normalize_##NAME(const FROM* pixels, int64_t count, int64_t channels, const float* weight,         \
                                     const float* bias, float eps, TO* answer, int threads) {                          \
        normalize(pixels, count, channels, weight, bias, eps, answer, threads);                                        \
    }

NORM(float32_float32, float, float)
NORM(float32_bfloat16, float, BFloat16)
NORM(bfloat16_bfloat16, BFloat16, BFloat16)
