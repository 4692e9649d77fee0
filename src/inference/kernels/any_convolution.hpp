// SPDX-License-Identifier: Apache-2.0
// Dense convolutions of any number of channels: 3 x 3 and 5 x 5 of the input, 3 x 3 of a map.
#pragma once

#include "inference/kernels/joined.hpp"
#include "inference/kernels/window.hpp"

namespace faceflow::internal::inference::kernels {

struct first_parameters {
    const half* x;  // the input
    half* y;
    const half8* weights;
    const float *bias, *slopes;
    int height, width;
    int out_height, out_width;
    int groups;  // of 16 outputs
    int y_channels, written;
    int stride, pad;
};

// A block of threads computes 8 x 16 pixels.
template <int Kernel>
struct first_kernel {
    using parameters = first_parameters;
    static constexpr int threads = 128, warps = threads / warp_threads;
    static constexpr int tile_rows = 8, tile_columns = 16, max_stride = 2;
    static constexpr std::size_t shared_bytes =
        ((tile_rows - 1) * max_stride + Kernel) * ((tile_columns - 1) * max_stride + Kernel) * sizeof(half4);

    static FACEFLOW_DEVICE void run(const parameters& p) {
        half* const window = reinterpret_cast<half*>(shared_memory());
        const place me = my_place();
        const int tiles_x = divide_up(p.out_width, tile_columns), tiles_y = divide_up(p.out_height, tile_rows);
        const int picture = block_x() / (tiles_x * tiles_y), tile = block_x() % (tiles_x * tiles_y);
        const int y0 = tile / tiles_x * tile_rows, x0 = tile % tiles_x * tile_columns;
        const int rows = (tile_rows - 1) * p.stride + Kernel, columns = (tile_columns - 1) * p.stride + Kernel;
        const half* const x = p.x + static_cast<std::size_t>(picture) * p.height * p.width * pixel_halves;
        wait_for_previous_kernel();
        for (int i = thread(); i < rows * columns; i += threads) {
            const int y = y0 * p.stride - p.pad + i / columns, z = x0 * p.stride - p.pad + i % columns;
            const bool there = y >= 0 && y < p.height && z >= 0 && z < p.width;
            store4(window + i * pixel_halves,
                   there ? load4(x + (static_cast<std::size_t>(y) * p.width + z) * pixel_halves) : half4{0, 0});
        }
        barrier();
        let_next_kernel_start();
        for (int group = 0; group < p.groups; ++group) {
            const int channel = group * channel_step + me.quarter * 4;
            constexpr int steps = first_steps_of(Kernel);
            half8 weights[steps];
            FACEFLOW_UNROLL
            for (int s = 0; s < steps; ++s)
                weights[s] = load_constant(p.weights + (group * steps + s) * warp_threads + me.lane);
            const float4 bias = weights4(p.bias + channel);
            const half4 slopes = to_halves(weights4(p.slopes + channel));
            for (int row = me.warp; row < tile_rows; row += warps) {
                const half* at[2];
                FACEFLOW_UNROLL
                for (int e = 0; e < 2; ++e)
                    at[e] = window + (row * columns + me.row + e * 8) * p.stride * pixel_halves;
                tile_sums sums = begin_sums(bias);
                convolve_window<Kernel>(sums, columns, at, weights, me.quarter);
                FACEFLOW_UNROLL
                for (int e = 0; e < 2; ++e) {
                    const int y = y0 + row, z = x0 + me.row + e * 8;
                    if (y >= p.out_height || z >= p.out_width || channel >= p.written) continue;
                    const std::size_t pixel = (static_cast<std::size_t>(picture) * p.out_height + y) * p.out_width + z;
                    store4(p.y + pixel * p.y_channels + channel, prelu(channels_of(sums, e), slopes));
                }
            }
        }
    }
};

struct any_convolution_parameters {
    const half* x;
    half* y;
    const half8* weights;
    const float *bias, *slopes;
    joined_map joined;
    int height, width;
    int out_height, out_width;
    int stride, pad;
    int inputs;  // a multiple of 16
    int groups;  // of 16 outputs
    int y_channels, written;
};

// A block of threads computes 8 x 8 pixels and, selected by block_y(), up to 64 channels, from 64 inputs at a time.
struct any_convolution_kernel {
    using parameters = any_convolution_parameters;
    static constexpr int threads = 128;
    static constexpr int side = 8, max_stride = 2, groups_of_block = 4, piece = 64, row_stride = piece + 8;
    static constexpr int window_side(int stride) { return (side - 1) * stride + 3; }
    static constexpr std::size_t shared_bytes(int stride) {
        return static_cast<std::size_t>(window_side(stride) * window_side(stride) * row_stride) * sizeof(half);
    }

