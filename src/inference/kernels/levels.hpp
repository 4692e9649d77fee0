// SPDX-License-Identifier: Apache-2.0
// Dense 3 x 3 convolutions of up to three maps in one launch: the levels of a detector's pyramid, each with its own
// weights. Stride 1, ReLU. The product reads pixels in place, from a window in shared memory, once per tap.
#pragma once

#include "inference/kernels/fragments.hpp"

namespace faceflow::internal::inference::kernels {

constexpr int max_levels = 3;
constexpr int level_tile_width = 8;

// The outputs of a detector's level, one plane per channel: 2 x 2 scores (background and face, for two anchors each),
// boxes and keypoints, from 64 channels.
struct level_heads {
    const half* context;   // a map of 64 channels; this kernel has just computed the last ones
    const half8* weights;  // to 32
    const float* bias;
    float *scores, *boxes, *keypoints;
};
constexpr int head_inputs = 64, head_outputs = 32, head_scores = 4, head_boxes = 8, head_keypoints = 20;

struct level {
    const half* x;
    half *first, *second;
    const half8* weights;
    const float* bias;
    int height, width;
    int tiles_x, tiles_y;
    int first_tile;  // of the launch
    level_heads heads;
};

struct levels_parameters {
    level levels[max_levels];
    int count, tiles;
    // Channels below `split` go to a level's first map, the others to its second; the maps have first_channels and
    // second_channels.
    int split, first_channels, second_channels;
};

// A block of threads computes `TileRows` x 8 pixels, then takes the next remaining tile.
template <int Inputs, int Outputs, int TileRows, bool Heads>
struct levels_kernel {
    using parameters = levels_parameters;
    static constexpr int threads = TileRows * 16, warps = threads / warp_threads;
    static constexpr int inputs = Inputs, outputs = Outputs, tile_rows = TileRows;
    static constexpr int pixels = TileRows * level_tile_width, row_stride = Inputs + 8;
    static constexpr int steps = Inputs / channel_step, all_groups = Outputs / channel_step;
    static constexpr int channel_warps = Outputs == 64 ? 2 : 1, pixel_warps = warps / channel_warps;
    static constexpr int groups = all_groups / channel_warps, tiles = pixels / 16 / pixel_warps;
    static constexpr int weight_words = all_groups * 9 * steps * warp_threads;
    static constexpr int window_columns = level_tile_width + 2, window_pixels = (TileRows + 2) * window_columns;
    static constexpr int head_stride = head_inputs + 8;
    static constexpr std::size_t shared_bytes =
        weight_words * sizeof(half8) + (window_pixels * row_stride + (Heads ? pixels * head_stride : 0)) * sizeof(half);

