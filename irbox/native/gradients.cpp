// Gradients of what ``kernels.cpp`` computes around a layer's matrix products, each in one pass over memory.
//
// Some channels at a time, for all rows: what lies around a pixel then fits into the innermost cache, and each thread has
// channels of its own, whose sums it takes in the rows' order.

#include <memory>

#include "layers.h"

namespace {

// A vector of channels of the last three rows of a map, with a column of zeros on either side.
class Rows {
  public:
    explicit Rows(int64_t width) : size(width + 2), memory(new Lanes[3 * size]) {
        for (int64_t i = 0; i < 3; ++i) memory[i * size] = memory[(i + 1) * size - 1] = Lanes{};
    }

    // Rows may be counted from -2 on.
    Lanes* at(int64_t row) const { return memory.get() + (row + 3) % 3 * size + 1; }

    // The rows above a row, itself and below it; null where the map, from row ``first`` to before ``last``, ends.
    struct Near {
        const Lanes* row[3];
    };

    Near around(int64_t row, int64_t first, int64_t last) const {
        Near near = {};
        for (int64_t i = 0; i < 3; ++i) {
            if (row + i > first && row + i <= last) near.row[i] = at(row + i - 1);
        }
        return near;
    }

  private:
    int64_t size;
    std::unique_ptr<Lanes[]> memory;
};

// How many pixels ahead values are asked for: no processor foresees steps as long as a pixel.
constexpr int64_t AHEAD = 12;

template <typename T>
inline void read_row(const T* from, int64_t step, int64_t width, Lanes* to) {
    for (int64_t x = 0; x < width; ++x) {
        __builtin_prefetch(from + (x + AHEAD) * step);
        to[x] = load(from + x * step);
    }
}

// Nine taps of a vector of channels.
struct Taps {
    Lanes tap[9];

