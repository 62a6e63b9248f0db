// 3x3 convolutions of all channels with all, and the rearrangement of pixels that follows or none, with 4 multiplications where
// there are 9: Winograd's F(2x2, 3x3).
//
// A tile is 2x2 answers, made of 4x4 pixels. Those are transformed to 16 points, each of which is multiplied with a matrix of its
// own, of all tiles at once, and the products are transformed back (Lavin and Gray 2016).

#include <memory>
#include <utility>

#include "tiles.h"

namespace {

constexpr int64_t POINTS = 16, BLOCK = VECTORS * LANES;
// Bytes of transformed pixels that stay in the second cache, and how many tiles they are at most.
constexpr int64_t BYTES = 1 << 20, MOST_TILES = 128;

// What becomes of a pixel's channels: they stay, four of them become four pixels, or four pixels become one.
enum Arrangement { AS_IT_IS, SHUFFLED, UNSHUFFLED };

struct Convolution {
    const float* map;
    int64_t images, height, width, channels;
    const float* weight;  // (made, 3, 3, channels)
    int64_t made;
    int arrangement;
    float* answer;

    // From one pixel of the answer to the next.
    int64_t step() const { return arrangement == SHUFFLED ? made / 4 : arrangement == UNSHUFFLED ? 4 * made : made; }
    int64_t down() const { return (height + 1) / 2; }
    int64_t across() const { return (width + 1) / 2; }
    int64_t tiles() const { return images * down() * across(); }
    int64_t padded() const { return (made + LANES - 1) / LANES * LANES; }
    // Which row of the weight makes a column: those that make a vector of a pixel's channels lie side by side.
    int64_t row(int64_t column) const {
        return arrangement == SHUFFLED ? column % (made / 4) * 4 + column / (made / 4) : column;
    }
};

// Lanes whose place has the bit S, of the first of two vectors, change places with those that lack it, of the second.
template <int64_t S, size_t... L>
inline void exchange(Lanes& a, Lanes& b, std::index_sequence<L...>) {
    const Lanes first = a, second = b;
#if __has_builtin(__builtin_shufflevector)
    a = __builtin_shufflevector(first, second, (L & S ? LANES + L - S : L)...);
    b = __builtin_shufflevector(first, second, (L & S ? LANES + L : L + S)...);
#else
    ((a[L] = L & S ? second[L & S ? L - S : 0] : first[L]), ...);
    ((b[L] = L & S ? second[L] : first[L & S ? 0 : L + S]), ...);
#endif
}

template <int64_t S>
inline void exchange_all(Lanes* rows) {
    #pragma GCC unroll 16
    for (int64_t i = 0; i < LANES; ++i) {
        if (!(i & S)) exchange<S>(rows[i], rows[i + S], std::make_index_sequence<LANES>{});
    }
}

inline void turn(Lanes* rows) {
    exchange_all<1>(rows);
    exchange_all<2>(rows);
    if constexpr (LANES > 4) exchange_all<4>(rows);
    if constexpr (LANES > 8) exchange_all<8>(rows);
}

// Three taps become four.
inline void widen(const Lanes* from, int64_t step, Lanes* to, int64_t to_step) {
    const Lanes ends = 0.5f * (from[0] + from[2 * step]), middle = 0.5f * from[step];
    to[0] = from[0];
    to[to_step] = ends + middle;
    to[2 * to_step] = ends - middle;
    to[3 * to_step] = from[2 * step];
}

// The matrices of the points of some columns, WIDE of them: (points, channels, wide).
void transform_weight(const Convolution& all, int64_t first, int64_t wide, float* to) {
    for (int64_t c = 0; c < all.channels; c += LANES) {
        for (int64_t j = 0; j < wide; j += LANES) {
            Lanes taps[9][LANES];
            for (int64_t tap = 0; tap < 9; ++tap) {
                for (int64_t i = 0; i < LANES; ++i) {
                    const int64_t column = first + j + i;
                    taps[tap][i] =
                        column < all.made ? load(all.weight + (all.row(column) * 9 + tap) * all.channels + c) : Lanes{};
                }
                turn(taps[tap]);
            }
            for (int64_t i = 0; i < LANES; ++i) {
                Lanes given[9], half[12], points[POINTS];
                for (int64_t tap = 0; tap < 9; ++tap) given[tap] = taps[tap][i];
                for (int64_t x = 0; x < 3; ++x) widen(given + x, 3, half + x, 3);
                for (int64_t y = 0; y < 4; ++y) widen(half + 3 * y, 1, points + 4 * y, 1);
                for (int64_t point = 0; point < POINTS; ++point) {
                    store(to + (point * all.channels + c + i) * wide + j, points[point]);
                }
            }
        }
    }
}

// Four of a line of pixels.
inline void split(const Lanes* from, int64_t step, Lanes* to, int64_t to_step) {
    to[0] = from[0] - from[2 * step];
    to[to_step] = from[step] + from[2 * step];
    to[2 * to_step] = from[2 * step] - from[step];
    to[3 * to_step] = from[step] - from[3 * step];
}

// The pixels of ``count`` tiles: (points, count, channels).
void transform_pixels(const Convolution& all, int64_t first, int64_t count, float* to) {
    const int64_t channels = all.channels;
    for (int64_t i = 0; i < count; ++i) {
        const int64_t tile = first + i, line = tile / all.across(), image = line / all.down();
        const int64_t top = line % all.down() * 2 - 1, left = tile % all.across() * 2 - 1;
        const float* pixels[POINTS];
        for (int64_t k = 0; k < POINTS; ++k) {
            const int64_t y = top + k / 4, x = left + k % 4;
            const bool inside = y >= 0 && y < all.height && x >= 0 && x < all.width;
            pixels[k] = inside ? all.map + ((image * all.height + y) * all.width + x) * channels : nullptr;
        }
        for (int64_t c = 0; c < channels; c += LANES) {
            Lanes given[POINTS], half[POINTS], points[POINTS];
            #pragma GCC unroll 16
            for (int64_t k = 0; k < POINTS; ++k) given[k] = pixels[k] ? load(pixels[k] + c) : Lanes{};
            #pragma GCC unroll 4
            for (int64_t x = 0; x < 4; ++x) split(given + x, 4, half + x, 4);
            #pragma GCC unroll 4
            for (int64_t y = 0; y < 4; ++y) split(half + 4 * y, 1, points + 4 * y, 1);
            #pragma GCC unroll 16
            for (int64_t k = 0; k < POINTS; ++k) store(to + (k * count + i) * channels + c, points[k]);
        }
    }
}

// Two answers of four points.
inline void join(const Lanes* from, int64_t step, Lanes* to, int64_t to_step) {
    to[0] = from[0] + from[step] + from[2 * step];
    to[to_step] = from[step] - from[2 * step] - from[3 * step];
}

// Where the answers of a tile begin; null where the map has ended.
struct Place {
    float* to[4];

