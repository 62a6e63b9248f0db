// Attention across channels while it learns: one call each way, for self-attention with its norm and for cross attention.

#include "image_attention.h"

namespace {

// ``x + project(attention(widen(norm(x))))``. As they lie: ``widen`` (3 dim, dim), ``taps`` (3 dim, 9), ``project`` (dim, dim).
struct SelfAttention {
    const float* pixels;
    int64_t height, width, dim, heads;
    const float *norm, *norm_bias;
    float eps;
    const float *widen, *taps, *temperature, *project;
};

// ``project(attention(ask(query), tell(source)))``: queries of one map, keys and values of the other.
struct CrossAttention {
    const float *query, *source;
    int64_t height, width, dim, heads;
    const float *ask, *tell, *ask_taps, *tell_taps, *temperature, *project;
};

void forward(const SelfAttention& layer, const Parts& parts, float* wide, float* values, float* product, float* squares,
             float* answer) {
    const int64_t dim = layer.dim, in_image = layer.height * layer.width, most = parts.together * in_image;
    Attention attention = {layer.height, layer.width, dim, layer.heads, nullptr, layer.temperature, nullptr};
    Pieces scratch;
    const int64_t normed = scratch.add(most * dim), inside = scratch.add(attention.forward_room(parts.together));
    Arena room(Arena::whole(3 * dim * dim) + Arena::whole(27 * dim) + Arena::whole(dim * dim) + parts.across * scratch.size());
    float *const widen = room.take(3 * dim * dim), *const taps = room.take(27 * dim), *const project = room.take(dim * dim);
    turn(layer.widen, 3 * dim, dim, dim, widen, 3 * dim);
    turn(layer.taps, 3 * dim, 9, 9, taps, 3 * dim);
    turn(layer.project, dim, dim, dim, project, dim);
    attention.taps = taps;
    attention.project = project;
    float* const of_threads = room.take(parts.across * scratch.size());
    parts.each([&](int64_t, int worker, int64_t first, int64_t images) {
        float* const mine = of_threads + worker * scratch.size();
        const int64_t pixel = first * in_image, count = images * in_image;
        const float* const from = layer.pixels + pixel * dim;
        float* const map = wide + pixel * 3 * dim;
        normalize_float32_float32(from, count, dim, layer.norm, layer.norm_bias, layer.eps, mine + normed, parts.within);
        multiply(mine + normed, dim, count, dim, widen, 3 * dim, map, 3 * dim, parts.within);
        attention.forward(map, images, from, values + pixel * dim, product + first * dim * attention.size(),
                          squares + first * 2 * dim, answer + pixel * dim, mine + inside, parts.within);
    });
}

void forward(const CrossAttention& layer, const Parts& parts, float* wide, float* values, float* product, float* squares,
             float* answer) {
    const int64_t dim = layer.dim, in_image = layer.height * layer.width;
    Attention attention = {layer.height, layer.width, dim, layer.heads, nullptr, layer.temperature, nullptr};
    const int64_t inside = attention.forward_room(parts.together);
    Arena room(4 * Arena::whole(dim * dim) + Arena::whole(27 * dim) + parts.across * inside);
    float *const ask = room.take(dim * dim), *const tell = room.take(2 * dim * dim);
    float *const taps = room.take(27 * dim), *const project = room.take(dim * dim);
    turn(layer.ask, dim, dim, dim, ask, dim);
    turn(layer.tell, 2 * dim, dim, dim, tell, 2 * dim);
    turn(layer.ask_taps, dim, 9, 9, taps, 3 * dim);
    turn(layer.tell_taps, 2 * dim, 9, 9, taps + dim, 3 * dim);
    turn(layer.project, dim, dim, dim, project, dim);
    attention.taps = taps;
    attention.project = project;
    float* const of_threads = room.take(parts.across * inside);
    parts.each([&](int64_t, int worker, int64_t first, int64_t images) {
        const int64_t pixel = first * in_image, count = images * in_image;
        float* const map = wide + pixel * 3 * dim;
        multiply(layer.query + pixel * dim, dim, count, dim, ask, dim, map, 3 * dim, parts.within);
        multiply(layer.source + pixel * dim, dim, count, dim, tell, 2 * dim, map + dim, 3 * dim, parts.within);
        attention.forward(map, images, nullptr, values + pixel * dim, product + first * dim * attention.size(),
                          squares + first * 2 * dim, answer + pixel * dim, of_threads + worker * inside, parts.within);
    });
}

// What both layers' gradients have in common: where the sums of each part are.
struct Sums {
    Pieces pieces;
    int64_t widen, taps, temperature, project, norm;

