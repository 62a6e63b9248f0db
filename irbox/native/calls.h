// Kernels that others call, without a call from Python between them; each is described where it is.

#pragma once

#include "maps.h"

extern "C" {
void normalize_float32_float32(const float* pixels, int64_t count, int64_t channels, const float* weight, const float* bias,
                               float eps, float* answer, int threads);
void normalize_bfloat16_bfloat16(const BFloat16* pixels, int64_t count, int64_t channels, const float* weight, const float* bias,
                                 float eps, BFloat16* answer, int threads);
void normalize_gradient_float32(const float* pixels, int64_t count, int64_t channels, const float* weight, int centred, float eps,
                                const float* of_answer, const float* base, float* of_pixels, float* of_both, int threads);
void product_float32(const float* pixels, int64_t step, int64_t count, int64_t given, const float* weight, int64_t made,
                     const float* bias, int squash, float* opened, int64_t opened_step, const float* times, int64_t times_step,
                     const float* plus, int64_t plus_step, const float* factor, float* answer, int64_t answer_step, int threads);
void product_bfloat16(const BFloat16* pixels, int64_t step, int64_t count, int64_t given, const BFloat16* weight, int64_t made,
                      const float* bias, int squash, BFloat16* opened, int64_t opened_step, const BFloat16* times,
                      int64_t times_step, const BFloat16* plus, int64_t plus_step, const float* factor, BFloat16* answer,
                      int64_t answer_step, int threads);
void open_gradient_float32(const float* pixels, int64_t step, int64_t count, int64_t given, const float* weight, int64_t made,
                           const float* opened, const float* value, float* both, float* of_value, float* of_opened,
                           int threads);
void outer_float32(const float* left, int64_t left_step, const float* right, int64_t right_step, int64_t count, int64_t of_left,
                   int64_t of_right, float* sums, float* totals, int threads);
void gate_float32(STRIP(float), const float* weight, const float* bias, float* answer, int threads);
void gate_gradient_float32(STRIP(float), const float* weight, const float* bias, const float* of_answer, float* answer,
                           float* of_map, float* of_weight, int threads);
void attend_float32(STRIP(float), int64_t dim, const float* weight, const float* bias, float* both, float* values, float* squares,
                    int threads);
void depthwise_gradient_float32(STRIP(float), const float* weight, const float* of_answer, float* of_map, float* of_weight,
                                int threads);
void attention_matrix_float32(const float* product, const float* squares, const float* temperature, const float* kernel,
                              int64_t images, int64_t heads, int64_t size, int64_t made, float* matrix, int threads);
void attention_matrix_gradient_float32(const float* product, const float* squares, const float* temperature, const float* kernel,
                                       int64_t images, int64_t heads, int64_t size, int64_t made, const float* of_matrix,
                                       float* matrix, float* of_product, float* of_squares, float* of_temperature,
                                       float* of_kernel, int threads);
}

// Pixels times ``matrix`` (given, made), and nothing else.
inline void multiply(const float* pixels, int64_t step, int64_t count, int64_t given, const float* matrix, int64_t made,
                     float* answer, int64_t answer_step, int threads) {
    product_float32(pixels, step, count, given, matrix, made, nullptr, 0, nullptr, 0, nullptr, 0, nullptr, 0, nullptr, answer,
                    answer_step, threads);
}
