// Perceptrons of two layers that pixels are routed to, and their gradients, each in one pass over the pixels.
//
// A block of pixels stays in the cache while one expert after the other takes its own of them: nothing is sorted, gathered or
// scattered in memory.

#include "tiles.h"

namespace {

// Values of a hidden layer that a block holds at most, and its pixels.
constexpr int64_t HIDDEN = 1 << 18, LEAST = 64, MOST = 512;

struct Experts {
    int64_t count, channels, number, hidden;

    int64_t block() const { return std::clamp(HIDDEN / hidden, LEAST, MOST); }
    int64_t blocks() const { return (count + block() - 1) / block(); }
    // Numbers of one expert: both matrices and both biases.
    int64_t size() const { return 2 * hidden * channels + hidden + channels; }
};

// Which pixels of a block an expert gets; their values side by side.
inline int64_t choose(const Experts& all, const float* weights, int64_t first, int64_t last, int64_t expert, int64_t* chosen) {
    int64_t found = 0;
    for (int64_t pixel = first; pixel < last; ++pixel) {
        if (weights[pixel * all.number + expert] != 0) chosen[found++] = pixel;
    }
    return found;
}

inline void gather(const float* from, int64_t channels, const int64_t* chosen, int64_t count, float* to) {
    for (int64_t i = 0; i < count; ++i) memcpy(to + i * channels, from + chosen[i] * channels, 4 * channels);
}

// log(1 + y) of numbers from 0 to 1: an odd series of y / (2 + y), right to the last digit but one.
inline Lanes logarithm_above_one(Lanes y) {
    const Lanes z = y / (2.0f + y), s = z * z;
    Lanes sum = 1.0f / 15 * s + 1.0f / 13;
    sum = sum * s + 1.0f / 11;
    sum = sum * s + 1.0f / 9;
    sum = sum * s + 1.0f / 7;
    sum = sum * s + 1.0f / 5;
    sum = sum * s + 1.0f / 3;
    return 2.0f * (z + z * s * sum);
}

// log(e^a + e^b), ``b`` being finite. What is e^-25 times as large or less adds that: smaller numbers, squared, would be
// denormal ones, at which processors take a hundred times as long.
inline Lanes add_exponentials(Lanes a, Lanes b) {
    const Lanes zero = {}, least = zero - 25.0f;
    const Lanes more = a > b ? a : b, apart = (a > b ? b : a) - more;
    return more + logarithm_above_one(exponential(apart > least ? apart : least));
}

// ``base`` (or zero) plus the answers of a pixel's experts: their weighted sum or, with LOG, the logarithm of the weighted sum
// of their exponentials. ``first``: (experts, channels, hidden), ``second``: (experts, hidden, channels).
template <bool LOG>
void experts(const Experts& all, const float* pixels, const float* base, const float* weights, const float* first,
             const float* first_bias, const float* second, const float* second_bias, float* answer, int threads) {
    const int64_t channels = all.channels, hidden = all.hidden, block = all.block();
    #pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t part = 0; part < all.blocks(); ++part) {
        const int64_t begin = part * block, end = std::min(all.count, begin + block), size = (end - begin) * channels;
        std::vector<float> given(size), inside((end - begin) * hidden), shares(end - begin);
        std::vector<int64_t> chosen(end - begin);
        float* const rows = given.data();
        float* const wide = inside.data();
        float* const share = shares.data();
        const int64_t* const places = chosen.data();
        float* const to = answer + begin * channels;
        if (LOG) {
            std::fill(to, to + size, -INFINITY);
        } else if (base) {
            memcpy(to, base + begin * channels, 4 * size);
        } else {
            memset(to, 0, 4 * size);
        }
        for (int64_t expert = 0; expert < all.number; ++expert) {
            const int64_t found = choose(all, weights, begin, end, expert, chosen.data());
            const float *const shift = first_bias + expert * hidden, *const last = second_bias + expert * channels;
            const int64_t matrix = expert * channels * hidden;
            for (int64_t i = 0; i < found; ++i) {
                const float weight = weights[places[i] * all.number + expert];
                share[i] = LOG ? std::log(weight) : weight;
            }
            gather(pixels, channels, places, found, rows);
            multiply(rows, channels, found, channels, first + matrix, hidden, [=](Lanes sum, int64_t row, int64_t column) {
                store(wide + row * hidden + column, gelu(sum + load(shift + column)));
            });
            multiply(wide, hidden, found, hidden, second + matrix, channels, [=](Lanes sum, int64_t row, int64_t column) {
                float* const at = answer + places[row] * channels + column;
                const Lanes one = sum + load(last + column);
                store(at, LOG ? add_exponentials(load(at), one + share[row]) : load(at) + share[row] * one);
            });
        }
        for (int64_t i = 0; LOG && base && i < size; i += LANES) store(to + i, load(to + i) + load(base + begin * channels + i));
    }
}

