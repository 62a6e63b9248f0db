// The small matrices of attention across channels: from sums over the pixels to what values are multiplied by, and back.

#include "tiles.h"

namespace {

// ``product`` is (images, heads, size, size), ``squares`` (images, 2, heads, size). ``kernel``: the projection, turned to
// (heads size, made); null where there is none.
struct Attention {
    const float *product, *squares, *temperature, *kernel;
    int64_t images, heads, size, made;

    int64_t row() const { return (size + LANES - 1) / LANES * LANES; }
};

// One head of one image: norms, cosines and weights, (size, row) each.
struct Head {
    std::vector<float> of_query, of_key, cosines, weights;

    explicit Head(const Attention& all)
        : of_query(all.row()), of_key(all.row()), cosines(all.size * all.row()), weights(all.size * all.row()) {}

    void make(const Attention& all, int64_t image, int64_t head) {
        const int64_t size = all.size, row = all.row();
        const float* const own = all.squares + (2 * image * all.heads + head) * size;
        for (int64_t i = 0; i < size; ++i) {
            // A channel that is zero everywhere has no direction.
            of_query[i] = own[i] <= 1e-24f ? 0 : 1 / std::sqrt(own[i]);
            const float other = own[all.heads * size + i];
            of_key[i] = other <= 1e-24f ? 0 : 1 / std::sqrt(other);
        }
        const float temperature = all.temperature[head];
        for (int64_t i = 0; i < size; ++i) {
            const float* const from = all.product + ((image * all.heads + head) * size + i) * size;
            float *const cosine = &cosines[i * row], *const weight = &weights[i * row];
            float largest = -INFINITY, sum = 0;
            for (int64_t j = 0; j < size; ++j) {
                cosine[j] = from[j] * of_query[i] * of_key[j];
                weight[j] = cosine[j] * temperature;
                largest = std::max(largest, weight[j]);
            }
            for (int64_t j = 0; j < row; j += LANES) store(weight + j, exponential(load(weight + j) - largest));
            for (int64_t j = 0; j < size; ++j) sum += weight[j];
            for (int64_t j = 0; j < size; ++j) weight[j] /= sum;
            // What is no number is to be seen.
            if (!(largest - largest == 0)) std::fill(weight, weight + size, largest - largest);
        }
    }

    // This head's rows of the image's matrix, (size, made).
    void fold(const Attention& all, int64_t head, float* to) const {
        const int64_t size = all.size, row = all.row(), made = all.made;
        memset(to, 0, 4 * size * made);
        for (int64_t i = 0; i < size; ++i) {
            const float* const kernel = all.kernel ? all.kernel + (head * size + i) * made : nullptr;
            for (int64_t j = 0; j < size; ++j) {
                const float weight = weights[i * row + j];
                if (!kernel) {
                    to[j * made + head * size + i] = weight;
                    continue;
                }
                for (int64_t o = 0; o < made; ++o) to[j * made + o] += weight * kernel[o];
            }
        }
    }
};

// ``matrix``: (images, heads size, made).
void attention_matrix(const Attention& all, float* matrix, int threads) {
    #pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t part = 0; part < all.images * all.heads; ++part) {
        Head own(all);
        own.make(all, part / all.heads, part % all.heads);
        own.fold(all, part % all.heads, matrix + part * all.size * all.made);
    }
}

// Given the matrix's gradient: those of products, squares, temperatures and of the projection, (heads size, made).
void attention_matrix_gradient(const Attention& all, const float* of_matrix, float* matrix, float* of_product, float* of_squares,
                               float* of_temperature, float* of_kernel, int threads) {
    const int64_t size = all.size, made = all.made, heads = all.heads;
    #pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t head = 0; head < heads; ++head) {
        Head own(all);
        const int64_t row = all.row();
        std::vector<float> of_weights(size), of_keys(size);
        float* const of_own = of_kernel ? of_kernel + head * size * made : nullptr;
        if (of_own) memset(of_own, 0, 4 * size * made);
        of_temperature[head] = 0;
        const float temperature = all.temperature[head];
        for (int64_t image = 0; image < all.images; ++image) {
            const int64_t part = image * heads + head;
            own.make(all, image, head);
            own.fold(all, head, matrix + part * size * made);
            const float* const grad = of_matrix + part * size * made;
            float* const to = of_squares + (2 * image * heads + head) * size;
            std::fill(of_keys.begin(), of_keys.end(), 0.0f);
            for (int64_t i = 0; i < size; ++i) {
                const float *const weight = &own.weights[i * row], *const cosine = &own.cosines[i * row];
                const float* const kernel = all.kernel ? all.kernel + (head * size + i) * made : nullptr;
                float along = 0, of_query = 0;
                for (int64_t j = 0; j < size; ++j) {
                    const float* const line = grad + j * made;
                    if (kernel) {
                        Lanes sums = {};
                        float* const learned = of_own + i * made;
                        const float by = weight[j];
                        for (int64_t o = 0; o < made; o += LANES) {
                            const Lanes one = load(line + o);
                            sums += load(kernel + o) * one;
                            store(learned + o, load(learned + o) + by * one);
                        }
                        of_weights[j] = total(sums);
                    } else {
                        of_weights[j] = line[head * size + i];
                    }
                    along += weight[j] * of_weights[j];
                }
                float* const of_products = of_product + (part * size + i) * size;
                for (int64_t j = 0; j < size; ++j) {
                    const float of_score = weight[j] * (of_weights[j] - along), both = of_score * cosine[j];
                    of_query += both;
                    of_keys[j] += both;
                    of_products[j] = of_score * temperature * own.of_query[i] * own.of_key[j];
                }
                of_temperature[head] += of_query;
                to[i] = -0.5f * temperature * of_query * own.of_query[i] * own.of_query[i];
            }
            for (int64_t j = 0; j < size; ++j) {
                to[heads * size + j] = -0.5f * temperature * of_keys[j] * own.of_key[j] * own.of_key[j];
            }
        }
    }
}

}  // namespace

extern "C" void attention_matrix_float32(const float* product, const float* squares, const float* temperature, const float* kernel,
                                         int64_t images, int64_t heads, int64_t size, int64_t made, float* matrix, int threads) {
    attention_matrix({product, squares, temperature, kernel, images, heads, size, made}, matrix, threads);
}

extern "C" void attention_matrix_gradient_float32(const float* product, const float* squares, const float* temperature,
                                                  const float* kernel, int64_t images, int64_t heads, int64_t size, int64_t made,
                                                  const float* of_matrix, float* matrix, float* of_product, float* of_squares,
                                                  float* of_temperature, float* of_kernel, int threads) {
    attention_matrix_gradient({product, squares, temperature, kernel, images, heads, size, made}, of_matrix, matrix, of_product,
                              of_squares, of_temperature, of_kernel, threads);
}