    Taps(const float* weight, int64_t channels) {
        for (int64_t i = 0; i < 9; ++i) tap[i] = load(weight + i * channels);
    }
};

template <int64_t COUNT>
inline void convolve_near(const Rows::Near& near, const Taps& taps, Lanes start, int64_t x, Lanes* sums) {
    for (int64_t k = 0; k < COUNT; ++k) sums[k] = start;
    #pragma GCC unroll 3
    for (int i = 0; i < 3; ++i) {
        if (!near.row[i]) continue;
        Lanes pixel[COUNT + 2];
        for (int64_t k = 0; k < COUNT + 2; ++k) pixel[k] = near.row[i][x + k - 1];
        #pragma GCC unroll 3
        for (int j = 0; j < 3; ++j) {
            for (int64_t k = 0; k < COUNT; ++k) sums[k] += taps.tap[3 * i + j] * pixel[k + j];
        }
    }
}

// A row of the gradient of what was convolved, ``given``, and what it adds to that of the taps and of the bias.
template <typename T>
inline void row_gradient(const Rows::Near& near, const Lanes* given, const Taps& taps, int64_t width, T* of_map, int64_t step,
                         Lanes* of_taps) {
    // Copies, which nothing that is written can be a part of: they stay in registers.
    const Taps own = taps;
    Lanes sums[10];
    for (int i = 0; i < 10; ++i) sums[i] = of_taps[i];
    for (int64_t x = 0; x < width; ++x) {
        __builtin_prefetch(of_map + (x + AHEAD) * step, 1);
        const Lanes value = given[x];
        Lanes made = {};
        #pragma GCC unroll 3
        for (int i = 0; i < 3; ++i) {
            if (!near.row[i]) continue;
            #pragma GCC unroll 3
            for (int j = 0; j < 3; ++j) {
                const Lanes grad = near.row[i][x + j - 1];
                const int tap = 8 - 3 * i - j;
                made += own.tap[tap] * grad;
                sums[tap] += value * grad;
                if (tap == 4) sums[9] += grad;
            }
        }
        store(of_map + x * step, made);
    }
    for (int i = 0; i < 10; ++i) of_taps[i] = sums[i];
}

// Calls ``f(first, vectors)`` for vectors of channels that share the lines of the caches.
template <typename T, typename F>
void each_line(int64_t channels, int threads, F f) {
    constexpr int64_t line = std::max<int64_t>(64 / sizeof(T), LANES);
    #pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t first = 0; first < channels; first += line) f(first, std::min(line, channels - first) / LANES);
}

inline void store_taps(const Lanes* of_taps, int64_t channels, float* of_weight) {
    for (int64_t i = 0; i < 10; ++i) store(of_weight + i * channels, of_taps[i]);
}

// Rows of the gradients of what a strip's convolution made, from one strip to the one below: a vector of channels of two rows.
template <typename T>
inline void carry_in(const T* carried, int64_t step, int64_t width, const Rows& grads) {
    for (int64_t row : {0, 1}) read_row(carried + row * width * step, step, width, grads.at(row - 2));
}

template <typename T>
inline void carry_out(const Rows& grads, int64_t first, int64_t rows, int64_t step, int64_t width, T* carried) {
    for (int64_t row : {0, 1}) {
        const bool there = rows - 2 + row >= first;
        const Lanes* const from = grads.at(rows - 2 + row);
        for (int64_t x = 0; x < width; ++x) store(carried + (row * width + x) * step, there ? from[x] : Lanes{});
    }
}

// Of a depthwise convolution, given ``of_answer`` (images, rows, width, channels): the rows of ``of_map`` that ``flow`` names,
// and ``of_weight`` (10, channels), of the nine taps and of the bias.
template <typename T>
void depthwise_gradient(const Strip<T>& strip, const Flow<T>& flow, const float* weight, const T* of_answer, T* of_map,
                        float* of_weight, int threads) {
    const int64_t channels = strip.channels, width = strip.width, rows = strip.rows, margin = strip.margin;
    const int64_t height = rows + 2 * margin, line = width * channels, made = flow.last - flow.first;
    each_line<T>(channels, threads, [&](int64_t first, int64_t vectors) {
        struct Part {
            Rows grads;
            Taps taps;
            Lanes of_taps[10];
        };
        std::vector<Part> parts;
        for (int64_t v = 0; v < vectors; ++v) parts.push_back({Rows(width), Taps(weight + first + v * LANES, channels), {}});
        const std::unique_ptr<Lanes[]> given(new Lanes[width]);
        for (int64_t image = 0; image < strip.images; ++image) {
            const auto finish = [&](int64_t y) {
                for (int64_t v = 0; v < vectors; ++v) {
                    Part& part = parts[v];
                    const int64_t at = first + v * LANES;
                    read_row(strip.map + (image * height + y + margin) * line + at, channels, width, given.get());
                    row_gradient(part.grads.around(y, flow.known(), rows), given.get(), part.taps, width,
                                 of_map + (image * made + y - flow.first) * line + at, channels, part.of_taps);
                }
            };
            for (int64_t v = 0; v < vectors && flow.follows; ++v) {
                carry_in(flow.carried + first + v * LANES, channels, width, parts[v].grads);
            }
            for (int64_t row = 0; row < rows; ++row) {
                const T* const from = of_answer + (image * rows + row) * line + first;
                for (int64_t v = 0; v < vectors; ++v) read_row(from + v * LANES, channels, width, parts[v].grads.at(row));
                if (row > flow.first) finish(row - 1);
            }
            for (int64_t y = std::max(rows - 1, flow.first); y < flow.last; ++y) finish(y);
            for (int64_t v = 0; v < vectors && flow.goes_on; ++v) {
                carry_out(parts[v].grads, flow.known(), rows, channels, width, flow.carried + first + v * LANES);
            }
        }
        for (int64_t v = 0; v < vectors; ++v) store_taps(parts[v].of_taps, channels, of_weight + first + v * LANES);
    });
}

// Half of a gated map: what is convolved, the gradient of what that makes, and the sums for its taps.
struct Half {
    Rows given, grads;
    Taps taps;
    Lanes start;
    Lanes of_taps[10];