    Sums(int64_t dim, int64_t heads)
        : widen(pieces.add(3 * dim * dim)), taps(pieces.add(30 * dim)), temperature(pieces.add(heads)),
          project(pieces.add(dim * dim)), norm(pieces.add(2 * dim)) {}
};

// The kept maps of a forward pass.
struct Kept {
    const float *wide, *values, *product, *squares;
};

void backward(const SelfAttention& layer, const Parts& parts, const Kept& kept, const float* of_answer, float* of_pixels,
              float* of_norm, float* of_widen, float* of_taps, float* of_temperature, float* of_project) {
    const int64_t dim = layer.dim, in_image = layer.height * layer.width, most = parts.together * in_image;
    Attention attention = {layer.height, layer.width, dim, layer.heads, nullptr, layer.temperature, nullptr};
    Pieces scratch;
    const int64_t normed = scratch.add(most * dim), of_normed = scratch.add(most * dim), of_map = scratch.add(most * 3 * dim);
    const int64_t inside = scratch.add(attention.backward_room(parts.together));
    const Sums sums(dim, layer.heads);
    const int64_t apart = sums.pieces.size();
    Arena room(Arena::whole(27 * dim) + Arena::whole(dim * dim) + parts.across * scratch.size() + (parts.count() + 1) * apart);
    float *const taps = room.take(27 * dim), *const project = room.take(dim * dim);
    turn(layer.taps, 3 * dim, 9, 9, taps, 3 * dim);
    turn(layer.project, dim, dim, dim, project, dim);
    attention.taps = taps;
    attention.project = project;
    float *const of_threads = room.take(parts.across * scratch.size()), *const of_parts = room.take(parts.count() * apart);
    parts.each([&](int64_t part, int worker, int64_t first, int64_t images) {
        float *const mine = of_threads + worker * scratch.size(), *const own = of_parts + part * apart;
        const int64_t pixel = first * in_image, count = images * in_image;
        const float *const from = layer.pixels + pixel * dim, *const grad = of_answer + pixel * dim;
        const int threads = parts.within;
        attention.backward(kept.wide + pixel * 3 * dim, images, kept.values + pixel * dim,
                           kept.product + first * dim * attention.size(), kept.squares + first * 2 * dim, grad, mine + of_map,
                           own + sums.taps, own + sums.temperature, own + sums.project, mine + inside, threads);
        normalize_float32_float32(from, count, dim, layer.norm, layer.norm_bias, layer.eps, mine + normed, threads);
        std::fill(own + sums.widen, own + sums.widen + 3 * dim * dim, 0.0f);
        outer_float32(mine + of_map, 3 * dim, mine + normed, dim, count, 3 * dim, dim, own + sums.widen, nullptr, threads);
        multiply(mine + of_map, 3 * dim, count, 3 * dim, layer.widen, dim, mine + of_normed, dim, threads);
        normalize_gradient_float32(from, count, dim, layer.norm, layer.norm_bias != nullptr, layer.eps, mine + of_normed, grad,
                                   of_pixels + pixel * dim, own + sums.norm, threads);
    });
    float* const all = room.take(apart);
    add_parts(of_parts, apart, parts.count(), apart, all);
    memcpy(of_widen, all + sums.widen, 12 * dim * dim);
    turn(all + sums.taps, 9, 3 * dim, 3 * dim, of_taps, 9);
    memcpy(of_temperature, all + sums.temperature, 4 * layer.heads);
    turn(all + sums.project, dim, dim, dim, of_project, dim);
    memcpy(of_norm, all + sums.norm, 8 * dim);
}

void backward(const CrossAttention& layer, const Parts& parts, const Kept& kept, const float* of_answer, float* of_query,
              float* of_source, float* of_ask, float* of_tell, float* of_ask_taps, float* of_tell_taps, float* of_temperature,
              float* of_project) {
    const int64_t dim = layer.dim, in_image = layer.height * layer.width;
    Attention attention = {layer.height, layer.width, dim, layer.heads, nullptr, layer.temperature, nullptr};
    Pieces scratch;
    const int64_t of_map = scratch.add(parts.together * in_image * 3 * dim);
    const int64_t inside = scratch.add(attention.backward_room(parts.together));
    const Sums sums(dim, layer.heads);
    const int64_t apart = sums.pieces.size();
    Arena room(Arena::whole(27 * dim) + Arena::whole(dim * dim) + parts.across * scratch.size() + (parts.count() + 1) * apart);
    float *const taps = room.take(27 * dim), *const project = room.take(dim * dim);
    turn(layer.ask_taps, dim, 9, 9, taps, 3 * dim);
    turn(layer.tell_taps, 2 * dim, 9, 9, taps + dim, 3 * dim);
    turn(layer.project, dim, dim, dim, project, dim);
    attention.taps = taps;
    attention.project = project;
    float *const of_threads = room.take(parts.across * scratch.size()), *const of_parts = room.take(parts.count() * apart);
    parts.each([&](int64_t part, int worker, int64_t first, int64_t images) {
        float *const mine = of_threads + worker * scratch.size(), *const own = of_parts + part * apart;
        const int64_t pixel = first * in_image, count = images * in_image;
        const int threads = parts.within;
        attention.backward(kept.wide + pixel * 3 * dim, images, kept.values + pixel * dim,
                           kept.product + first * dim * attention.size(), kept.squares + first * 2 * dim, of_answer + pixel * dim,
                           mine + of_map, own + sums.taps, own + sums.temperature, own + sums.project, mine + inside, threads);
        std::fill(own + sums.widen, own + sums.widen + 3 * dim * dim, 0.0f);
        const float* const grad = mine + of_map;
        outer_float32(grad, 3 * dim, layer.query + pixel * dim, dim, count, dim, dim, own + sums.widen, nullptr, threads);
        outer_float32(grad + dim, 3 * dim, layer.source + pixel * dim, dim, count, 2 * dim, dim, own + sums.widen + dim * dim,
                      nullptr, threads);
        multiply(grad, 3 * dim, count, dim, layer.ask, dim, of_query + pixel * dim, dim, threads);
        multiply(grad + dim, 3 * dim, count, 2 * dim, layer.tell, dim, of_source + pixel * dim, dim, threads);
    });
    float* const all = room.take(apart);
    add_parts(of_parts, apart, parts.count(), apart, all);
    memcpy(of_ask, all + sums.widen, 4 * dim * dim);
    memcpy(of_tell, all + sums.widen + dim * dim, 8 * dim * dim);
    turn(all + sums.taps, 9, dim, 3 * dim, of_ask_taps, 9);
    turn(all + sums.taps + dim, 9, 2 * dim, 3 * dim, of_tell_taps, 9);
    memcpy(of_temperature, all + sums.temperature, 4 * layer.heads);
    turn(all + sums.project, dim, dim, dim, of_project, dim);
}

}  // namespace