// Given the answer's gradient: the pixels' (with the base's, if that is the pixels), the weights' and, side by side for each
// expert, those of its first matrix (hidden, channels) and bias, and of its second (channels, hidden) and bias. ``turned``: the
// first matrix as (experts, hidden, channels); ``second``: (experts, channels, hidden).
void experts_gradient(const Experts& all, const float* pixels, bool adds, const float* weights, const float* grad,
                      const float* first, const float* first_bias, const float* turned, const float* second,
                      const float* second_bias, float* of_pixels, float* of_weights, float* of_experts, int threads) {
    const int64_t channels = all.channels, hidden = all.hidden, block = all.block(), number = all.number;
    const int64_t total_size = number * all.size();
    std::vector<float> sums(threads * total_size, 0.0f);
    float* const of_threads = sums.data();
    #pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t part = 0; part < all.blocks(); ++part) {
        const int64_t begin = part * block, end = std::min(all.count, begin + block), size = (end - begin) * channels;
        std::vector<float> given(2 * size), inside(2 * (end - begin) * hidden);
        std::vector<int64_t> chosen(end - begin);
        float *const rows = given.data(), *const grads = rows + size;
        float *const opened = inside.data(), *const of_wide = opened + (end - begin) * hidden;
        const int64_t* const places = chosen.data();
        float* const to = of_pixels + begin * channels;
        if (adds) {
            memcpy(to, grad + begin * channels, 4 * size);
        } else {
            memset(to, 0, 4 * size);
        }
        memset(of_weights + begin * number, 0, 4 * (end - begin) * number);
        for (int64_t expert = 0; expert < number; ++expert) {
            const int64_t found = choose(all, weights, begin, end, expert, chosen.data());
            const float *const shift = first_bias + expert * hidden, *const last = second_bias + expert * channels;
            const int64_t matrix = expert * channels * hidden;
            float* const of_first = of_threads + thread() * total_size + expert * all.size();
            float* const of_shift = of_first + channels * hidden;
            float* const of_second = of_shift + hidden;
            float* const of_last = of_second + channels * hidden;
            gather(pixels, channels, places, found, rows);
            gather(grad, channels, places, found, grads);
            multiply(rows, channels, found, channels, first + matrix, hidden, [=](Lanes sum, int64_t row, int64_t column) {
                store(opened + row * hidden + column, sum + load(shift + column));
            });
            multiply(grads, channels, found, channels, second + matrix, hidden, [=](Lanes sum, int64_t row, int64_t column) {
                store(of_wide + row * hidden + column, sum);
            });
            for (int64_t i = 0; i < found; ++i) {
                const float weight = weights[places[i] * number + expert];
                Lanes along = {};
                for (int64_t c = 0; c < hidden; c += LANES) {
                    float *const at = opened + i * hidden + c, *const of_at = of_wide + i * hidden + c;
                    const Lanes a = load(at), of_open = load(of_at);
                    const Lanes below = 0.5f + 0.5f * error_function(a);
                    const Lanes slope = below + a * (0.39894228f * exponential(-0.5f * a * a));
                    const Lanes of_a = weight * of_open * slope;
                    along += of_open * (a * below);
                    store(at, a * below);
                    store(of_at, of_a);
                    store(of_shift + c, load(of_shift + c) + of_a);
                }
                for (int64_t c = 0; c < channels; c += LANES) {
                    float* const at = grads + i * channels + c;
                    along += load(at) * load(last + c);
                    store(at, weight * load(at));
                    store(of_last + c, load(of_last + c) + load(at));
                }
                of_weights[places[i] * number + expert] = total(along);
            }
            multiply(of_wide, hidden, found, hidden, turned + matrix, channels, [=](Lanes sum, int64_t row, int64_t column) {
                float* const at = of_pixels + places[row] * channels + column;
                store(at, load(at) + sum);
            });
            add_outer(of_wide, hidden, hidden, rows, channels, channels, found, of_first);
            add_outer(grads, channels, channels, opened, hidden, hidden, found, of_second);
        }
    }
    #pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t i = 0; i < total_size; ++i) {
        of_experts[i] = 0;
        for (int j = 0; j < threads; ++j) of_experts[i] += of_threads[j * total_size + i];
    }
}

}  // namespace

extern "C" void experts_float32(const float* pixels, const float* base, const float* weights, int64_t count, int64_t channels,
                                int64_t number, int64_t hidden, int log, const float* first, const float* first_bias,
                                const float* second, const float* second_bias, float* answer, int threads) {
    const auto f = log ? experts<true> : experts<false>;
    f({count, channels, number, hidden}, pixels, base, weights, first, first_bias, second, second_bias, answer, threads);
}

extern "C" void experts_gradient_float32(const float* pixels, int adds, const float* weights, const float* grad, int64_t count,
                                         int64_t channels, int64_t number, int64_t hidden, const float* first,
                                         const float* first_bias, const float* turned, const float* second,
                                         const float* second_bias, float* of_pixels, float* of_weights, float* of_experts,
                                         int threads) {
    experts_gradient({count, channels, number, hidden}, pixels, bool(adds), weights, grad, first, first_bias, turned, second,
                     second_bias, of_pixels, of_weights, of_experts, threads);
}
