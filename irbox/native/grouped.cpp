// Products of pixels with matrices that each image, and each group of channels, has for itself.

#include "tiles.h"

namespace {

constexpr int64_t BLOCK = 64;

// Pixels whose values lie side by side: one pixel ``step`` behind the other, one image ``whole`` behind the other.
template <typename T>
struct Images {
    T* first;
    int64_t whole, step;
};

struct Groups {
    int64_t images, count, number, given, made;
};

// Each group's ``given`` channels times its matrix (given, made) into its ``made`` channels of the answer, or added to those.
void grouped(const Groups& all, const Images<const float>& pixels, const float* matrices, bool adds, const Images<float>& answer,
             int threads) {
    const int64_t blocks = (all.count + BLOCK - 1) / BLOCK;
    #pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t part = 0; part < all.images * blocks; ++part) {
        const int64_t image = part / blocks, begin = part % blocks * BLOCK, count = std::min(BLOCK, all.count - begin);
        for (int64_t group = 0; group < all.number; ++group) {
            const float* const from = pixels.first + image * pixels.whole + begin * pixels.step + group * all.given;
            const float* const matrix = matrices + (image * all.number + group) * all.given * all.made;
            float* const to = answer.first + image * answer.whole + begin * answer.step + group * all.made;
            const int64_t step = answer.step;
            multiply(from, pixels.step, count, all.given, matrix, all.made, [=](Lanes sum, int64_t row, int64_t column) {
                float* const at = to + row * step + column;
                store(at, adds ? load(at) + sum : sum);
            });
        }
    }
}

// Adds each group's ``left^T right``, summed over an image's pixels, to ``sums`` (images, number, given, made).
void grouped_outer(const Groups& all, const Images<const float>& left, const Images<const float>& right, float* sums, int threads) {
    #pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t part = 0; part < all.images * all.number; ++part) {
        const int64_t image = part / all.number, group = part % all.number;
        const float* const from = left.first + image * left.whole + group * all.given;
        const float* const other = right.first + image * right.whole + group * all.made;
        for (int64_t pixel = 0; pixel < all.count; pixel += BLOCK) {
            add_outer(from + pixel * left.step, left.step, all.given, other + pixel * right.step, right.step, all.made,
                      std::min(BLOCK, all.count - pixel), sums + part * all.given * all.made);
        }
    }
}

}  // namespace

extern "C" void grouped_float32(const float* pixels, int64_t whole, int64_t step, int64_t images, int64_t count, int64_t number,
                                int64_t given, const float* matrices, int64_t made, int adds, float* answer,
                                int64_t answer_whole, int64_t answer_step, int threads) {
    grouped({images, count, number, given, made}, {pixels, whole, step}, matrices, bool(adds), {answer, answer_whole, answer_step},
            threads);
}

extern "C" void grouped_outer_float32(const float* left, int64_t left_whole, int64_t left_step, const float* right,
                                      int64_t right_whole, int64_t right_step, int64_t images, int64_t count, int64_t number,
                                      int64_t given, int64_t made, float* sums, int threads) {
    grouped_outer({images, count, number, given, made}, {left, left_whole, left_step}, {right, right_whole, right_step}, sums,
                  threads);
}