    static FACEFLOW_DEVICE void run(const parameters& p) {
        half* const window = reinterpret_cast<half*>(shared_memory());
        const place me = my_place();
        const int tiles_x = divide_up(p.out_width, side), tiles_y = divide_up(p.out_height, side);
        const int picture = block_x() / (tiles_x * tiles_y), tile = block_x() % (tiles_x * tiles_y);
        const int y0 = tile / tiles_x * side, x0 = tile % tiles_x * side;
        const int first_group = block_y() * groups_of_block,
                  groups = smaller_of(groups_of_block, p.groups - first_group);
        tile_sums sums[groups_of_block];
        FACEFLOW_UNROLL
        for (int g = 0; g < groups_of_block; ++g)
            if (g < groups) sums[g] = begin_sums(weights4(p.bias + (first_group + g) * channel_step + me.quarter * 4));
        wait_for_previous_kernel();
        for (int from = 0; from < p.inputs; from += piece) {
            const int length = smaller_of(piece, p.inputs - from);
            if (from > 0) barrier();
            fetch(p, window, picture, y0, x0, from, length);
            wait_for_copies();
            barrier();
            product(p, window, me, from, length, first_group, groups, sums);
        }
        let_next_kernel_start();
        FACEFLOW_UNROLL
        for (int g = 0; g < groups_of_block; ++g) {
            const int channel = (first_group + g) * channel_step + me.quarter * 4;
            if (g >= groups || channel >= p.written) continue;
            const half4 slopes = to_halves(weights4(p.slopes + channel));
            FACEFLOW_UNROLL
            for (int e = 0; e < 2; ++e) {
                const int m = me.warp * 16 + me.row + e * 8, y = y0 + m / side, x = x0 + m % side;
                if (y >= p.out_height || x >= p.out_width) continue;
                const int pixel = (picture * p.out_height + y) * p.out_width + x;
                const half4 v = join<all_joins>(p.joined, channels_of(sums[g], e), slopes, pixel, p.out_height,
                                                p.out_width, channel);
                store4(p.y + static_cast<std::size_t>(pixel) * p.y_channels + channel, v);
            }
        }
    }

private:
    static FACEFLOW_DEVICE void fetch(const parameters& p, half* window, int picture, int y0, int x0, int from,
                                      int length) {
        const int of_8 = length / 8, wide = window_side(p.stride);
        for (int i = thread(); i < wide * wide * of_8; i += threads) {
            const int m = i / of_8, g = i - m * of_8;
            const int y = y0 * p.stride - p.pad + m / wide, x = x0 * p.stride - p.pad + m % wide;
            const bool there = y >= 0 && y < p.height && x >= 0 && x < p.width;
            const std::size_t pixel =
                there ? (static_cast<std::size_t>(picture) * p.height + y) * p.width + x : std::size_t{0};
            copy_async_if(there, reinterpret_cast<half8*>(window + m * row_stride + g * 8),
                          reinterpret_cast<const half8*>(p.x + pixel * p.inputs + from + g * 8));
        }
    }

    static FACEFLOW_DEVICE void product(const parameters& p, const half* window, const place& me, int from, int length,
                                        int first_group, int groups, tile_sums (&sums)[groups_of_block]) {
        const int m = me.warp * 16 + me.lane % 16, all_steps = p.inputs / channel_step;
        const int wide = window_side(p.stride);
        const half* const row = window + (m / side * wide + m % side) * p.stride * row_stride + me.lane / 16 * 8;
        for (int tap = 0; tap < 9; ++tap) {
            for (int s = 0; s < length / channel_step; ++s) {
                half2 a[4];
                load_matrices(a, row + (tap / 3 * wide + tap % 3) * row_stride + s * channel_step);
                const half8* const weights = p.weights +
                                             (static_cast<std::size_t>(first_group) * 9 * all_steps + tap * all_steps +
                                              from / channel_step + s) *
                                                 warp_threads +
                                             me.lane;
                FACEFLOW_UNROLL
                for (int g = 0; g < groups_of_block; ++g)
                    if (g < groups) multiply(sums[g], a, load_constant(weights + g * 9 * all_steps * warp_threads));
            }
        }
    }
};

}  // namespace faceflow::internal::inference::kernels
