// Sequences of rows of channels: Mamba's causal convolution and selective scan at a step.
//
// Time is walked along with a vector of channels in all their states, which stay in the innermost cache. Sums over channels and
// images are taken in an order that depends neither on time nor on the number of threads.

#pragma once

#include <algorithm>
#include <vector>

#include "lanes.h"

namespace {

// Steps that are asked for ahead: a step's rows lie too far apart for a processor to foresee them.
constexpr int64_t AHEAD = 8;
// Taps of a convolution.
constexpr int64_t WIDEST = 4;

// A sequence's rows, those of all images below one another: a part of wider ones if ``stride`` is larger than they are.
struct Rows {
    const float* at;
    int64_t stride;

    const float* operator[](int64_t row) const { return at + row * stride; }
};

// Number by number: of vectors that a processor lacks, compilers take comparisons apart.
inline Lanes between(Lanes x, float least, float most) {
    float each[LANES];
    store(each, x);
    for (int64_t i = 0; i < LANES; ++i) each[i] = each[i] < least ? least : each[i];
    for (int64_t i = 0; i < LANES; ++i) each[i] = each[i] > most ? most : each[i];
    return load(each);
}

// 2^x: a polynomial for what is left of the whole number, right to 2e-7 of the answer.
inline Lanes power_of_two(Lanes x) {
    x = between(x, -126.0f, 128.0f);
    // Adding 1.5 times 2^23 rounds to a whole number, which the lowest bits then hold.
    const Lanes moved = x + 12582912.0f;
    const Lanes rest = x - (moved - 12582912.0f);
    Lanes sum = 0.00132647261f * rest + 0.00967151304f;
    sum = sum * rest + 0.0555073375f;
    sum = sum * rest + 0.240222421f;
    sum = sum * rest + 0.693146978f;
    sum = sum * rest + 1.0f;
    return sum * (Lanes)(((Bits)moved << 23) + 0x3f800000);
}

// log(1 + e^x): with e = e^-|x|, log(1 + e) is 2 artanh(e / (2 + e)), a series. Right to 1e-6 of the answer.
inline Lanes softplus(Lanes x) {
    const Lanes zero = {};
    const Lanes e = exponential(x > zero ? -x : x);
    const Lanes part = e / (2.0f + e), s = part * part;
    Lanes sum = 0.28012001f * s + 0.280018025f;
    sum = sum * s + 0.400215274f;
    sum = sum * s + 0.666664163f;
    sum = sum * s + 2.0f;
    // Written so that what is no number stays.
    return part * sum + (x < zero ? zero : x);
}

struct Causal {
    Rows u;
    int64_t images, length, channels, width;
    const float *weight, *bias;

    // Of a vector of channels at a step: the last tap is the step's own.
    Lanes at(int64_t image, int64_t t, int64_t c) const {
        Lanes sum = bias ? load(bias + c) : Lanes{};
        for (int64_t k = std::max<int64_t>(width - 1 - t, 0); k < width; ++k) {
            sum += load(weight + k * channels + c) * load(u[image * length + t - width + 1 + k] + c);
        }
        return sum;
    }
};

struct Scan {
    Rows u, delta, writes, reads, gate;
    int64_t images, length, channels, states;
    const float *rates, *skip, *bias;
    bool positive;

    Lanes raw(int64_t row, int64_t c) const {
        const Lanes x = load(delta[row] + c);
        return bias ? x + load(bias + c) : x;
    }

    // The time step of a vector of channels.
    Lanes step(int64_t row, int64_t c) const { return positive ? softplus(raw(row, c)) : raw(row, c); }

    // Asks for what is read some steps later.
    void ahead(int64_t row, int64_t c) const {
        if (row + AHEAD >= images * length) return;
        __builtin_prefetch(u[row + AHEAD] + c);
        __builtin_prefetch(delta[row + AHEAD] + c);
        if (gate.at) __builtin_prefetch(gate[row + AHEAD] + c);
    }
};

}  // namespace

#define CAUSAL                                                                                                         \
    const float *u, int64_t u_stride, int64_t images, int64_t length, int64_t channels, int64_t width,                 \
        const float *weight, const float *bias

#define THE_CAUSAL \
    { {u, u_stride}, images, length, channels, width, weight, bias }

#define SCAN                                                                                                           \
    const float *u, int64_t u_stride, const float *delta, int64_t delta_stride, const float *writes,                   \
        int64_t writes_stride, const float *reads, int64_t reads_stride, const float *gate, int64_t gate_stride,       \
        int64_t images, int64_t length, int64_t channels, int64_t states, const float *rates, const float *skip,       \
        const float *bias, int positive, int64_t chunk

#define THE_SCAN                                                                                                       \
    {                                                                                                                  \
        {u, u_stride}, {delta, delta_stride}, {writes, writes_stride}, {reads, reads_stride}, {gate, gate_stride},     \
            images, length, channels, states, rates, skip, bias, bool(positive)                                        \
    }
