// Mamba's causal convolution and selective scan on a CPU, each in one pass over memory.

#include "scans.h"

namespace {

// SiLU of the convolution: ``answer`` (images, length, channels).
void causal(const Causal& given, float* answer, int threads) {
    #pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t row = 0; row < given.images * given.length; ++row) {
        for (int64_t c = 0; c < given.channels; c += LANES) {
            const Lanes x = given.at(row / given.length, row % given.length, c);
            store(answer + row * given.channels + c, x * sigmoid(x));
        }
    }
}

// ``answer`` (images, length, channels); ``kept``, where it is not null, (images, chunks + 1, states, channels).
void scan(const Scan& given, int64_t chunk, float* answer, float* kept, int threads) {
    const int64_t blocks = given.channels / LANES, states = given.states, channels = given.channels;
    const int64_t boundaries = (given.length + chunk - 1) / chunk + 1;
    #pragma omp parallel num_threads(threads)
    {
        std::vector<Lanes> memory(2 * states);
        Lanes *const h = memory.data(), *const rates = h + states;
        #pragma omp for schedule(static)
        for (int64_t task = 0; task < given.images * blocks; ++task) {
            const int64_t image = task / blocks, c = task % blocks * LANES;
            const auto keep = [=](int64_t boundary) {
                float* const to = kept + (image * boundaries + boundary) * states * channels + c;
                for (int64_t n = 0; kept && n < states; ++n) store(to + n * channels, h[n]);
            };
            for (int64_t n = 0; n < states; ++n) {
                h[n] = Lanes{};
                rates[n] = load(given.rates + n * channels + c) * 1.44269504f;
            }
            const Lanes skip = given.skip ? load(given.skip + c) : Lanes{};
            for (int64_t t = 0; t < given.length; ++t) {
                if (t % chunk == 0) keep(t / chunk);
                const int64_t row = image * given.length + t;
                given.ahead(row, c);
                const Lanes x = load(given.u[row] + c), step = given.step(row, c), entered = step * x;
                const float *const b = given.writes[row], *const r = given.reads[row];
                Lanes y = skip * x;
                for (int64_t n = 0; n < states; ++n) {
                    h[n] = power_of_two(step * rates[n]) * h[n] + entered * b[n];
                    y += h[n] * r[n];
                }
                if (given.gate.at) {
                    const Lanes z = load(given.gate[row] + c);
                    y *= z * sigmoid(z);
                }
                store(answer + row * channels + c, y);
            }
            keep(boundaries - 1);
        }
    }
}

}  // namespace

extern "C" void causal_float32(CAUSAL, float* answer, int threads) { causal(THE_CAUSAL, answer, threads); }

extern "C" void scan_float32(SCAN, float* answer, float* kept, int threads) {
    scan(THE_SCAN, chunk, answer, kept, threads);
}