    static FACEFLOW_DEVICE void run(const parameters& p) {
        half8* const weights = reinterpret_cast<half8*>(shared_memory());
        half* const window = reinterpret_cast<half*>(weights + weight_words);
        half* const rows = window + window_pixels * row_stride;
        const place me = my_place();
        int loaded = -1;
        for (int tile = block_x(); tile < p.tiles; tile += blocks_x()) {
            int now = 0;
            while (now + 1 < p.count && tile >= p.levels[now + 1].first_tile)
                ++now;
            const level& l = p.levels[now];
            if (loaded >= 0) barrier();  // other threads may still read what is overwritten now
            if (now != loaded) {
                for (int i = thread(); i < weight_words; i += threads)
                    copy_async(weights + i, l.weights + i);
                if (loaded < 0) wait_for_previous_kernel();
                loaded = now;
            }
            const int local = tile - l.first_tile, of_picture = l.tiles_x * l.tiles_y;
            const int picture = local / of_picture, at = local % of_picture;
            work(p, l, weights, window, rows, me, picture, at / l.tiles_x * TileRows,
                 at % l.tiles_x * level_tile_width);
        }
    }

private:
    static FACEFLOW_DEVICE void work(const parameters& p, const level& l, const half8* weights, half* window,
                                     half* rows, const place& me, int picture, int y0, int x0) {
        fetch(l, window, picture, y0, x0);
        wait_for_copies();
        barrier();
        const int channel_warp = me.warp % channel_warps, pixel_warp = me.warp / channel_warps;
        const int first_channel = channel_warp * groups * channel_step + me.quarter * 4;
        tile_sums sums[tiles][groups];
        product(l, weights, window, me, channel_warp, pixel_warp, first_channel, sums);
        let_next_kernel_start();
        FACEFLOW_UNROLL
        for (int g = 0; g < groups; ++g) {
            const int channel = first_channel + g * channel_step;
            FACEFLOW_UNROLL
            for (int t = 0; t < tiles; ++t) {
                FACEFLOW_UNROLL
                for (int e = 0; e < 2; ++e) {
                    const int m = (pixel_warp * tiles + t) * 16 + me.row + e * 8;
                    const half4 v = relu(channels_of(sums[t][g], e));
                    if constexpr (Heads) {
                        store4(rows + m * head_stride + head_inputs - Outputs + channel, v);
                    } else {
                        put(p, l, v, picture, y0 + m / level_tile_width, x0 + m % level_tile_width, channel);
                    }
                }
            }
        }
        if constexpr (Heads) {
            fetch_context(l, rows, picture, y0, x0);
            wait_for_copies();
            barrier();
            heads(l, rows, me, picture, y0, x0);
        }
    }

    static FACEFLOW_DEVICE void fetch(const level& l, half* window, int picture, int y0, int x0) {
        constexpr int of_8 = Inputs / 8;
        for (int i = thread(); i < window_pixels * of_8; i += threads) {
            const int g = i % of_8, m = i / of_8;
            const int y = y0 - 1 + m / window_columns, x = x0 - 1 + m % window_columns;
            const bool there = y >= 0 && y < l.height && x >= 0 && x < l.width;
            const std::size_t pixel =
                there ? (static_cast<std::size_t>(picture) * l.height + y) * l.width + x : std::size_t{0};
            copy_async_if(there, reinterpret_cast<half8*>(window + m * row_stride + g * 8),
                          reinterpret_cast<const half8*>(l.x + pixel * Inputs + g * 8));
        }
    }

    static FACEFLOW_DEVICE void product(const level& l, const half8* weights, const half* window, const place& me,
                                        int channel_warp, int pixel_warp, int first_channel,
                                        tile_sums (&sums)[tiles][groups]) {
        FACEFLOW_UNROLL
        for (int g = 0; g < groups; ++g) {
            const float4 bias = weights4(l.bias + first_channel + g * channel_step);
            FACEFLOW_UNROLL
            for (int t = 0; t < tiles; ++t)
                sums[t][g] = begin_sums(bias);
        }
        const half* at[tiles];
        FACEFLOW_UNROLL
        for (int t = 0; t < tiles; ++t) {
            const int m = (pixel_warp * tiles + t) * 16 + me.lane % 16;
            at[t] =
                window + (m / level_tile_width * window_columns + m % level_tile_width) * row_stride + me.lane / 16 * 8;
        }
        FACEFLOW_UNROLL
        for (int tap = 0; tap < 9; ++tap) {
            FACEFLOW_UNROLL
            for (int s = 0; s < steps; ++s) {
                half8 w[groups];
                FACEFLOW_UNROLL
                for (int g = 0; g < groups; ++g)
                    w[g] =
                        load(weights + (((channel_warp * groups + g) * 9 + tap) * steps + s) * warp_threads + me.lane);
                FACEFLOW_UNROLL
                for (int t = 0; t < tiles; ++t) {
                    half2 a[4];
                    load_matrices(a, at[t] + (tap / 3 * window_columns + tap % 3) * row_stride + s * channel_step);
                    FACEFLOW_UNROLL
                    for (int g = 0; g < groups; ++g)
                        multiply(sums[t][g], a, w[g]);
                }
            }
        }
    }

