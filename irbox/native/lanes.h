// Some channels at once, in float whatever type the map has: reading, writing and the functions that are asked for.

#pragma once

#include <cstdint>
#include <cstring>

#ifdef __AVX512BF16__
#include <immintrin.h>
#endif

struct BFloat16 {
    uint16_t bits;
};

namespace {

// As many as a register holds: compilers take larger vectors apart badly. A divisor of 16, which maps are padded to.
#ifdef __AVX512F__
constexpr int64_t LANES = 16;
#elif defined(__AVX2__)
constexpr int64_t LANES = 8;
#else
constexpr int64_t LANES = 4;
#endif

typedef float Lanes __attribute__((vector_size(4 * LANES)));
typedef float HalfLanes __attribute__((vector_size(2 * LANES)));
typedef uint32_t Bits __attribute__((vector_size(4 * LANES)));
typedef uint16_t Halves __attribute__((vector_size(2 * LANES)));

inline Lanes load(const float* from) {
    Lanes x;
    memcpy(&x, from, sizeof x);
    return x;
}

inline Lanes load(const BFloat16* from) {
    Halves x;
    memcpy(&x, from, sizeof x);
    return (Lanes)(__builtin_convertvector(x, Bits) << 16);
}

inline void store(float* to, Lanes x) { memcpy(to, &x, sizeof x); }

inline void store(BFloat16* to, Lanes x) {
#ifdef __AVX512BF16__
    const __m256bh halves = _mm512_cvtneps_pbh((__m512)x);
    memcpy(to, &halves, sizeof halves);
#else
    // To the nearest, to the even one of two.
    const Bits bits = (Bits)x;
    const Bits rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
    const Bits not_a_number = {};
    const Halves halves = __builtin_convertvector(x == x ? rounded : not_a_number + 0x7fc0, Halves);
    memcpy(to, &halves, sizeof halves);
#endif
}

inline float total(Lanes x) {
    HalfLanes halves[2];
    memcpy(halves, &x, sizeof halves);
    const HalfLanes both = halves[0] + halves[1];
    float sum = 0;
    for (int64_t i = 0; i < LANES / 2; ++i) sum += both[i];
    return sum;
}

// erf(x / sqrt(2)), by a quotient of polynomials fitted to it over x: right to 3e-7.
inline Lanes error_function(Lanes x) {
    const Lanes zero = {};
    const Lanes limit = zero + 5.4f;
    Lanes near = x > limit ? limit : x;
    near = near < -limit ? -limit : near;
    const Lanes s = near * near;
    Lanes above = 1.8514649e-05f * s + 1.0196630e-03f;
    above = above * s + 1.3461712e-02f;
    above = above * s + 1.3333626e-01f;
    above = above * s + 7.9787710e-01f;
    Lanes below = 7.5171369e-07f * s + 1.8633215e-04f;
    below = below * s + 3.7989647e-03f;
    below = below * s + 4.7548306e-02f;
    below = below * s + 3.3374049e-01f;
    below = below * s + 1.0f;
    Lanes erf = near * above / below;
    erf = x > limit ? zero + 1.0f : erf;
    return x < -limit ? zero - 1.0f : erf;
}

// x Phi(x).
inline Lanes gelu(Lanes x) {
    const Lanes half = 0.5f * x;
    return half + half * error_function(x);
}

// 1 / (1 + e^-x): the exponent's whole number of halvings apart, a polynomial for what is left: right to 2e-7 of the answer.
inline Lanes sigmoid(Lanes x) {
    const Lanes zero = {};
    const Lanes limit = zero + 87.0f;
    Lanes power = x > limit ? -limit : -x;
    power = power > limit ? limit : power;
    // Adding 1.5 times 2^23 rounds to a whole number, which the lowest bits then hold.
    const Lanes moved = power * 1.44269504f + 12582912.0f;
    const Lanes whole = moved - 12582912.0f;
    const Lanes rest = power - whole * 0.693359375f + whole * 2.12194440e-4f;
    Lanes e = 1.9875691500e-4f * rest + 1.3981999507e-3f;
    e = e * rest + 8.3334519073e-3f;
    e = e * rest + 4.1665795894e-2f;
    e = e * rest + 1.6666665459e-1f;
    e = e * rest + 5.0000001201e-1f;
    e = e * rest * rest + rest + 1.0f;
    const Lanes scale = (Lanes)(((Bits)moved << 23) + 0x3f800000);
    return 1.0f / (1.0f + e * scale);
}

// Of numbers up to zero: a series on what is left of a power of two, right to the last digit but one.
inline Lanes exponential(Lanes x) {
    const Lanes zero = {};
    const Lanes least = zero - 87.0f;
    x = x < least ? least : x;
    // Adding 1.5 x 2^23 leaves no digits behind the point: the nearest whole number, also in the lowest bits.
    const Lanes shifted = x * 1.44269504f + 12582912.0f;
    const Lanes whole = shifted - 12582912.0f;
    const Lanes rest = (x - whole * 0.693359375f) + whole * 2.12194440e-4f;
    Lanes sum = zero + 1.0f / 5040;
    sum = sum * rest + 1.0f / 720;
    sum = sum * rest + 1.0f / 120;
    sum = sum * rest + 1.0f / 24;
    sum = sum * rest + 1.0f / 6;
    sum = sum * rest + 0.5f;
    sum = sum * rest + 1.0f;
    sum = sum * rest + 1.0f;
    const Bits power = ((Bits)shifted - 0x4b400000u + 127) << 23;
    return sum * (Lanes)power;
}

}  // namespace
