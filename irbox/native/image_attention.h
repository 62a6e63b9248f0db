// Attention across channels of some images: from queries, keys and values side by side to its answer, and back.

#pragma once

#include "image_layers.h"

namespace {

// ``taps``: (9, 3 dim); ``temperature``: (heads); ``project``: (dim, dim), turned, what comes in first.
struct Attention {
    int64_t height, width, dim, heads;
    const float *taps, *temperature, *project;

    int64_t in_image() const { return height * width; }
    int64_t size() const { return dim / heads; }
    // Products are of whole vectors: of narrower heads all are taken at once.
    bool apart() const { return size() % 16 == 0; }

    // ``sums`` (dim, dim): products of queries and keys, of which ``product`` (heads, size, size) are wanted.
    void take_heads(const float* sums, float* product) const {
        for (int64_t i = 0; i < dim; ++i) memcpy(product + i * size(), sums + i * dim + i / size() * size(), 4 * size());
    }

    // ``product`` of all images, and the squares of queries and keys, (images, 2 dim), given both side by side.
    void multiply(const float* both, int64_t images, float* product, float* sums, int threads) const {
        const int64_t count = in_image(), of_image = dim * size();
        for (int64_t image = 0; image < images; ++image, both += count * 2 * dim, product += of_image) {
            if (apart()) {
                std::fill(product, product + of_image, 0.0f);
                for (int64_t head = 0; head < heads; ++head) {
                    const float* const query = both + head * size();
                    outer_float32(query, 2 * dim, query + dim, 2 * dim, count, size(), size(), product + head * size() * size(),
                                  nullptr, threads);
                }
            } else {
                std::fill(sums, sums + dim * dim, 0.0f);
                outer_float32(both, 2 * dim, both + dim, 2 * dim, count, dim, dim, sums, nullptr, threads);
                take_heads(sums, product);
            }
        }
    }

    // What a forward pass needs room for, for so many images.
    int64_t forward_room(int64_t images) const {
        return Arena::whole(images * in_image() * 2 * dim) + Arena::whole(images * dim * dim) + Arena::whole(dim * dim);
    }

    // From the wide map to values, products, squares and the answer, plus ``plus`` unless that is null.
    void forward(const float* wide, int64_t images, const float* plus, float* values, float* product, float* squares, float* answer,
                 float* room, int threads) const {
        const int64_t count = in_image();
        float* const both = room;
        float* const matrix = both + Arena::whole(images * count * 2 * dim);
        attend_float32(wide, images, height, width, 3 * dim, 0, dim, taps, nullptr, both, values, squares, threads);
        multiply(both, images, product, matrix + Arena::whole(images * dim * dim), threads);
        attention_matrix_float32(product, squares, temperature, project, images, heads, size(), dim, matrix, threads);
        for (int64_t image = 0; image < images; ++image) {
            const int64_t at = image * count * dim;
            multiply_and_add(values + at, dim, count, dim, matrix + image * dim * dim, dim, plus ? plus + at : nullptr, dim,
                             nullptr, answer + at, dim, threads);
        }
    }

    int64_t backward_room(int64_t images) const {
        const int64_t pixels = images * in_image(), squares = Arena::whole(images * 2 * dim);
        return Arena::whole(pixels * 2 * dim) + Arena::whole(pixels * 3 * dim) + 2 * Arena::whole(images * dim * dim) +
               Arena::whole(images * dim * size()) + 2 * squares + 2 * Arena::whole(dim * dim);
    }

    // Given the answer's gradient: that of the wide map, of the taps (10, 3 dim), of the temperatures and of the projection.
    void backward(const float* wide, int64_t images, const float* values, const float* product, const float* squares,
                  const float* of_answer, float* of_map, float* of_taps, float* of_temperature, float* of_project, float* room,
                  int threads) const {
        const int64_t count = in_image(), pixels = images * count;
        float* const both = room;
        float* const of_wide = both + Arena::whole(pixels * 2 * dim);
        float* const of_matrix = of_wide + Arena::whole(pixels * 3 * dim);
        float* const matrix = of_matrix + Arena::whole(images * dim * dim);
        float* const of_product = matrix + Arena::whole(images * dim * dim);
        float* const of_squares = of_product + Arena::whole(images * dim * size());
        float* const unused = of_squares + Arena::whole(images * 2 * dim);
        float* const turned = unused + Arena::whole(images * 2 * dim);
        float* const whole = turned + Arena::whole(dim * dim);
        std::fill(of_matrix, of_matrix + images * dim * dim, 0.0f);
        for (int64_t image = 0; image < images; ++image) {
            const int64_t at = image * count * dim;
            outer_float32(values + at, dim, of_answer + at, dim, count, dim, dim, of_matrix + image * dim * dim, nullptr, threads);
        }
        attention_matrix_gradient_float32(product, squares, temperature, project, images, heads, size(), dim, of_matrix, matrix,
                                          of_product, of_squares, of_temperature, of_project, threads);
        attend_float32(wide, images, height, width, 3 * dim, 0, dim, taps, nullptr, both, nullptr, unused, threads);
        for (int64_t image = 0; image < images; ++image) {
            float* const to = of_wide + image * count * 3 * dim;
            turn(matrix + image * dim * dim, dim, dim, dim, turned, dim);
            ::multiply(of_answer + image * count * dim, dim, count, dim, turned, dim, to + 2 * dim, 3 * dim, threads);
            float* const twice = of_squares + image * 2 * dim;
            for (int64_t i = 0; i < 2 * dim; ++i) twice[i] *= 2;
            of_both(both + image * count * 2 * dim, of_product + image * dim * size(), twice, to, turned, whole, threads);
        }
        depthwise_gradient_float32(wide, images, height, width, 3 * dim, 0, taps, of_wide, of_map, of_taps, threads);
    }

  private:
    // Of one image's queries and keys, given D, the gradient of ``q^T k``: ``k D^T`` and ``q D``, plus themselves by ``twice``.
    void of_both(const float* both, const float* of_product, const float* twice, float* to, float* turned, float* whole,
                 int threads) const {
        const int64_t count = in_image(), groups = apart() ? heads : 1, wide = dim / groups;
        for (int64_t group = 0; group < groups; ++group) {
            const float* of_keys = of_product + group * wide * wide;
            if (!apart()) {
                std::fill(whole, whole + dim * dim, 0.0f);
                for (int64_t i = 0; i < dim; ++i) memcpy(whole + i * dim + i / size() * size(), of_product + i * size(), 4 * size());
                of_keys = whole;
            }
            turn(of_keys, wide, wide, wide, turned, wide);
            const int64_t query = group * wide, key = dim + query;
            multiply_and_add(both + key, 2 * dim, count, wide, turned, wide, both + query, 2 * dim, twice + query, to + query,
                             3 * dim, threads);
            multiply_and_add(both + query, 2 * dim, count, wide, of_keys, wide, both + key, 2 * dim, twice + key, to + key, 3 * dim,
                             threads);
        }
    }
};

}  // namespace
