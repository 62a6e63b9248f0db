// Forward passes of layers, all strips in one call: those that keep their wide map for the gradient's sake, in float32, and those
// that do not.

#include "wide.h"

namespace {

constexpr int64_t LEAST_PIXELS = 64;

// ``answer`` = ``narrow(gate(wide))``; plus the pixels, where there is a norm. It may be where the pixels are, if nothing is kept.
template <typename T>
void feed_forward(const LayerOf<T>& of, const Widening<T>& by, Linear<T> narrow, T* answer) {
    const int64_t half = of.wide / 2, channels = of.channels;
    Wide<T>(of, by).each([&](const WideStrip<T>& strip) {
        const Place& place = strip.place;
        T* const gated = strip.room.template of<T>(place.pixels() * half);
        gate(strip.map, of.taps, of.shift, gated, strip.threads);
        // Row by row where a strip is narrower than the map.
        const bool whole = place.columns == of.width;
        const int64_t pixels = whole ? place.pixels() : place.columns;
        for (int64_t row = 0; row < (whole ? 1 : place.rows); ++row) {
            const int64_t at = of.start(place, channels) + row * of.width * channels;
            Linear<T> after = narrow;
            if (of.scale) after.plus = of.pixels + at;
            after(gated + row * pixels * half, pixels, half, channels, answer + at, strip.threads);
        }
    });
}

inline const float* as_floats(const float* from, int64_t, Room&) { return from; }

inline const float* as_floats(const BFloat16* from, int64_t count, Room& room) {
    float* const to = room.of(count);
    for (int64_t i = 0; i < count; i += LANES) store(to + i, load(from + i));
    return to;
}

// Values (pixels, channels), which may be where the pixels are, if nothing is kept; added to: products of queries and keys
// (images, heads, size, size), and sums of their squares (images, 2 channels).
template <typename T>
void attention_sums(const LayerOf<T>& of, const Widening<T>& by, int64_t heads, T* values, float* products, float* squares) {
    const int64_t dim = of.channels, size = dim / heads, in_image = dim * size + 2 * dim;
    const Wide<T> wide(of, by);
    // Of each band, or of each image: products, then squares.
    const int64_t parts = of.kept ? of.images : wide.bands();
    std::vector<float> sums(parts * in_image), found(2 * dim * parts);
    wide.each([&](const WideStrip<T>& strip) {
        const Place& place = strip.place;
        T* const both = strip.room.template of<T>(place.pixels() * 2 * dim);
        T* const to = values + of.start(place, dim);
        const int64_t part = of.kept ? place.image : strip.band;
        float *const own = sums.data() + part * in_image, *const seen = found.data() + part * 2 * dim;
        attend(strip.map, dim, of.taps, of.shift, both, to, seen, strip.threads);
        const int64_t pixels = place.rows * place.columns;
        const float* const exact = as_floats(both, place.pixels() * 2 * dim, strip.second);
        for (int64_t i = 0; i < place.images; ++i) {
            float* const of_image = own + i * in_image;
            for (int64_t k = 0; k < 2 * dim; ++k) of_image[dim * size + k] += seen[i * 2 * dim + k];
            for (int64_t head = 0; head < heads; ++head) {
                const float* const query = exact + i * pixels * 2 * dim + head * size;
                outer_float32(query, 2 * dim, query + dim, 2 * dim, pixels, size, size, of_image + head * size * size, nullptr,
                              strip.threads);
            }
        }
    });
    for (int64_t part = 0; part < parts; ++part) {
        const int64_t image = of.kept ? part : wide.image_of(part);
        const float* const own = sums.data() + part * in_image;
        for (int64_t k = 0; k < dim * size; ++k) products[image * dim * size + k] += own[k];
        for (int64_t k = 0; k < 2 * dim; ++k) squares[image * 2 * dim + k] += own[dim * size + k];
    }
}

// The sigmoid of what is convolved: (pixels, wide), not where the pixels are.
template <typename T>
void mask_layer(const LayerOf<T>& of, const Widening<T>& by, T* answer) {
    Wide<T>(of, by).each([&](const WideStrip<T>& strip) {
        T* const to = answer + of.start(strip.place, of.wide);
        mask(strip.map, of.wide, of.taps, of.shift, to, strip.threads);
    });
}

// ``answer`` = pixels + ``last(attended * opened)``: ``attended`` is values by each image's matrix, ``opened`` the sigmoid of a 1x1
// convolution of the normalised pixels; both are kept, unless they are null. Everything (pixels, channels), matrices of as many
// channels, packed. ``pixels``, of each image.
template <typename T>
void gated_answer(const T* given, int64_t images, int64_t pixels, int64_t channels, int64_t together, const float* scale,
                  const float* offset, double eps, const T* values, Linear<T> attention, Linear<T> gate, Linear<T> last,
                  T* attended, T* opened, T* answer, int threads) {
    // Each thread takes strips of its own through all of it.
    const int64_t most = std::min(together, std::max(LEAST_PIXELS, (pixels + threads - 1) / threads));
    const int64_t in_image = (pixels + most - 1) / most, size = most * channels;
    std::vector<Room> rooms(threads);
    #pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t strip = 0; strip < images * in_image; ++strip) {
        const int64_t image = strip / in_image, first = strip % in_image * most;
        const int64_t some = std::min(most, pixels - first), at = (image * pixels + first) * channels;
        T *const normed = rooms[thread()].template of<T>(3 * size), *const gated = normed + size;
        T* const found = attended ? attended + at : gated + size;
        Linear<T> attend = attention, open = gate, close = last;
        attend.matrix += image * channels * channels;
        attend(values + at, some, channels, channels, found, 1);
        norm(given + at, some, channels, scale, offset, eps, normed, 1);
        open.squash = true;
        if (opened) open.opened = opened + at;
        open.times = found;
        open(normed, some, channels, channels, gated, 1);
        close.plus = given + at;
        close(gated, some, channels, channels, answer + at, 1);
    }
}

}  // namespace

#define LAYERS(NAME, T)                                                                                                \
    extern "C" void feed_forward_##NAME(const LayerOf<T>* of, const Widening<T>* by, const T* narrow,                  \
                                        const float* bias, T* answer) {                                                \
        feed_forward<T>(*of, *by, {narrow, bias}, answer);                                                             \
    }                                                                                                                  \
    extern "C" void attention_sums_##NAME(const LayerOf<T>* of, const Widening<T>* by, int64_t heads, T* values,       \
                                          float* products, float* squares) {                                           \
        attention_sums<T>(*of, *by, heads, values, products, squares);                                                 \
    }                                                                                                                  \
    extern "C" void mask_layer_##NAME(const LayerOf<T>* of, const Widening<T>* by, T* mask) {                          \
        mask_layer<T>(*of, *by, mask);                                                                                 \
    }                                                                                                                  \
    extern "C" void gated_answer_##NAME(                                                                               \
        const T* given, int64_t images, int64_t pixels, int64_t channels, int64_t together, const float* scale,        \
        const float* offset, double eps, const T* values, const T* matrices, const float* attention_bias,              \
        const T* gate, const float* gate_bias, const T* last, const float* last_bias, T* attended, T* opened,          \
        T* answer, int threads) {                                                                                      \
        gated_answer<T>(given, images, pixels, channels, together, scale, offset, eps, values,                         \
                        {matrices, attention_bias}, {gate, gate_bias}, {last, last_bias}, attended, opened, answer,    \
                        threads);                                                                                      \
    }

LAYERS(float32, float)
LAYERS(bfloat16, BFloat16)
