// The 3x3 of bfloat16 maps by products of pairs (AVX-512 BF16): two rows of answers and 32 channels at once.
//
// Rows are taken two by two, value beside value, so that one instruction adds a column's two taps. Sums are float, as
// everywhere; what follows them needs no more digits than bfloat16 has.

#pragma once

#include "maps.h"

#ifdef __AVX512BF16__

namespace {

constexpr int64_t PAIR = 2 * LANES;

// 32 channels as two vectors: the first four of every eight, and the others, which is how rows are laid side by side.
struct Pair {
    Lanes part[2];
};

inline __m512bh beside(const void* above, const void* below, int part) {
    const __m512i a = _mm512_loadu_si512(above), b = _mm512_loadu_si512(below);
    return (__m512bh)(part ? _mm512_unpackhi_epi16(a, b) : _mm512_unpacklo_epi16(a, b));
}

inline __m512bh pair_at(const float* from) { return (__m512bh)_mm512_loadu_si512(from); }

inline Lanes add_products(Lanes sum, __m512bh a, __m512bh b) { return (Lanes)_mm512_dpbf16_ps((__m512)sum, a, b); }

// Channels in their own order.
inline void store(BFloat16* to, const Pair& x) {
    alignas(64) static constexpr uint16_t order[PAIR] = {0, 1, 2,  3,  16, 17, 18, 19, 4,  5,  6,  7,  20, 21, 22, 23,
                                                         8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31};
    const __m512i both = (__m512i)_mm512_cvtne2ps_pbh((__m512)x.part[1], (__m512)x.part[0]);
    _mm512_storeu_si512(to, _mm512_permutexvar_epi16(_mm512_load_si512(order), both));
}

inline Pair load_pair(const float* from) {
    const __m512 a = _mm512_loadu_ps(from), b = _mm512_loadu_ps(from + LANES);
    const __m512 low = _mm512_shuffle_f32x4(a, b, 0x88), high = _mm512_shuffle_f32x4(a, b, 0xdd);
    return {{(Lanes)low, (Lanes)high}};
}

inline void store(float* to, const Pair& x) {
    const __m512 low = (__m512)x.part[0], high = (__m512)x.part[1];
    const __m512i first = _mm512_setr_epi32(0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
    const __m512i second = _mm512_setr_epi32(8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31);
    _mm512_storeu_ps(to, _mm512_permutex2var_ps(low, first, high));
    _mm512_storeu_ps(to + LANES, _mm512_permutex2var_ps(low, second, high));
}

inline Lanes quotient(Lanes above, Lanes below) { return above * (Lanes)_mm512_rcp14_ps((__m512)below); }

// As ``gelu``, right to 6e-5.
inline Lanes short_gelu(Lanes x) {
    const Lanes zero = {};
    const Lanes limit = zero + 4.0f;
    Lanes near = (Lanes)_mm512_min_ps((__m512)x, (__m512)limit);
    near = (Lanes)_mm512_max_ps((__m512)near, (__m512)-limit);
    const Lanes s = near * near;
    Lanes above = 5.33630008e-3f * s + 6.53124107e-2f;
    above = above * s + 7.97754165e-1f;
    Lanes below = 4.46395595e-4f * s + 2.35981254e-2f;
    below = below * s + 2.47936798e-1f;
    below = below * s + 1.0f;
    const Lanes half = 0.5f * x;
    return half + half * quotient(near * above, below);
}

// As ``sigmoid``, right to 1e-4 of the answer.
inline Lanes short_sigmoid(Lanes x) {
    const Lanes zero = {};
    const Lanes limit = zero + 87.0f;
    // Of two numbers one of which is none these instructions give the second: it stays none.
    Lanes power = (Lanes)_mm512_min_ps((__m512)limit, (__m512)-x);
    power = (Lanes)_mm512_max_ps((__m512)-limit, (__m512)power) * 1.44269504f;
    const Lanes moved = power + 12582912.0f;
    const Lanes rest = power - (moved - 12582912.0f);
    Lanes e = 9.6709e-3f * rest + 5.5825e-2f;
    e = e * rest + 2.40231e-1f;
    e = e * rest + 6.93146e-1f;
    e = e * rest + 1.0f;
    const Lanes scale = (Lanes)(((Bits)moved << 23) + 0x3f800000);
    return (Lanes)_mm512_rcp14_ps((__m512)(1.0f + e * scale));
}

// Calls ``f`` with the first of 32 channels, for all of them; where half a pair is left, some come twice.
template <typename F>
inline void each_pair(int64_t channels, F f) {
    for (int64_t c = 0; c < channels; c += PAIR) f(std::min(c, channels - PAIR));
}

// The taps of all channels, laid out as rows are: for each 32 channels that begin with a vector two parts of three columns of
// four pairs, and the bias.
struct PairedTaps {
    static constexpr int64_t SIZE = 2 * (12 + 1) * LANES;
    std::vector<float> memory;

    PairedTaps(const float* weight, const float* bias, int64_t channels) : memory((channels / LANES - 1) * SIZE) {
        float* to = memory.data();
        const __m512i nothing = _mm512_setzero_si512();
        for (int64_t c = 0; c + PAIR <= channels; c += LANES, to += SIZE) {
            for (int64_t j = 0; j < 3; ++j) {
                __m512i tap[3];
                for (int64_t i = 0; i < 3; ++i) {
                    const float* from = weight + (3 * i + j) * channels + c;
                    const __m512 first = _mm512_loadu_ps(from), second = _mm512_loadu_ps(from + LANES);
                    tap[i] = (__m512i)_mm512_cvtne2ps_pbh(second, first);
                }
                // Of the first row's answer, then of the second's: with rows 0 and 1, with rows 2 and 3.
                const __m512i pairs[4][2] = {{tap[0], tap[1]}, {tap[2], nothing}, {nothing, tap[0]}, {tap[1], tap[2]}};
                for (int64_t k = 0; k < 4; ++k) {
                    for (int part = 0; part < 2; ++part) {
                        const __m512bh both = beside(&pairs[k][0], &pairs[k][1], part);
                        memcpy(to + ((part * 3 + j) * 4 + k) * LANES, &both, sizeof both);
                    }
                }
            }
            const Pair start = bias ? load_pair(bias + c) : Pair{};
            memcpy(to + 24 * LANES, &start, sizeof start);
        }
    }

    const float* of(int64_t channel) const { return memory.data() + channel / LANES * SIZE; }
};

// Four rows of COUNT columns and of one on each side, around two rows of answers. Where the map ends, zeros.
template <int64_t COUNT>
struct FourRows {
    const BFloat16* at[COUNT + 2][4];

    // ``row``: null where there is none. ``zeros``: as long as the channels.
    FourRows(const BFloat16* const* row, int64_t x, int64_t width, int64_t channels, const BFloat16* zeros) {
        for (int64_t k = 0; k < COUNT + 2; ++k) {
            const int64_t column = x + k - 1;
            const bool inside = column >= 0 && column < width;
            for (int i = 0; i < 4; ++i) at[k][i] = inside && row[i] ? row[i] + column * channels : zeros;
        }
    }

    // One part of 32 channels of COUNT pixels of two rows, convolved: ``sums[row][pixel]``.
    void convolve(const float* taps, int part, int64_t channel, Lanes (*sums)[COUNT]) const {
        const Lanes start = load(taps + (24 + part) * LANES);
        // Rows are read for either part: kept for both they would fill all registers.
        __asm__ volatile("" ::: "memory");
        __m512bh upper[COUNT + 2], lower[COUNT + 2];
        #pragma GCC unroll 8
        for (int64_t k = 0; k < COUNT + 2; ++k) {
            upper[k] = beside(at[k][0] + channel, at[k][1] + channel, part);
            lower[k] = beside(at[k][2] + channel, at[k][3] + channel, part);
        }
        #pragma GCC unroll 8
        for (int64_t k = 0; k < COUNT; ++k) sums[0][k] = sums[1][k] = start;
        #pragma GCC unroll 8
        for (int64_t j = 0; j < 3; ++j) {
            const float* const tap = taps + (part * 3 + j) * 4 * LANES;
            #pragma GCC unroll 8
            for (int64_t k = 0; k < COUNT; ++k) {
                sums[0][k] = add_products(sums[0][k], upper[k + j], pair_at(tap));
                sums[1][k] = add_products(sums[1][k], upper[k + j], pair_at(tap + 2 * LANES));
            }
            #pragma GCC unroll 8
            for (int64_t k = 0; k < COUNT; ++k) {
                sums[0][k] = add_products(sums[0][k], lower[k + j], pair_at(tap + 1 * LANES));
                sums[1][k] = add_products(sums[1][k], lower[k + j], pair_at(tap + 3 * LANES));
            }
        }
    }
};

// Calls ``f<COUNT>(near, line, x, rows)`` as ``Strip::each`` does, for two rows: the second is only there where ``rows`` is 2.
template <int64_t TOGETHER, typename F>
void each_two_rows(const Strip<BFloat16>& strip, int threads, F f) {
    const int64_t width = strip.width, channels = strip.channels, left = strip.left, last = strip.inner();
    const int64_t runs = (last + TOGETHER - 1) / TOGETHER, couples = (strip.rows + 1) / 2;
    const std::vector<BFloat16> zeros(channels);
    #pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t run = 0; run < strip.images * couples * runs; ++run) {
        const int64_t couple = run / runs, x = run % runs * TOGETHER;
        const int64_t image = couple / couples, line = couple % couples * 2;
        const BFloat16* row[4];
        for (int64_t i = 0; i < 4; ++i) {
            row[i] = strip.row_near(image, line, i - 1);
            if (row[i] && i > 1 && x + TOGETHER < last) {
                const int64_t first = left + x + TOGETHER + 1;
                fetch(row[i] + first * channels, std::min(TOGETHER, width - first) * channels);
            }
        }
        const int64_t of_all = image * strip.rows + line, rows = std::min<int64_t>(2, strip.rows - line);
        if (x + TOGETHER <= last) {
            f(FourRows<TOGETHER>(row, left + x, width, channels, zeros.data()), of_all, x, rows);
        } else {
            for (int64_t k = x; k < last; ++k) f(FourRows<1>(row, left + k, width, channels, zeros.data()), of_all, k, rows);
        }
    }
}

// 32 channels of two rows' pixels, convolved: ``use(row, pixel, sums)``.
template <int64_t COUNT, typename Use>
inline void convolve_two_rows(const FourRows<COUNT>& near, const float* taps, int64_t channel, int64_t rows, Use use) {
    Lanes first[2][COUNT], second[2][COUNT];
    near.convolve(taps, 0, channel, first);
    near.convolve(taps, 1, channel, second);
    #pragma GCC unroll 8
    for (int64_t r = 0; r < 2; ++r) {
        if (r == rows) break;
        #pragma GCC unroll 8
        for (int64_t k = 0; k < COUNT; ++k) use(r, k, Pair{{first[r][k], second[r][k]}});
    }
}

// See ``kernels.cpp``, for this and what follows. Only for whole pairs of vectors.
inline void gate_by_pairs(const Strip<BFloat16>& strip, const float* weight, const float* bias, BFloat16* answer,
                          int threads) {
    const int64_t half = strip.channels / 2;
    const PairedTaps taps(weight, bias, strip.channels);
    each_two_rows<4>(strip, threads, [&]<int64_t COUNT>(const FourRows<COUNT>& near, int64_t line, int64_t x, int64_t rows) {
        each_pair(half, [&](int64_t c) {
            Lanes made[2][2][COUNT];
            for (int part = 0; part < 2; ++part) {
                Lanes value[2][COUNT];
                near.convolve(taps.of(c), part, c, made[part]);
                near.convolve(taps.of(half + c), part, half + c, value);
                #pragma GCC unroll 8
                for (int64_t r = 0; r < 2; ++r) {
                    #pragma GCC unroll 8
                    for (int64_t k = 0; k < COUNT; ++k) made[part][r][k] = short_gelu(made[part][r][k]) * value[r][k];
                }
            }
            #pragma GCC unroll 8
            for (int64_t r = 0; r < 2; ++r) {
                if (r == rows) break;
                #pragma GCC unroll 8
                for (int64_t k = 0; k < COUNT; ++k) {
                    BFloat16* to = answer + (strip.own(line + r, x) + k) * half + c;
                    store(to, Pair{{made[0][r][k], made[1][r][k]}});
                }
            }
        });
    });
}

inline void attend_by_pairs(const Strip<BFloat16>& strip, int64_t dim, const float* weight, const float* bias,
                            BFloat16* both, BFloat16* values, float* squares, int threads) {
    const int64_t size = strip.images * 2 * dim;
    std::vector<float> sums(threads * size, 0.0f);
    float* const of_threads = sums.data();
    const PairedTaps taps(weight, bias, strip.channels);
    each_two_rows<4>(strip, threads, [&]<int64_t COUNT>(const FourRows<COUNT>& near, int64_t line, int64_t x, int64_t rows) {
        float* const own = of_threads + thread() * size + line / strip.rows * 2 * dim;
        for (int64_t c = 0; c < 2 * dim; c += PAIR) {
            Pair sum;
            memcpy(&sum, own + c, sizeof sum);
            convolve_two_rows<COUNT>(near, taps.of(c), c, rows, [&](int64_t r, int64_t k, const Pair& made) {
                store(both + (strip.own(line + r, x) + k) * 2 * dim + c, made);
                for (int part = 0; part < 2; ++part) sum.part[part] += made.part[part] * made.part[part];
            });
            memcpy(own + c, &sum, sizeof sum);
        }
        if (!values) return;
        each_pair(dim, [&](int64_t c) {
            convolve_two_rows<COUNT>(near, taps.of(2 * dim + c), 2 * dim + c, rows,
                                     [&](int64_t r, int64_t k, const Pair& made) {
                                         store(values + (strip.outside(line + r, x) + k) * dim + c, made);
                                     });
        });
    });
    for (int64_t c = 0; c < size; c += PAIR) {
        Pair sum = {};
        for (int j = 0; j < threads; ++j) {
            Pair one;
            memcpy(&one, of_threads + j * size + c, sizeof one);
            for (int part = 0; part < 2; ++part) sum.part[part] += one.part[part];
        }
        store(squares + c, sum);
    }
}

inline void mask_by_pairs(const Strip<BFloat16>& strip, int64_t dim, const float* weight, const float* bias,
                          BFloat16* answer, int threads) {
    const PairedTaps taps(weight, bias, strip.channels);
    each_two_rows<4>(strip, threads, [&]<int64_t COUNT>(const FourRows<COUNT>& near, int64_t line, int64_t x, int64_t rows) {
        each_pair(dim, [&](int64_t c) {
            convolve_two_rows<COUNT>(near, taps.of(c), c, rows, [&](int64_t r, int64_t k, const Pair& made) {
                const Pair squashed = {{short_sigmoid(made.part[0]), short_sigmoid(made.part[1])}};
                store(answer + (strip.outside(line + r, x) + k) * dim + c, squashed);
            });
        });
    });
}

}  // namespace

#endif
