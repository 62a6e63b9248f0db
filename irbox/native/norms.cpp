// The gradient of a norm over the channels of each pixel, in one pass over memory.

#include "maps.h"

namespace {

// COUNT pixels in turn, which share what they add to the sums.
template <int64_t COUNT, typename T>
void pixels_gradient(const float* pixels, int64_t channels, const float* weight, bool centred, float eps, const T* of_answer,
                     const float* base, float* of_pixels, float* of_weight, float* of_bias) {
    float mean[COUNT], scale[COUNT], even[COUNT], along[COUNT];
    for (int64_t k = 0; k < COUNT; ++k) {
        const float* x = pixels + k * channels;
        Lanes sums = {}, squares = {}, grads = {}, products = {};
        for (int64_t c = 0; c < channels; c += LANES) sums += load(x + c);
        mean[k] = total(sums) / channels;
        const float start = centred ? mean[k] : 0;
        for (int64_t c = 0; c < channels; c += LANES) {
            const Lanes apart = load(x + c) - mean[k], grad = load(of_answer + k * channels + c) * load(weight + c);
            squares += apart * apart;
            grads += grad;
            products += grad * (load(x + c) - start);
        }
        scale[k] = 1 / std::sqrt(total(squares) / channels + eps);
        // What the mean takes away, and what the deviation does.
        even[k] = centred ? scale[k] * total(grads) / channels : 0;
        along[k] = scale[k] * scale[k] * scale[k] * total(products) / channels;
    }
    for (int64_t c = 0; c < channels; c += LANES) {
        const Lanes by = load(weight + c);
        Lanes weights = load(of_weight + c), biases = load(of_bias + c);
        for (int64_t k = 0; k < COUNT; ++k) {
            const Lanes x = load(pixels + k * channels + c), grad = load(of_answer + k * channels + c);
            const Lanes apart = x - mean[k];
            weights += grad * (centred ? apart : x) * scale[k];
            biases += grad;
            const Lanes made = grad * by * scale[k] - even[k] - apart * along[k];
            store(of_pixels + k * channels + c, load(base + k * channels + c) + made);
        }
        store(of_weight + c, weights);
        store(of_bias + c, biases);
    }
}

// The gradient plus ``base``, which may be where it goes: ``of_pixels`` (pixels, channels); those of the weight and of the bias,
// side by side: ``of_both``.
template <typename T>
void normalize_gradient(const float* pixels, int64_t count, int64_t channels, const float* weight, bool centred, float eps,
                        const T* of_answer, const float* base, float* of_pixels, float* of_both, int threads) {
    constexpr int64_t together = 4;
    const int64_t runs = (count + together - 1) / together, size = 2 * channels;
    std::vector<float> sums(threads * size, 0.0f);
    float* const of_threads = sums.data();
    #pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t run = 0; run < runs; ++run) {
        float* const own = of_threads + thread() * size;
        const int64_t last = std::min((run + 1) * together, count);
        int64_t pixel = run * together;
        // The others were written, or read, shortly before.
        fetch(pixels + pixel * channels + SOON, together * channels);
        fetch(of_pixels + pixel * channels + SOON, together * channels);
        const auto some = [&]<int64_t COUNT>() {
            const int64_t at = pixel * channels;
            pixels_gradient<COUNT>(pixels + at, channels, weight, centred, eps, of_answer + at, base + at, of_pixels + at,
                                   own, own + channels);
            pixel += COUNT;
        };
        if (last - pixel == together) some.template operator()<together>();
        while (pixel < last) some.template operator()<1>();
    }
    for (int64_t i = 0; i < size; ++i) {
        of_both[i] = 0;
        for (int j = 0; j < threads; ++j) of_both[i] += of_threads[j * size + i];
    }
}

}  // namespace

#define NORM_GRADIENT(NAME, T)                                                                                         \
    extern "C" void normalize_gradient_##NAME(const float* pixels, int64_t count, int64_t channels,                    \
                                              const float* weight, int centred, float eps, const T* of_answer,         \
                                              const float* base, float* of_pixels, float* of_both, int threads) {      \
        normalize_gradient(pixels, count, channels, weight, bool(centred), eps, of_answer, base, of_pixels, of_both,   \
                           threads);                                                                                   \
    }

NORM_GRADIENT(float32, float)
NORM_GRADIENT(bfloat16, BFloat16)

// The sum of the squares of all numbers of some tensors, tensor by tensor.
extern "C" double squares_float32(const float* const* from, const int64_t* counts, int64_t number) {
    double sum = 0;
    for (int64_t i = 0; i < number; ++i) {
        const float* const x = from[i];
        int64_t k = 0;
        // Few enough at once that float holds their sum.
        for (; k + 8 * LANES <= counts[i]; k += 8 * LANES) {
            Lanes sums[4] = {};
            for (int64_t j = 0; j < 8; ++j) sums[j % 4] += load(x + k + j * LANES) * load(x + k + j * LANES);
            sum += total((sums[0] + sums[1]) + (sums[2] + sums[3]));
        }
        for (; k < counts[i]; ++k) sum += double(x[k]) * x[k];
    }
    return sum;
}
