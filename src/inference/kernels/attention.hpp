// SPDX-License-Identifier: Apache-2.0
// The attention mesh's second look, and the points found there. All in float.
#pragma once

#include "inference/kernels/fragments.hpp"

namespace faceflow::internal::inference::kernels {

constexpr int max_heads = 3, max_branches = 5, transform_floats = 8;
constexpr int mesh_landmarks = 468, all_landmarks = 478, iris_landmarks = 5, iris_depths = 16;

struct attention_head {
    half* y;
    int from, to;  // the landmarks whose line gives the rotation
    int count;
    const std::int32_t* spans;
};

struct attention_parameters {
    const half* x;
    const float* base;  // [pictures][base_length]
    float* transforms;  // [pictures][heads][8]
    const float* grid;  // [4][side * side]
    attention_head heads[max_heads];
    int count, side, base_length;
    int height, width, channels;  // of x
    float scale;                  // pixels of x per pixel of the input
    float reach;                  // side of the square, relative to the extent of the landmarks
};

// Computes with one warp the transform from a head's grid to pixels of the map, from the head's landmarks; the first
// thread writes `out`.
FACEFLOW_DEVICE void find_transform(const attention_head& h, const float* base, float scale, float reach, int side,
                                    int lane, float* out) {
    const float* const a = base + h.from * 3;
    const float* const b = base + h.to * 3;
    float dx = (load(b) - load(a)) * scale, dy = (load(b + 1) - load(a + 1)) * scale;
    const float length = square_root(dx * dx + dy * dy);
    dx = length == 0.f ? 1.f : dx / length;
    dy = length == 0.f ? 0.f : dy / length;
    constexpr float beyond = 3.0e38f;
    float high_x = -beyond, high_y = -beyond, low_x = beyond, low_y = beyond;
    constexpr int in_flight = 3;
    for (int start = lane; start < h.count; start += in_flight * warp_threads) {
        float x[in_flight], y[in_flight];
        FACEFLOW_UNROLL
        for (int k = 0; k < in_flight; ++k) {
            const int i = start + k * warp_threads;
            const float* const from = base + load_constant(h.spans + (i < h.count ? i : start)) * 3;
            x[k] = load(from) * scale;
            y[k] = load(from + 1) * scale;
        }
        FACEFLOW_UNROLL
        for (int k = 0; k < in_flight; ++k) {
            const float u = x[k] * dx + y[k] * dy, v = -x[k] * dy + y[k] * dx;
            high_x = larger(high_x, u);
            low_x = smaller(low_x, u);
            high_y = larger(high_y, v);
            low_y = smaller(low_y, v);
        }
    }
    FACEFLOW_UNROLL
    for (int mask = 16; mask > 0; mask /= 2) {
        high_x = larger(high_x, exchange_xor(high_x, mask));
        low_x = smaller(low_x, exchange_xor(low_x, mask));
        high_y = larger(high_y, exchange_xor(high_y, mask));
        low_y = smaller(low_y, exchange_xor(low_y, mask));
    }
    if (lane != 0) return;
    // Rotate by (dx, dy), stretch, and map the middle of the grid to the middle of the span.
    const float x = (high_x + low_x) * 0.5f, y = (high_y + low_y) * 0.5f;
    const float sx = (high_x - low_x) * reach / static_cast<float>(side);
    const float sy = (high_y - low_y) * reach / static_cast<float>(side);
    const float middle = static_cast<float>(side) * 0.5f;
    out[0] = dx * sx;
    out[1] = -dy * sy;
    out[2] = 0.f;
    out[3] = dx * x - dy * y - middle * out[0] - middle * out[1];
    out[4] = dy * sx;
    out[5] = dx * sy;
    out[6] = 0.f;
    out[7] = dy * x + dx * y - middle * out[4] - middle * out[5];
}

// Eight channels of a sample, given its column of the grid; zero outside the map.
FACEFLOW_DEVICE half8 sample(const half* x, int height, int width, int channels, const float* transform,
                             const float (&grid)[4]) {
    float at[2];
    FACEFLOW_UNROLL
    for (int j = 0; j < 2; ++j)
        at[j] = load(transform + j * 4) * grid[0] + load(transform + j * 4 + 1) * grid[1] +
                load(transform + j * 4 + 2) * grid[2] + load(transform + j * 4 + 3) * grid[3] - 0.5f;
    if (!(at[0] >= 0.f && at[0] <= static_cast<float>(width - 1) && at[1] >= 0.f &&
          at[1] <= static_cast<float>(height - 1)))
        return {0, 0, 0, 0};
    const int left = smaller_of(static_cast<int>(at[0]), width - 2);
    const int top = smaller_of(static_cast<int>(at[1]), height - 2);
    const float fx = at[0] - static_cast<float>(left), fy = at[1] - static_cast<float>(top);
    const half* const upper = x + (static_cast<std::size_t>(top) * width + left) * channels;
    const half* const lower = upper + static_cast<std::size_t>(width) * channels;
    float a[8], b[8], c[8], d[8], v[8];
    to_floats(load8(upper), a);
    to_floats(load8(upper + channels), b);
    to_floats(load8(lower), c);
    to_floats(load8(lower + channels), d);
    FACEFLOW_UNROLL
    for (int k = 0; k < 8; ++k)
        v[k] = (a[k] * (1 - fx) + b[k] * fx) * (1 - fy) + (c[k] * (1 - fx) + d[k] * fx) * fy;
    return {pack(v[0], v[1]), pack(v[2], v[3]), pack(v[4], v[5]), pack(v[6], v[7])};
}

// A block of threads processes a picture and, selected by block_y(), a head.
struct attention_kernel {
    using parameters = attention_parameters;
    static constexpr int threads = 256;
    static constexpr std::size_t shared_bytes = transform_floats * sizeof(float);