    Half(int64_t width, const float* weight, const float* bias, int64_t channels)
        : given(width), grads(width), taps(weight, channels), start(bias ? load(bias) : Lanes{}), of_taps{} {}
};

// COUNT pixels of a row from column ``x`` on: the gate's answer, and the gradients of what was convolved.
template <int64_t COUNT, typename T>
inline void gate_pixels(Half* halves, int64_t row, int64_t margin, int64_t rows, int64_t x, const T* of_answer, T* answer,
                        int64_t step) {
    const int64_t first = -margin, last = rows + margin;
    Lanes opened[COUNT], value[COUNT];
    convolve_near<COUNT>(halves[0].given.around(row, first, last), halves[0].taps, halves[0].start, x, opened);
    convolve_near<COUNT>(halves[1].given.around(row, first, last), halves[1].taps, halves[1].start, x, value);
    Lanes *const of_opened = halves[0].grads.at(row) + x, *const of_value = halves[1].grads.at(row) + x;
    for (int64_t k = 0; k < COUNT; ++k) {
        __builtin_prefetch(of_answer + (x + k + AHEAD) * step);
        __builtin_prefetch(answer + (x + k + AHEAD) * step, 1);
        const Lanes a = opened[k], grad = load(of_answer + (x + k) * step);
        const Lanes below = 0.5f + 0.5f * error_function(a);
        const Lanes slope = below + a * (0.39894228f * exponential(-0.5f * a * a));
        store(answer + (x + k) * step, a * below * value[k]);
        of_opened[k] = grad * value[k] * slope;
        of_value[k] = grad * a * below;
    }
}

// ``gate`` once more, and its gradient, given ``of_answer``: ``answer``, both (pixels, channels / 2), and what
// ``depthwise_gradient`` gives.
template <typename T>
void gate_gradient(const Strip<T>& strip, const Flow<T>& flow, const float* weight, const float* bias, const T* of_answer,
                   T* answer, T* of_map, float* of_weight, int threads) {
    const int64_t channels = strip.channels, half = channels / 2, width = strip.width, rows = strip.rows;
    const int64_t margin = strip.margin, height = rows + 2 * margin, line = width * channels, made = flow.last - flow.first;
    each_line<T>(half, threads, [&](int64_t first, int64_t vectors) {
        std::vector<Half> parts;
        for (int64_t v = 0; v < vectors; ++v) {
            for (int64_t c : {first + v * LANES, half + first + v * LANES}) {
                parts.emplace_back(width, weight + c, bias ? bias + c : nullptr, channels);
            }
        }
        // Of a vector of channels, the first half's or the second's.
        const auto channel = [=](int64_t i) { return first + i / 2 * LANES + i % 2 * half; };
        for (int64_t image = 0; image < strip.images; ++image) {
            const auto finish = [&](int64_t y) {
                for (int64_t i = 0; i < 2 * vectors; ++i) {
                    Half& part = parts[i];
                    row_gradient(part.grads.around(y, flow.known(), rows), part.given.at(y), part.taps, width,
                                 of_map + (image * made + y - flow.first) * line + channel(i), channels, part.of_taps);
                }
            };
            for (int64_t i = 0; i < 2 * vectors && flow.follows; ++i) {
                carry_in(flow.carried + channel(i), channels, width, parts[i].grads);
            }
            int64_t read = -margin;
            for (int64_t row = 0; row < rows; ++row) {
                for (; read < std::min(rows + margin, row + 2); ++read) {
                    const T* const from = strip.map + (image * height + read + margin) * line;
                    for (int64_t i = 0; i < 2 * vectors; ++i) {
                        read_row(from + channel(i), channels, width, parts[i].given.at(read));
                    }
                }
                const int64_t at = (image * rows + row) * width * half + first;
                for (int64_t v = 0; v < vectors; ++v) {
                    const T* const grad = of_answer + at + v * LANES;
                    T* const to = answer + at + v * LANES;
                    int64_t x = 0;
                    for (; x + 4 <= width; x += 4) gate_pixels<4>(&parts[2 * v], row, margin, rows, x, grad, to, half);
                    for (; x < width; ++x) gate_pixels<1>(&parts[2 * v], row, margin, rows, x, grad, to, half);
                }
                if (row > flow.first) finish(row - 1);
            }
            for (int64_t y = std::max(rows - 1, flow.first); y < flow.last; ++y) finish(y);
            for (int64_t i = 0; i < 2 * vectors && flow.goes_on; ++i) {
                carry_out(parts[i].grads, flow.known(), rows, channels, width, flow.carried + channel(i));
            }
        }
        for (int64_t i = 0; i < 2 * vectors; ++i) store_taps(parts[i].of_taps, channels, of_weight + channel(i));
    });
}

}  // namespace

#define GRADIENTS(NAME, T)                                                                                             \
    extern "C" void gate_gradient_##NAME(STRIP(T), const float* weight, const float* bias, const T* of_answer,         \
                                         T* answer, T* of_map, float* of_weight, int threads) {                        \
        const Flow<T> flow = whole<T>(rows, margin);                                                                   \
        gate_gradient(GIVEN(T), flow, weight, bias, of_answer, answer, of_map, of_weight, threads);                    \
    }                                                                                                                  \
    extern "C" void depthwise_gradient_##NAME(STRIP(T), const float* weight, const T* of_answer, T* of_map,            \
                                              float* of_weight, int threads) {                                         \
        depthwise_gradient(GIVEN(T), whole<T>(rows, margin), weight, of_answer, of_map, of_weight, threads);           \
    }

GRADIENTS(float32, float)
GRADIENTS(bfloat16, BFloat16)

void flowing_gate_gradient(STRIP(float), const Flow<float>& flow, const float* weight, const float* bias, const float* of_answer,
                           float* answer, float* of_map, float* of_weight, int threads) {
    gate_gradient(GIVEN(float), flow, weight, bias, of_answer, answer, of_map, of_weight, threads);
}

void flowing_depthwise_gradient(STRIP(float), const Flow<float>& flow, const float* weight, const float* of_answer,
                                float* of_map, float* of_weight, int threads) {
    depthwise_gradient(GIVEN(float), flow, weight, of_answer, of_map, of_weight, threads);
}
