// Layers that learn in one call: images side by side on all threads, each from the first to the last of its kernels.
//
// A call of a kernel from Python costs as much as what it computes of a small map. Here maps of one image, or of some, go from
// kernel to kernel on one thread, and never leave its cache. Sums for weights are kept apart for each of these parts and added
// in their order: the same bits each time.

#pragma once

#include <new>

#include "calls.h"

namespace {

// Memory for numbers, handed out piece by piece, each beginning with a line of the caches.
class Arena {
  public:
    explicit Arena(int64_t size) : memory(static_cast<float*>(operator new(4 * size, LINE))), next(memory) {}
    ~Arena() { operator delete(memory, LINE); }
    Arena(const Arena&) = delete;
    Arena& operator=(const Arena&) = delete;

    // What a piece takes.
    static int64_t whole(int64_t size) { return (size + 15) / 16 * 16; }

    float* take(int64_t size) {
        float* const piece = next;
        next += whole(size);
        return piece;
    }

    float* take_zeros(int64_t size) {
        float* const piece = take(size);
        std::fill(piece, piece + size, 0.0f);
        return piece;
    }

  private:
    static constexpr std::align_val_t LINE{64};
    float* const memory;
    float* next;
};

// Pieces of the same sizes for each of several parts, side by side.
class Pieces {
  public:
    // The place of a piece in each part.
    int64_t add(int64_t size) {
        const int64_t at = whole;
        whole += Arena::whole(size);
        return at;
    }

    int64_t size() const { return whole; }

  private:
    int64_t whole = 0;
};

// Some images of a batch after the others: ``across`` threads take one part each, in which ``within`` threads work.
struct Parts {
    int64_t images, together;
    int across, within;

    int64_t count() const { return (images + together - 1) / together; }

    // Calls ``f(part, thread, first, images)``.
    template <typename F>
    void each(F f) const {
        #pragma omp parallel for num_threads(across) schedule(dynamic)
        for (int64_t part = 0; part < count(); ++part) {
            const int64_t first = part * together;
            f(part, thread(), first, std::min(together, images - first));
        }
    }
};

// Adds up what the parts have in the same place.
inline void add_parts(const float* from, int64_t apart, int64_t parts, int64_t size, float* to) {
    memcpy(to, from, 4 * size);
    for (int64_t part = 1; part < parts; ++part) {
        const float* const more = from + part * apart;
        for (int64_t i = 0; i < size; ++i) to[i] += more[i];
    }
}

// Turns a matrix (rows, columns), one row ``step`` behind the other, into (columns, rows) with ``to_step``.
inline void turn(const float* from, int64_t rows, int64_t columns, int64_t step, float* to, int64_t to_step) {
    constexpr int64_t BLOCK = 16;
    for (int64_t i = 0; i < rows; i += BLOCK) {
        const int64_t last = std::min(i + BLOCK, rows);
        for (int64_t j = 0; j < columns; ++j) {
            for (int64_t k = i; k < last; ++k) to[j * to_step + k] = from[k * step + j];
        }
    }
}

// ``multiply``, plus ``plus``, whose channels are multiplied by ``factor`` unless that is null.
inline void multiply_and_add(const float* pixels, int64_t step, int64_t count, int64_t given, const float* weight, int64_t made,
                             const float* plus, int64_t plus_step, const float* factor, float* answer, int64_t answer_step,
                             int threads) {
    product_float32(pixels, step, count, given, weight, made, nullptr, 0, nullptr, 0, nullptr, 0, plus, plus_step, factor, answer,
                    answer_step, threads);
}

}  // namespace