    Place(const Convolution& all, int64_t tile) {
        const int64_t line = tile / all.across(), image = line / all.down();
        const int64_t top = line % all.down() * 2, left = tile % all.across() * 2;
        const int64_t times = all.arrangement == SHUFFLED ? 2 : 1;
        for (int64_t k = 0; k < 4; ++k) {
            const int64_t y = top + k / 2, x = left + k % 2;
            const int64_t pixel = ((image * all.height + y) * times * all.width + x) * times;
            to[k] = y < all.height && x < all.width ? all.answer + pixel * all.step() : nullptr;
        }
        if (all.arrangement == UNSHUFFLED) to[0] = all.answer + tile * all.step();
    }
};

// A vector of columns of a tile's answers.
inline void put(const Convolution& all, const Place& place, int64_t column, const Lanes* answers) {
    if (all.arrangement == UNSHUFFLED) {
        float values[4][LANES];
        for (int64_t k = 0; k < 4; ++k) store(values[k], answers[k]);
        float* const to = place.to[0] + 4 * column;
        const int64_t there = std::min(LANES, all.made - column);
        for (int64_t l = 0; l < there; ++l) {
            for (int64_t k = 0; k < 4; ++k) to[4 * l + k] = values[k][l];
        }
        return;
    }
    int64_t moved = column;
    if (all.arrangement == SHUFFLED) {
        const int64_t each = all.made / 4, part = column / each;
        moved = (part / 2 * 2 * all.width + part % 2) * all.step() + column % each;
    }
    for (int64_t k = 0; k < 4; ++k) {
        if (place.to[k]) store(place.to[k] + moved, answers[k]);
    }
}

void transform_back(const Convolution& all, int64_t first, int64_t count, const float* products, int64_t column, int64_t wide) {
    for (int64_t i = 0; i < count; ++i) {
        const Place place(all, first + i);
        for (int64_t j = 0; j < wide; j += LANES) {
            Lanes points[POINTS], half[8], answers[4];
            #pragma GCC unroll 16
            for (int64_t k = 0; k < POINTS; ++k) points[k] = load(products + (k * count + i) * wide + j);
            #pragma GCC unroll 4
            for (int64_t x = 0; x < 4; ++x) join(points + x, 4, half + x, 4);
            #pragma GCC unroll 2
            for (int64_t y = 0; y < 2; ++y) join(half + 4 * y, 1, answers + 2 * y, 1);
            put(all, place, column + j, answers);
        }
    }
}

// Some columns of some tiles, given their points' pixels and matrices. ``products``: (points, count, wide), written to.
void multiply_and_join(const Convolution& all, int64_t first, int64_t count, const float* pixels, const float* matrices,
                       int64_t column, int64_t wide, float* products) {
    const int64_t channels = all.channels;
    for (int64_t point = 0; point < POINTS; ++point) {
        float* const to = products + point * count * wide;
        multiply(pixels + point * count * channels, channels, count, channels, matrices + point * channels * wide, wide,
                 [=](Lanes sum, int64_t row, int64_t at) { store(to + row * wide + at, sum); });
    }
    transform_back(all, first, count, products, column, wide);
}

// More columns than tiles: the matrices of some columns are made, used up for all tiles and never written to memory.
void by_columns(const Convolution& all, int threads) {
    const int64_t channels = all.channels, made = all.padded(), tiles = all.tiles();
    const std::unique_ptr<float[]> transformed(new float[POINTS * tiles * channels]);
    float* const pixels = transformed.get();
    const int64_t parts = (tiles + MOST_TILES - 1) / MOST_TILES;
    #pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t part = 0; part < parts; ++part) {
        const int64_t first = tiles * part / parts, count = tiles * (part + 1) / parts - first;
        transform_pixels(all, first, count, pixels + POINTS * first * channels);
    }
    #pragma omp parallel num_threads(threads)
    {
        const std::unique_ptr<float[]> room(new float[POINTS * BLOCK * (channels + MOST_TILES)]);
        float *const matrices = room.get(), *const products = matrices + POINTS * BLOCK * channels;
        #pragma omp for schedule(static)
        for (int64_t column = 0; column < made; column += BLOCK) {
            const int64_t wide = std::min(BLOCK, made - column);
            transform_weight(all, column, wide, matrices);
            for (int64_t part = 0; part < parts; ++part) {
                const int64_t first = tiles * part / parts, count = tiles * (part + 1) / parts - first;
                multiply_and_join(all, first, count, pixels + POINTS * first * channels, matrices, column, wide, products);
            }
        }
    }
}

