// Which experts each pixel goes to: the best of its scores, and a softmax over those.

#include "maps.h"

namespace {

// ``scores`` and ``weights``: (count, number), zero where an expert is not among the best ``top``; ``load``: (number,), how often
// each one is. What is no number is taken for the best, so that it is seen.
void route(const float* scores, int64_t count, int64_t number, int64_t top, float* weights, float* load, int threads) {
    std::vector<int64_t> counts(threads * number, 0);
    int64_t* const of_threads = counts.data();
    #pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t part = 0; part < threads; ++part) {
        int64_t* const own = of_threads + part * number;
        for (int64_t pixel = count * part / threads; pixel < count * (part + 1) / threads; ++pixel) {
            const float* const from = scores + pixel * number;
            float *const to = weights + pixel * number, sum = 0, largest = 0;
            memset(to, 0, 4 * number);
            if (top == 2) {
                // Without a branch that no processor foresees.
                float a = from[0], b = from[1];
                int64_t first = 0, second = 1;
                if (!(b <= a)) std::swap(a, b), std::swap(first, second);
                for (int64_t i = 2; i < number; ++i) {
                    const float x = from[i];
                    const bool leads = !(x <= a), follows = !(x <= b);
                    second = leads ? first : follows ? i : second;
                    b = leads ? a : follows ? x : b;
                    first = leads ? i : first;
                    a = leads ? x : a;
                }
                const float other = std::exp(b - a);
                to[first] = 1 / (1 + other);
                to[second] = other / (1 + other);
                ++own[first];
                ++own[second];
                continue;
            }
            for (int64_t k = 0; k < top; ++k) {
                int64_t best = -1;
                for (int64_t i = 0; i < number; ++i) {
                    // Those that were taken hold a number above zero already.
                    if (to[i] == 0 && (best < 0 || !(from[i] <= from[best]))) best = i;
                }
                if (best < 0) break;
                if (k == 0) largest = from[best];
                // At least the smallest number, which is lost in the sum: it was taken.
                to[best] = std::max(std::exp(from[best] - largest), 1e-38f);
                if (from[best] != from[best]) to[best] = from[best];
                sum += to[best];
                ++own[best];
            }
            for (int64_t i = 0; i < number; ++i) to[i] /= sum;
        }
    }
    for (int64_t i = 0; i < number; ++i) {
        int64_t found = 0;
        for (int j = 0; j < threads; ++j) found += of_threads[j * number + i];
        load[i] = float(found);
    }
}

}  // namespace

extern "C" void route_float32(const float* scores, int64_t count, int64_t number, int64_t top, float* weights, float* load,
                              int threads) {
    route(scores, count, number, top, weights, load, threads);
}
