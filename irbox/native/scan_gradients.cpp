// Gradients of what ``scans.cpp`` computes.

#include "scans.h"

namespace {

// Vectors of channels that add up what is summed over channels before their lanes are: so many whatever the threads.
constexpr int64_t TOGETHER = 4;

// ``sum[i]``: of ``parts[j][i]``.
void add_up(const std::vector<float>& parts, int64_t size, float* sum, int threads) {
    const int64_t count = parts.size() / size;
    const float* const from = parts.data();
    #pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t i = 0; i < size; ++i) {
        sum[i] = 0;
        for (int64_t j = 0; j < count; ++j) sum[i] += from[j * size + i];
    }
}

// SiLU'(x).
inline Lanes silu_slope(Lanes x) {
    const Lanes s = sigmoid(x);
    return s * (1.0f + x * (1.0f - s));
}

// ``of_u`` (images, length, channels) and ``of_weight`` (width + 1, channels), of the taps and of the bias.
void causal_gradient(const Causal& given, const Rows& grad, float* of_u, float* of_weight, int threads) {
    const int64_t channels = given.channels, width = given.width, blocks = channels / LANES;
    std::vector<float> sums(given.images * (width + 1) * channels);
    float* const of_images = sums.data();
    #pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t task = 0; task < given.images * blocks; ++task) {
        const int64_t image = task / blocks, c = task % blocks * LANES;
        // Gradients before SiLU: of the step itself, and of those after it that see it.
        Lanes before[WIDEST] = {}, of_taps[WIDEST + 1] = {};
        for (int64_t t = given.length - 1; t >= 0; --t) {
            const int64_t row = image * given.length + t;
            for (int64_t j = width - 1; j > 0; --j) before[j] = before[j - 1];
            before[0] = load(grad[row] + c) * silu_slope(given.at(image, t, c));
            Lanes made = {};
            for (int64_t j = 0; j < width; ++j) {
                made += load(given.weight + (width - 1 - j) * channels + c) * before[j];
                if (j <= t) of_taps[width - 1 - j] += load(given.u[row - j] + c) * before[0];
            }
            of_taps[width] += before[0];
            store(of_u + row * channels + c, made);
        }
        for (int64_t k = 0; k <= width; ++k) store(of_images + (image * (width + 1) + k) * channels + c, of_taps[k]);
    }
    add_up(sums, (width + 1) * channels, of_weight, threads);
}

// Of a vector of channels of an image, from its last chunk to its first.
struct Walk {
    const Scan& given;
    int64_t image, c;
    Lanes *rates, *carry, *of_rates;
    Lanes skip, of_skip, of_bias;
};

// Of a thread: a chunk's decays, its states with the one before it, and sums that its vectors of channels share.
struct Memory {
    std::vector<Lanes> all;
    Lanes *decays, *states, *of_writes, *of_reads, *steps, *answers, *walks;

    Memory(int64_t chunk, int64_t n) : all(((4 * chunk + 1) + 3 * TOGETHER) * n + 2 * chunk) {
        decays = all.data();
        states = decays + chunk * n;
        of_writes = states + (chunk + 1) * n;
        of_reads = of_writes + chunk * n;
        steps = of_reads + chunk * n;
        answers = steps + chunk;
        walks = answers + chunk;
    }
};

struct Answers {
    float *u, *delta, *gate;
};

// A chunk's states once more, from the one before it.
void remake(const Walk& walk, const Rows& grad, int64_t first, int64_t steps, const Memory& own) {
    const Scan& given = walk.given;
    const int64_t states = given.states, c = walk.c;
    for (int64_t t = 0; t < steps; ++t) {
        const int64_t row = first + t;
        given.ahead(row, c);
        if (t + AHEAD < steps) __builtin_prefetch(grad[row + AHEAD] + c);
        const Lanes x = load(given.u[row] + c), step = given.step(row, c), entered = step * x;
        const float *const b = given.writes[row], *const r = given.reads[row];
        const Lanes* const h = own.states + t * states;
        Lanes *const decays = own.decays + t * states, *const next = own.states + (t + 1) * states;
        Lanes y = walk.skip * x;
        for (int64_t n = 0; n < states; ++n) {
            decays[n] = power_of_two(step * walk.rates[n]);
            next[n] = decays[n] * h[n] + entered * b[n];
            y += next[n] * r[n];
        }
        own.steps[t] = step;
        own.answers[t] = y;
    }
}

