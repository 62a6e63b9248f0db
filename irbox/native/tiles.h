// Products of a few rows with small matrices, for kernels that have something of their own to do with each of them.

#pragma once

#include "maps.h"

namespace {

// A tile's sums fill the registers.
constexpr int64_t ROWS = LANES == 16 ? 8 : 4, VECTORS = LANES == 16 ? 3 : 2;

// COUNT rows of ``given`` numbers times WIDE vectors of columns of ``matrix`` (given, made).
template <int64_t COUNT, int64_t WIDE, typename F>
inline void tile(const float* rows, int64_t step, int64_t given, const float* matrix, int64_t made, int64_t row, int64_t column,
                 F f) {
    Lanes sums[COUNT][WIDE] = {};
    const float* const from = rows + row * step;
    const float* line = matrix + column;
    for (int64_t k = 0; k < given; ++k, line += made) {
        Lanes weights[WIDE];
        #pragma GCC unroll 8
        for (int64_t j = 0; j < WIDE; ++j) weights[j] = load(line + j * LANES);
        #pragma GCC unroll 8
        for (int64_t i = 0; i < COUNT; ++i) {
            #pragma GCC unroll 8
            for (int64_t j = 0; j < WIDE; ++j) sums[i][j] += from[i * step + k] * weights[j];
        }
    }
    #pragma GCC unroll 8
    for (int64_t i = 0; i < COUNT; ++i) {
        #pragma GCC unroll 8
        for (int64_t j = 0; j < WIDE; ++j) f(sums[i][j], row + i, column + j * LANES);
    }
}

template <int64_t WIDE, typename F>
inline void columns(const float* rows, int64_t step, int64_t count, int64_t given, const float* matrix, int64_t made,
                    int64_t column, F f) {
    int64_t row = 0;
    for (; row + ROWS <= count; row += ROWS) tile<ROWS, WIDE>(rows, step, given, matrix, made, row, column, f);
    if (ROWS > 4 && row + 4 <= count) {
        tile<4, WIDE>(rows, step, given, matrix, made, row, column, f);
        row += 4;
    }
    for (; row < count; ++row) tile<1, WIDE>(rows, step, given, matrix, made, row, column, f);
}

// ``f(sum, row, column)`` for each vector of ``rows`` (count, given), one ``step`` behind the other, times ``matrix`` (given, made).
template <typename F>
inline void multiply(const float* rows, int64_t step, int64_t count, int64_t given, const float* matrix, int64_t made, F f) {
    int64_t column = 0;
    for (; column + VECTORS * LANES <= made; column += VECTORS * LANES) {
        columns<VECTORS>(rows, step, count, given, matrix, made, column, f);
    }
    for (; column + 2 * LANES <= made; column += 2 * LANES) columns<2>(rows, step, count, given, matrix, made, column, f);
    for (; column < made; column += LANES) columns<1>(rows, step, count, given, matrix, made, column, f);
}

// ``soon``: what is asked for meanwhile, a line for each row.
template <int64_t COUNT, int64_t WIDE>
inline void outer_tile(const float* left, int64_t left_step, const float* right, int64_t right_step, int64_t count, float* sums,
                       int64_t made, const float* soon = nullptr, int64_t soon_step = 0) {
    if (!soon) soon = left;
    Lanes sum[COUNT][WIDE];
    #pragma GCC unroll 8
    for (int64_t i = 0; i < COUNT; ++i) {
        #pragma GCC unroll 8
        for (int64_t j = 0; j < WIDE; ++j) sum[i][j] = load(sums + i * made + j * LANES);
    }
    for (int64_t row = 0; row < count; ++row, left += left_step, right += right_step, soon += soon_step) {
        // For the second cache: in the first one, which holds these rows, it would come too early.
        __builtin_prefetch(soon, 0, 2);
        Lanes line[WIDE];
        #pragma GCC unroll 8
        for (int64_t j = 0; j < WIDE; ++j) line[j] = load(right + j * LANES);
        #pragma GCC unroll 8
        for (int64_t i = 0; i < COUNT; ++i) {
            #pragma GCC unroll 8
            for (int64_t j = 0; j < WIDE; ++j) sum[i][j] += left[i] * line[j];
        }
    }
    #pragma GCC unroll 8
    for (int64_t i = 0; i < COUNT; ++i) {
        #pragma GCC unroll 8
        for (int64_t j = 0; j < WIDE; ++j) store(sums + i * made + j * LANES, sum[i][j]);
    }
}

// Adds ``left^T right`` of some rows, each one step behind the other, to ``sums`` (of_left, made): whole tiles of both.
inline void add_outer(const float* left, int64_t left_step, int64_t of_left, const float* right, int64_t right_step, int64_t made,
                      int64_t count, float* sums) {
    for (int64_t i = 0; i < of_left; i += ROWS) {
        const float* const from = left + i;
        float* const to = sums + i * made;
        int64_t j = 0;
        for (; j + VECTORS * LANES <= made; j += VECTORS * LANES) {
            outer_tile<ROWS, VECTORS>(from, left_step, right + j, right_step, count, to + j, made);
        }
        for (; j + 2 * LANES <= made; j += 2 * LANES) outer_tile<ROWS, 2>(from, left_step, right + j, right_step, count, to + j, made);
        for (; j < made; j += LANES) outer_tile<ROWS, 1>(from, left_step, right + j, right_step, count, to + j, made);
    }
}

}  // namespace