    static FACEFLOW_DEVICE void run(const parameters& p) {
        float* const transform = reinterpret_cast<float*>(shared_memory());
        const int picture = block_x(), samples = p.side * p.side, of_8 = p.channels / 8;
        const attention_head& h = p.heads[block_y()];
        const float* const base = p.base + static_cast<std::size_t>(picture) * p.base_length;
        wait_for_previous_kernel();
        if (thread() < warp_threads) find_transform(h, base, p.scale, p.reach, p.side, thread(), transform);
        barrier();
        let_next_kernel_start();
        if (thread() < transform_floats)
            p.transforms[(static_cast<std::size_t>(picture) * p.count + block_y()) * transform_floats + thread()] =
                transform[thread()];
        const half* const x = p.x + static_cast<std::size_t>(picture) * p.height * p.width * p.channels;
        half* const y = h.y + static_cast<std::size_t>(picture) * samples * p.channels;
        for (int i = thread(); i < samples * of_8; i += threads) {
            const int g = i % of_8, m = i / of_8;
            float grid[4];
            FACEFLOW_UNROLL
            for (int k = 0; k < 4; ++k)
                grid[k] = load_constant(p.grid + k * samples + m);
            store8(y + m * p.channels + g * 8, sample(x + g * 8, p.height, p.width, p.channels, transform, grid));
        }
    }
};

// The data for landmarks that differ from `base`.
struct mesh_geometry {
    const float* base;
    const float* transforms;   // [pictures][heads][8]
    const std::int32_t* rest;  // for each landmark, the landmark of `base` that it equals, or -1
    const std::int32_t* iris[2];
    float *landmarks, *score;  // [pictures][3 x 478], [pictures]
    int base_length, heads;
    float scale;  // pixels of the input per pixel of the attention's map
};

// The depth of landmark `to` found by a head: the mesh's, or for an iris the mean of the landmarks around it.
FACEFLOW_DEVICE float refined_depth(const mesh_geometry& g, const float* base, int to) {
    if (to < mesh_landmarks) return load(base + to * 3 + 2);
    const std::int32_t* const around = g.iris[(to - mesh_landmarks) / iris_landmarks];
    float sum = 0;
    FACEFLOW_UNROLL
    for (int k = 0; k < iris_depths; ++k)
        sum += load(base + load_constant(around + k) * 3 + 2);
    return sum * (1.f / iris_depths);
}

// Transforms a point found by a head back to the picture.
FACEFLOW_DEVICE void put_point(const mesh_geometry& g, const float* transform, float* landmarks, int to, float x,
                               float y, float depth) {
    landmarks[to * 3] = load(transform) * x + load(transform + 1) * y + load(transform + 3) * g.scale;
    landmarks[to * 3 + 1] = load(transform + 4) * x + load(transform + 5) * y + load(transform + 7) * g.scale;
    landmarks[to * 3 + 2] = depth;
}

FACEFLOW_DEVICE void put_rest(const mesh_geometry& g, const float* base, float* landmarks, int picture, int threads) {
    for (int i = thread(); i < all_landmarks; i += threads) {
        const std::int32_t from = load_constant(g.rest + i);
        if (from < 0) continue;
        FACEFLOW_UNROLL
        for (int k = 0; k < 3; ++k)
            landmarks[i * 3 + k] = load(base + from * 3 + k);
    }
    if (thread() == 0) g.score[picture] = load(base + mesh_landmarks * 3);
}

struct refined_points {
    const float* x;  // [pictures][length]
    const std::int32_t* targets;
    int length, points, head;
};

struct landmarks_parameters {
    mesh_geometry geometry;
    refined_points heads[max_branches];
    int count;
};

// A block of threads processes a picture.
struct landmarks_kernel {
    using parameters = landmarks_parameters;
    static constexpr int threads = 256;
    static constexpr std::size_t shared_bytes = 0;

    static FACEFLOW_DEVICE void run(const parameters& p) {
        wait_for_previous_kernel();
        let_next_kernel_start();
        const mesh_geometry& g = p.geometry;
        const int picture = block_x();
        const float* const base = g.base + static_cast<std::size_t>(picture) * g.base_length;
        float* const landmarks = g.landmarks + static_cast<std::size_t>(picture) * 3 * all_landmarks;
        put_rest(g, base, landmarks, picture, threads);
        for (int b = 0; b < p.count; ++b) {
            const refined_points& r = p.heads[b];
            const float* const x = r.x + static_cast<std::size_t>(picture) * r.length;
            const float* const transform =
                g.transforms + (static_cast<std::size_t>(picture) * g.heads + r.head) * transform_floats;
            for (int i = thread(); i < r.points; i += threads) {
                const std::int32_t to = load_constant(r.targets + i);
                if (to >= 0)
                    put_point(g, transform, landmarks, to, load(x + 2 * i), load(x + 2 * i + 1),
                              refined_depth(g, base, to));
            }
        }
    }
};

}  // namespace faceflow::internal::inference::kernels
