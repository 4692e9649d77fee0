// SPDX-License-Identifier: Apache-2.0
// The first layers of a detector in one kernel: 3 x 3 of stride 2 from 3 to 16 channels, 1 x 1 to 32, depthwise 3 x 3
// of stride 2, 1 x 1 to 32, each followed by ReLU. Intermediate data stays in registers and shared memory.
#pragma once

#include "inference/kernels/window.hpp"

namespace faceflow::internal::inference::kernels {

struct stem_parameters {
    const half* x;
    half* y;
    const half8 *first_weights, *second_weights, *third_weights;
    const float *first_bias, *second_bias, *third_bias;
    const half* depthwise_weights;
    const float* depthwise_bias;
    int height, width;  // of the input; multiples of 4
};

// A block of threads computes 8 x 8 pixels at a quarter of the size.
struct stem_kernel {
    using parameters = stem_parameters;
    static constexpr int threads = 256, warps = threads / warp_threads;
    static constexpr int side = 8, middle_side = 2 * side + 1, middle_pixels = middle_side * middle_side;
    static constexpr int window_rows = 2 * middle_side + 1, window_columns = window_rows + 1;
    static constexpr int channels = 32, row_stride = channels + 8;
    static constexpr int window_halves = window_rows * window_columns * pixel_halves;
    static constexpr int middle_halves = round_up(middle_pixels, 16) * row_stride;
    static constexpr std::size_t shared_bytes =
        (window_halves + middle_halves + side * side * row_stride) * sizeof(half);

    static FACEFLOW_DEVICE void run(const parameters& p) {
        half* const window = reinterpret_cast<half*>(shared_memory());
        half* const middle = window + window_halves;
        half* const pixels = middle + middle_halves;
        const place me = my_place();
        const int tiles_x = divide_up(p.width / 4, side), tiles_y = divide_up(p.height / 4, side);
        const int picture = block_x() / (tiles_x * tiles_y), tile = block_x() % (tiles_x * tiles_y);
        const int y0 = tile / tiles_x * side, x0 = tile % tiles_x * side;
        first_two(p, window, middle, me, picture, y0, x0);
        barrier();
        depthwise(p, middle, pixels);
        barrier();
        let_next_kernel_start();
        last(p, pixels, me, picture, y0, x0);
    }

private:
    static FACEFLOW_DEVICE void first_two(const parameters& p, half* window, half* middle, const place& me, int picture,
                                          int y0, int x0) {
        half8 first[first_steps], second[2];
        FACEFLOW_UNROLL
        for (int s = 0; s < first_steps; ++s)
            first[s] = load_constant(p.first_weights + s * warp_threads + me.lane);
        FACEFLOW_UNROLL
        for (int g = 0; g < 2; ++g)
            second[g] = load_constant(p.second_weights + g * warp_threads + me.lane);
        const float4 first_bias = weights4(p.first_bias + me.quarter * 4);
        const float4 second_bias[2] = {weights4(p.second_bias + me.quarter * 4),
                                       weights4(p.second_bias + channel_step + me.quarter * 4)};
        wait_for_previous_kernel();
        // One extra column on the left: pixels are copied in pairs.
        const half* const x = p.x + static_cast<std::size_t>(picture) * p.height * p.width * pixel_halves;
        load_window<window_rows, window_columns, threads>(window, x, y0 * 4 - 3, x0 * 4 - 4, p.height, p.width);
        wait_for_copies();
        barrier();
        const int height = p.height / 2, width = p.width / 2, top = y0 * 2 - 1, left = x0 * 2 - 1;
        const bool at_edge = top < 0 || left < 0 || top + middle_side > height || left + middle_side > width;
        for (int tile = me.warp; tile * 16 < middle_pixels; tile += warps) {
            const half* at[2];
            FACEFLOW_UNROLL
            for (int e = 0; e < 2; ++e) {
                const int m = tile * 16 + me.row + e * 8, real = m < middle_pixels ? m : 0;
                at[e] =
                    window + (2 * (real / middle_side) * window_columns + 2 * (real % middle_side) + 1) * pixel_halves;
            }
            tile_sums sums = begin_sums(first_bias);
            convolve_window(sums, window_columns, at, first, me.quarter);
            // Sums are in the order of a product's pixels: the second product needs no memory (packing.hpp, by_fours).
            const half4 one = relu(channels_of(sums, 0)), other = relu(channels_of(sums, 1));
            const half2 a[4] = {one.x, other.x, one.y, other.y};
            FACEFLOW_UNROLL
            for (int g = 0; g < 2; ++g) {
                tile_sums next = begin_sums(second_bias[g]);
                multiply(next, a, second[g]);
                FACEFLOW_UNROLL
                for (int e = 0; e < 2; ++e) {
                    const int m = tile * 16 + me.row + e * 8;
                    bool inside = true;
                    if (at_edge) {
                        const int y = top + m / middle_side, z = left + m % middle_side;
                        inside = y >= 0 && y < height && z >= 0 && z < width;
                    }
                    store4(middle + m * row_stride + g * channel_step + me.quarter * 4,
                           inside ? relu(channels_of(next, e)) : half4{0, 0});
                }
            }
        }
    }

    static FACEFLOW_DEVICE void depthwise(const parameters& p, const half* middle, half* pixels) {
        for (int i = thread(); i < side * side * 4; i += threads) {
            const int g = i % 4, m = i / 4, y = m / side, x = m % side;
            half8 sum = bias8(p.depthwise_bias + g * 8);
            FACEFLOW_UNROLL
            for (int k = 0; k < 9; ++k) {
                const half8 in = load8(middle + ((2 * y + k / 3) * middle_side + 2 * x + k % 3) * row_stride + g * 8);
                sum = multiply_add(in, weights8(p.depthwise_weights + k * channels + g * 8), sum);
            }
            store8(pixels + m * row_stride + g * 8, relu(sum));
        }
    }

    static FACEFLOW_DEVICE void last(const parameters& p, const half* pixels, const place& me, int picture, int y0,
                                     int x0) {
        const int tile = me.warp % 4, group = me.warp / 4, channel = group * channel_step + me.quarter * 4;
        tile_sums sums = begin_sums(weights4(p.third_bias + channel));
        FACEFLOW_UNROLL
        for (int s = 0; s < 2; ++s) {
            half2 a[4];
            load_matrices(a, matrix_row(pixels + tile * 16 * row_stride + s * channel_step, row_stride, me.lane));
            multiply(sums, a, load_constant(p.third_weights + (group * 2 + s) * warp_threads + me.lane));
        }
        const int height = p.height / 4, width = p.width / 4;
        FACEFLOW_UNROLL
        for (int e = 0; e < 2; ++e) {
            const int m = tile * 16 + me.row + e * 8, y = y0 + m / side, x = x0 + m % side;
            if (y >= height || x >= width) continue;
            const std::size_t pixel = (static_cast<std::size_t>(picture) * height + y) * width + x;
            store4(p.y + pixel * channels + channel, relu(channels_of(sums, e)));
        }
    }
};

}  // namespace faceflow::internal::inference::kernels