// More tiles than columns: the pixels of some tiles are transformed, used up for all columns and never written to memory.
void by_tiles(const Convolution& all, int threads) {
    const int64_t channels = all.channels, made = all.padded(), matrices = POINTS * channels;
    const std::unique_ptr<float[]> transformed(new float[matrices * made]);
    float* const weights = transformed.get();
    #pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t column = 0; column < made; column += BLOCK) {
        transform_weight(all, column, std::min(BLOCK, made - column), weights + matrices * column);
    }
    // As many parts for each thread, of whole products' rows.
    const int64_t most = std::clamp(BYTES / (4 * matrices) / ROWS * ROWS, ROWS, MOST_TILES);
    const int64_t rows = (all.tiles() + ROWS - 1) / ROWS, each = most / ROWS * threads;
    const int64_t parts = (rows + each - 1) / each * threads;
    #pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t part = 0; part < parts; ++part) {
        const int64_t first = rows * part / parts * ROWS, count = std::min(all.tiles(), rows * (part + 1) / parts * ROWS) - first;
        if (count <= 0) continue;
        const std::unique_ptr<float[]> room(new float[POINTS * count * (channels + BLOCK)]);
        float *const pixels = room.get(), *const products = pixels + POINTS * count * channels;
        transform_pixels(all, first, count, pixels);
        for (int64_t column = 0; column < made; column += BLOCK) {
            const int64_t wide = std::min(BLOCK, made - column);
            multiply_and_join(all, first, count, pixels, weights + matrices * column, column, wide, products);
        }
    }
}

}  // namespace

extern "C" void convolve_float32(const float* map, int64_t images, int64_t height, int64_t width, int64_t channels,
                                 const float* weight, int64_t made, int arrangement, float* answer, int threads) {
    const Convolution all = {map, images, height, width, channels, weight, made, arrangement, answer};
    all.tiles() < made ? by_columns(all, threads) : by_tiles(all, threads);
}