#define SIZES int64_t images, int64_t height, int64_t width, int64_t dim, int64_t heads, int64_t together, int across, int within
#define PARTS \
    Parts { images, together, across, within }
#define SELF                                                                                                            \
    const float *pixels, const float *norm, const float *norm_bias, float eps, const float *temperature, const float *widen, \
        const float *taps, const float *project, SIZES
#define OF_SELF                                                                                                       \
    SelfAttention {                                                                                                   \
        pixels, height, width, dim, heads, norm, norm_bias, eps, widen, taps, temperature, project                    \
    }
#define CROSS                                                                                                          \
    const float *query, const float *source, const float *temperature, const float *ask, const float *ask_taps,        \
        const float *tell, const float *tell_taps, const float *project, SIZES
#define OF_CROSS                                                                                                       \
    CrossAttention {                                                                                                   \
        query, source, height, width, dim, heads, ask, tell, ask_taps, tell_taps, temperature, project                 \
    }
#define KEPT const float *wide, const float *values, const float *product, const float *squares

extern "C" void image_self_attention_float32(SELF, float* wide, float* values, float* product, float* squares, float* answer) {
    forward(OF_SELF, PARTS, wide, values, product, squares, answer);
}

extern "C" void image_self_attention_gradient_float32(SELF, KEPT, const float* of_answer, float* of_pixels, float* of_temperature,
                                                float* of_widen, float* of_taps, float* of_project, float* of_norm) {
    backward(OF_SELF, PARTS, {wide, values, product, squares}, of_answer, of_pixels, of_norm, of_widen, of_taps, of_temperature,
             of_project);
}

extern "C" void image_cross_attention_float32(CROSS, float* wide, float* values, float* product, float* squares, float* answer) {
    forward(OF_CROSS, PARTS, wide, values, product, squares, answer);
}

extern "C" void image_cross_attention_gradient_float32(CROSS, KEPT, const float* of_answer, float* of_query, float* of_source,
                                                 float* of_temperature, float* of_ask, float* of_ask_taps, float* of_tell,
                                                 float* of_tell_taps, float* of_project) {
    backward(OF_CROSS, PARTS, {wide, values, product, squares}, of_answer, of_query, of_source, of_ask, of_tell, of_ask_taps,
             of_tell_taps, of_temperature, of_project);
}