    static FACEFLOW_DEVICE void put(const parameters& p, const level& l, half4 v, int picture, int y, int x,
                                    int channel) {
        if (y >= l.height || x >= l.width) return;
        const std::size_t pixel = (static_cast<std::size_t>(picture) * l.height + y) * l.width + x;
        if (channel < p.split)
            store4(l.first + pixel * p.first_channels + channel, v);
        else
            store4(l.second + pixel * p.second_channels + channel - p.split, v);
    }

    // Fetches the part of the heads' input that other kernels have computed.
    static FACEFLOW_DEVICE void fetch_context(const level& l, half* rows, int picture, int y0, int x0) {
        constexpr int of_8 = (head_inputs - Outputs) / 8;
        for (int i = thread(); i < pixels * of_8; i += threads) {
            const int g = i % of_8, m = i / of_8, y = y0 + m / level_tile_width, x = x0 + m % level_tile_width;
            const bool there = y < l.height && x < l.width;
            const std::size_t pixel =
                there ? (static_cast<std::size_t>(picture) * l.height + y) * l.width + x : std::size_t{0};
            copy_async_if(there, reinterpret_cast<half8*>(rows + m * head_stride + g * 8),
                          reinterpret_cast<const half8*>(l.heads.context + pixel * head_inputs + g * 8));
        }
    }

    static FACEFLOW_DEVICE void heads(const level& l, const half* rows, const place& me, int picture, int y0, int x0) {
        constexpr int head_steps = head_inputs / channel_step, head_tiles = pixels / 16 / warps;
        FACEFLOW_UNROLL
        for (int t = 0; t < head_tiles; ++t) {
            const int tile = me.warp * head_tiles + t;
            tile_sums sums[2];
            FACEFLOW_UNROLL
            for (int g = 0; g < 2; ++g)
                sums[g] = begin_sums(weights4(l.heads.bias + g * channel_step + me.quarter * 4));
            FACEFLOW_UNROLL
            for (int s = 0; s < head_steps; ++s) {
                half2 a[4];
                load_matrices(a, matrix_row(rows + tile * 16 * head_stride + s * channel_step, head_stride, me.lane));
                FACEFLOW_UNROLL
                for (int g = 0; g < 2; ++g)
                    multiply(sums[g], a,
                             load_constant(l.heads.weights + (g * head_steps + s) * warp_threads + me.lane));
            }
            FACEFLOW_UNROLL
            for (int g = 0; g < 2; ++g) {
                FACEFLOW_UNROLL
                for (int e = 0; e < 2; ++e) {
                    const int m = tile * 16 + me.row + e * 8;
                    tell(l, floats_of(sums[g], e), picture, y0 + m / level_tile_width, x0 + m % level_tile_width,
                         g * channel_step + me.quarter * 4);
                }
            }
        }
    }

    static FACEFLOW_DEVICE void tell(const level& l, float4 v, int picture, int y, int x, int channel) {
        if (y >= l.height || x >= l.width) return;
        const std::size_t plane = static_cast<std::size_t>(l.height) * l.width;
        const std::size_t pixel = static_cast<std::size_t>(y) * l.width + x;
        const auto at = [&](float* planes, int count, int from) {
            return planes + (static_cast<std::size_t>(picture) * count + from) * plane + pixel;
        };
        float* to;
        if (channel < head_scores) {
            const float face = 1 / (1 + exponential(v.x - v.z)), other = 1 / (1 + exponential(v.y - v.w));
            v = {1 - face, 1 - other, face, other};
            to = at(l.heads.scores, head_scores, channel);
        } else if (channel < head_scores + head_boxes) {
            to = at(l.heads.boxes, head_boxes, channel - head_scores);
        } else {
            to = at(l.heads.keypoints, head_keypoints, channel - head_scores - head_boxes);
        }
        to[0] = v.x;
        to[plane] = v.y;
        to[2 * plane] = v.z;
        to[3 * plane] = v.w;
    }
};

}  // namespace faceflow::internal::inference::kernels