void differentiate(Walk& walk, const Rows& grad, int64_t first, int64_t steps, const Memory& own, const Answers& of) {
    const Scan& given = walk.given;
    const int64_t states = given.states, c = walk.c;
    for (int64_t t = steps - 1; t >= 0; --t) {
        const int64_t row = first + t, at = row * given.channels + c;
        const Lanes x = load(given.u[row] + c), step = own.steps[t], entered = step * x;
        const float *const b = given.writes[row], *const r = given.reads[row];
        Lanes dy = load(grad[row] + c);
        if (given.gate.at) {
            const Lanes z = load(given.gate[row] + c), s = sigmoid(z);
            store(of.gate + at, dy * own.answers[t] * s * (1.0f + z * (1.0f - s)));
            dy *= z * s;
        }
        const Lanes *const before = own.states + t * states, *const h = before + states;
        const Lanes* const decays = own.decays + t * states;
        Lanes *const of_writes = own.of_writes + t * states, *const of_reads = own.of_reads + t * states;
        Lanes of_entered = {}, of_step = {};
        for (int64_t n = 0; n < states; ++n) {
            const Lanes g = walk.carry[n] + dy * r[n], faded = g * decays[n], of_exponent = faded * before[n];
            of_reads[n] += dy * h[n];
            of_writes[n] += entered * g;
            of_entered += g * b[n];
            of_step += of_exponent * walk.rates[n];
            walk.of_rates[n] += of_exponent * step;
            walk.carry[n] = faded;
        }
        // The rates are those of powers of two.
        of_step = of_step * 0.693147181f + of_entered * x;
        const Lanes of_delta = given.positive ? of_step * sigmoid(given.raw(row, c)) : of_step;
        store(of.delta + at, of_delta);
        store(of.u + at, of_entered * step + walk.skip * dy);
        walk.of_skip += dy * x;
        walk.of_bias += of_delta;
    }
}

// ``of`` like the answer, ``of_ends`` (2, images, length, states) of what a step writes and reads, and ``of_channels``
// (states + 2, channels) of rates, direct path and bias.
void scan_gradient(const Scan& given, int64_t chunk, const float* kept, const Rows& grad, const Answers& of, float* of_ends,
                   float* of_channels, int threads) {
    const int64_t states = given.states, channels = given.channels, length = given.length;
    const int64_t groups = (channels + TOGETHER * LANES - 1) / (TOGETHER * LANES);
    const int64_t chunks = (length + chunk - 1) / chunk, rows = given.images * length;
    std::vector<float> ends(groups * 2 * rows * states), images(given.images * (states + 2) * channels);
    float *const of_groups = ends.data(), *const of_images = images.data();
    #pragma omp parallel num_threads(threads)
    {
        const Memory own(chunk, states);
        #pragma omp for schedule(static)
        for (int64_t task = 0; task < given.images * groups; ++task) {
            const int64_t image = task / groups, group = task % groups;
            std::vector<Walk> walks;
            for (int64_t i = 0; i < TOGETHER; ++i) {
                const int64_t c = (group * TOGETHER + i) * LANES;
                if (c >= channels) break;
                Lanes* const mine = own.walks + 3 * i * states;
                for (int64_t n = 0; n < states; ++n) {
                    mine[n] = load(given.rates + n * channels + c) * 1.44269504f;
                    mine[states + n] = mine[2 * states + n] = Lanes{};
                }
                const Lanes skip = given.skip ? load(given.skip + c) : Lanes{};
                walks.push_back({given, image, c, mine, mine + states, mine + 2 * states, skip, Lanes{}, Lanes{}});
            }
            for (int64_t k = chunks - 1; k >= 0; --k) {
                const int64_t first = image * length + k * chunk, steps = std::min(chunk, length - k * chunk);
                std::fill(own.of_writes, own.of_reads + steps * states, Lanes{});
                for (Walk& walk : walks) {
                    const float* const before = kept + (image * (chunks + 1) + k) * states * channels + walk.c;
                    for (int64_t n = 0; n < states; ++n) own.states[n] = load(before + n * channels);
                    remake(walk, grad, first, steps, own);
                    differentiate(walk, grad, first, steps, own, of);
                }
                float* const to = of_groups + (group * 2 * rows + first) * states;
                for (int64_t i = 0; i < steps * states; ++i) {
                    to[i] = total(own.of_writes[i]);
                    to[rows * states + i] = total(own.of_reads[i]);
                }
            }
            for (const Walk& walk : walks) {
                float* const to = of_images + image * (states + 2) * channels + walk.c;
                for (int64_t n = 0; n < states; ++n) store(to + n * channels, walk.of_rates[n]);
                store(to + states * channels, walk.of_skip);
                store(to + (states + 1) * channels, walk.of_bias);
            }
        }
    }
    add_up(ends, 2 * rows * states, of_ends, threads);
    add_up(images, (states + 2) * channels, of_channels, threads);
}

}  // namespace

extern "C" void causal_gradient_float32(CAUSAL, const float* grad, int64_t grad_stride, float* of_u, float* of_weight,
                                        int threads) {
    causal_gradient(THE_CAUSAL, {grad, grad_stride}, of_u, of_weight, threads);
}

extern "C" void scan_gradient_float32(SCAN, const float* kept, const float* grad, int64_t grad_stride, float* of_u,
                                      float* of_delta, float* of_gate, float* of_ends, float* of_channels,
                                      int threads) {
    scan_gradient(THE_SCAN, chunk, kept, {grad, grad_stride}, {of_u, of_delta, of_gate}, of_ends, of_channels, threads);
}
