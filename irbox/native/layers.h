// What layers call one after the other on strips of rows, without a call from outside between them.

#pragma once

#include <new>

#include "calls.h"

// Which rows of a strip's gradient are made, counted from the strip's first answer: from ``first`` to before ``last``. Where a
// strip ``follows`` one of the same image or ``goes_on`` in another, two rows of what the convolution's answers add are
// ``carried`` (2, width, channels) from strip to strip, and rows are made once all that they depend on is known.
template <typename T>
struct Flow {
    int64_t first, last;
    bool follows, goes_on;
    T* carried;

    // The first row whose answers' gradients are known.
    int64_t known() const { return follows ? -2 : 0; }
};

// All rows of a strip, of its margins too, as far as its own answers go.
template <typename T>
Flow<T> whole(int64_t rows, int64_t margin) {
    return {-margin, rows + margin, false, false, nullptr};
}

// One strip: ``rows`` from ``row`` on of each of ``images`` from ``image`` on, in them ``columns`` from ``column`` on.
struct Place {
    int64_t image, images, row, rows, column, columns;

    int64_t pixels() const { return images * rows * columns; }
};

// A layer's input (images, height, width, channels), a norm, and a wide map that is made of it and convolved, 3x3. As
// ``layers.Layer`` has it. Weights of norms and 3x3s are float32 for maps of either type.
template <typename T>
struct LayerOf {
    const T* pixels;
    int64_t images, height, width, channels, wide;
    // (images, height + 2 margin, width, wide); null where nobody wants the wide map afterwards.
    T* kept;
    int64_t margin;
    // Images of a strip; rows of it where an image is more than that, which then has margins, and where nothing is kept.
    int64_t together;
    // Columns of a strip where nothing is kept, up to whole runs of kernels.
    int64_t across;
    // (9, wide), (wide) or null.
    const float *taps, *shift;
    // (channels), null where there is no norm or it has no bias.
    const float *scale, *offset;
    double eps;
    int64_t threads;

    // Calls ``f(place)`` for one strip after the other.
    template <typename F>
    void each(F f) const {
        const int64_t in_turn = margin ? 1 : together, most = margin ? together : height;
        for (int64_t image = 0; image < images; image += in_turn) {
            for (int64_t row = 0; row < height; row += most) {
                const int64_t some = std::min(in_turn, images - image), rows = std::min(most, height - row);
                f(Place{image, some, row, rows, 0, width});
            }
        }
    }

    // The strip's first pixel in a map of some channels.
    int64_t start(const Place& place, int64_t of_map) const {
        return ((place.image * height + place.row) * width + place.column) * of_map;
    }

    // The wide map from the row above the strip on, if it has one.
    T* window(const Place& place) const {
        return kept + (place.image * (height + 2 * margin) + place.row) * width * wide;
    }
};

using Layer = LayerOf<float>;

// Memory that is not written before it is used, from the beginning of a line of the caches on: vectors that lie across two
// lines take twice as long.
class Room {
  public:
    Room() = default;
    Room(const Room&) = delete;
    Room& operator=(const Room&) = delete;
    ~Room() { operator delete(memory, LINE); }

    template <typename T = float>
    T* of(int64_t count) {
        const int64_t bytes = count * sizeof(T);
        if (bytes > size) {
            operator delete(memory, LINE);
            memory = nullptr;
            memory = operator new(bytes, LINE);
            size = bytes;
        }
        return static_cast<T*>(memory);
    }

  private:
    static constexpr std::align_val_t LINE{64};
    void* memory = nullptr;
    int64_t size = 0;
};

// See ``kernels.cpp``, in float32 and bfloat16.
template <typename T>
void gate(const Strip<T>& strip, const float* weight, const float* bias, T* answer, int threads);
template <typename T>
void attend(const Strip<T>& strip, int64_t dim, const float* weight, const float* bias, T* both, T* values, float* squares,
            int threads);
template <typename T>
void mask(const Strip<T>& strip, int64_t dim, const float* weight, const float* bias, T* answer, int threads);

// ``gate_gradient`` and ``depthwise_gradient`` of strips that follow each other.
void flowing_gate_gradient(STRIP(float), const Flow<float>& flow, const float* weight, const float* bias, const float* of_answer,
                           float* answer, float* of_map, float* of_weight, int threads);
void flowing_depthwise_gradient(STRIP(float), const Flow<float>& flow, const float* weight, const float* of_answer,
                                float* of_map, float* of_weight, int threads);
