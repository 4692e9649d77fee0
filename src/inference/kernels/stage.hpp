// SPDX-License-Identifier: Apache-2.0
// Three blocks of a network in one kernel, with the pixels around a tile that they need: two that add their own input,
// and one that halves the size and adds the maximum of each 2 x 2. If the first convolution is part of the stage, it
// comes before them.
//
// The depthwise products go from registers into the 1 x 1: for each 16 inputs, a thread sums two pixels and four
// channels, which is its share of a product's pixels (packing.hpp, by_fours).
#pragma once

#include "inference/kernels/window.hpp"

namespace faceflow::internal::inference::kernels {

struct stage_parameters {
    const half* x;  // the input if the first convolution is included, else a map of side x side
    half* y;
    const half8* first_weights;
    const float *first_bias, *first_slopes;
    const half* depthwise_weights[3];
    const float* depthwise_bias[3];
    const half8* weights[3];
    const float *bias[3], *slopes[3];
    int side;  // side of the square map where the blocks begin; a multiple of 2 * Side
};

// A block of threads computes `Side` x `Side` pixels of `Outputs` channels from `Channels`.
template <int Channels, int Outputs, int Side, bool First, int Threads>
struct stage_kernel {
    using parameters = stage_parameters;
    static constexpr int threads = Threads, warps = threads / warp_threads;
    static constexpr int channels = Channels, outputs = Outputs, side = Side;
    // Side lengths: of the first map, the first block's and the second block's output.
    static constexpr int second_side = 2 * Side + 1, first_side = second_side + 2, start_side = first_side + 2;
    static constexpr int window_rows = 2 * start_side + 1, window_columns = window_rows + 1;
    // Halves from pixel to pixel, chosen so that pixels lie in different banks.
    static constexpr int pixel_stride = Channels == 16 ? 16 : Channels == 32 ? 48 : 80;
    static constexpr int steps = Channels / channel_step;
    static constexpr int start_halves = start_side * start_side * pixel_stride;
    static constexpr int other_halves =
        larger_of(first_side * first_side * pixel_stride, First ? window_rows* window_columns* pixel_halves : 0);
    static constexpr std::size_t shared_bytes = (start_halves + other_halves) * sizeof(half);

    static FACEFLOW_DEVICE void run(const parameters& p) {
        half* const start = reinterpret_cast<half*>(shared_memory());
        half* const other = start + start_halves;
        const place me = my_place();
        const int tiles = p.side / 2 / Side, picture = block_x() / (tiles * tiles), tile = block_x() % (tiles * tiles);
        const int y0 = tile / tiles * Side, x0 = tile % tiles * Side;
        if constexpr (First) {
            convolve(p, start, other, me, picture, y0, x0);
        } else {
            fetch(p, start, picture, y0, x0);
        }
        barrier();
        add_block<first_side>(p, 0, start, other, me, y0 * 2 - 1, x0 * 2 - 1);
        barrier();
        add_block<second_side>(p, 1, other, start, me, y0 * 2, x0 * 2);
        barrier();
        let_next_kernel_start();
        halve(p, start, me, picture, y0, x0);
    }

private:
    struct depthwise_weights {
        half4 tap[steps][9], bias[steps];
    };

    static FACEFLOW_DEVICE depthwise_weights load_depthwise(const parameters& p, int block, int quarter) {
        depthwise_weights d;
        FACEFLOW_UNROLL
        for (int s = 0; s < steps; ++s) {
            const int channel = s * channel_step + quarter * 4;
            FACEFLOW_UNROLL
            for (int k = 0; k < 9; ++k)
                d.tap[s][k] =
                    load_constant(reinterpret_cast<const half4*>(p.depthwise_weights[block] + k * Channels + channel));
            d.bias[s] = to_halves(weights4(p.depthwise_bias[block] + channel));
        }
        return d;
    }

    // Four channels of a pixel; its window begins at `at` in rows of `columns` pixels.
    static FACEFLOW_DEVICE half4 depthwise(const half* at, int columns, const half4 (&taps)[9], half4 sum) {
        FACEFLOW_UNROLL
        for (int k = 0; k < 9; ++k)
            sum = multiply_add(load4(at + (k / 3 * columns + k % 3) * pixel_stride), taps[k], sum);
        return sum;
    }

    static FACEFLOW_DEVICE bool inside(const parameters& p, int y, int x) {
        return y >= 0 && y < p.side && x >= 0 && x < p.side;
    }

    // Fetches the stage's first map if another kernel computed it.
    static FACEFLOW_DEVICE void fetch(const parameters& p, half* start, int picture, int y0, int x0) {
        wait_for_previous_kernel();
        constexpr int groups = Channels / 8;
        for (int i = thread(); i < start_side * start_side * groups; i += threads) {
            const int g = i % groups, m = i / groups;
            const int y = y0 * 2 - 2 + m / start_side, x = x0 * 2 - 2 + m % start_side;
            const bool there = inside(p, y, x);
            const std::size_t pixel =
                there ? (static_cast<std::size_t>(picture) * p.side + y) * p.side + x : std::size_t{0};
            copy_async_if(there, reinterpret_cast<half8*>(start + m * pixel_stride + g * 8),
                          reinterpret_cast<const half8*>(p.x + pixel * Channels + g * 8));
        }
        wait_for_copies();
    }

    // Computes that map by the first convolution.
    static FACEFLOW_DEVICE void convolve(const parameters& p, half* start, half* window, const place& me, int picture,
                                         int y0, int x0) {
        half8 weights[first_steps];
        FACEFLOW_UNROLL
        for (int s = 0; s < first_steps; ++s)
            weights[s] = load_constant(p.first_weights + s * warp_threads + me.lane);
        const float4 bias = weights4(p.first_bias + me.quarter * 4);
        const half4 slopes = to_halves(weights4(p.first_slopes + me.quarter * 4));
        const int top = y0 * 2 - 2, left = x0 * 2 - 2, full = p.side * 2;
        const bool at_edge = top < 0 || left < 0 || top + start_side > p.side || left + start_side > p.side;
        wait_for_previous_kernel();
        const half* const x = p.x + static_cast<std::size_t>(picture) * full * full * pixel_halves;
        load_window<window_rows, window_columns, threads>(window, x, top * 2, left * 2, full, full);
        wait_for_copies();
        barrier();
        for (int tile = me.warp; tile * 16 < start_side * start_side; tile += warps) {
            const half* at[2];
            int m[2], y[2], z[2];
            FACEFLOW_UNROLL
            for (int e = 0; e < 2; ++e) {
                m[e] = tile * 16 + me.row + e * 8;
                const int real = m[e] < start_side * start_side ? m[e] : 0;
                y[e] = real / start_side;
                z[e] = real % start_side;
                at[e] = window + (2 * y[e] * window_columns + 2 * z[e]) * pixel_halves;
            }
            tile_sums sums = begin_sums(bias);
            convolve_window(sums, window_columns, at, weights, me.quarter);
            FACEFLOW_UNROLL
            for (int e = 0; e < 2; ++e) {
                if (m[e] >= start_side * start_side) continue;
                const bool in = !at_edge || inside(p, top + y[e], left + z[e]);
                store4(start + m[e] * pixel_stride + me.quarter * 4,
                       in ? prelu(channels_of(sums, e), slopes) : half4{0, 0});
            }
        }
    }

    // A block that keeps the size: computes `DestinationSide` x `DestinationSide` pixels from those and one more around
    // them. y0, x0: their position in the map; outside it they are zero, as the next block expects.
    template <int DestinationSide>
    static FACEFLOW_DEVICE void add_block(const parameters& p, int block, const half* from, half* to, const place& me,
                                          int y0, int x0) {
        constexpr int from_side = DestinationSide + 2, pixels = DestinationSide * DestinationSide;
        const depthwise_weights d = load_depthwise(p, block, me.quarter);
        half8 weights[steps][steps];
        float4 bias[steps];
        half4 slopes[steps];
        FACEFLOW_UNROLL
        for (int g = 0; g < steps; ++g) {
            FACEFLOW_UNROLL
            for (int s = 0; s < steps; ++s)
                weights[g][s] = load_constant(p.weights[block] + (g * steps + s) * warp_threads + me.lane);
            bias[g] = weights4(p.bias[block] + g * channel_step + me.quarter * 4);
            slopes[g] = to_halves(weights4(p.slopes[block] + g * channel_step + me.quarter * 4));
        }
        const bool at_edge = y0 < 0 || x0 < 0 || y0 + DestinationSide > p.side || x0 + DestinationSide > p.side;
        for (int tile = me.warp; tile * 16 < pixels; tile += warps) {
            const half* at[2];
            int m[2], y[2], x[2];
            FACEFLOW_UNROLL
            for (int e = 0; e < 2; ++e) {
                m[e] = tile * 16 + me.row + e * 8;
                const int real = m[e] < pixels ? m[e] : 0;
                y[e] = real / DestinationSide;
                x[e] = real - y[e] * DestinationSide;
                at[e] = from + (y[e] * from_side + x[e]) * pixel_stride + me.quarter * 4;
            }
            tile_sums sums[steps];
            FACEFLOW_UNROLL
            for (int g = 0; g < steps; ++g)
                sums[g] = begin_sums(bias[g]);
            FACEFLOW_UNROLL
            for (int s = 0; s < steps; ++s) {
                const half4 one = depthwise(at[0] + s * channel_step, from_side, d.tap[s], d.bias[s]);
                const half4 other = depthwise(at[1] + s * channel_step, from_side, d.tap[s], d.bias[s]);
                const half2 a[4] = {one.x, other.x, one.y, other.y};
                FACEFLOW_UNROLL
                for (int g = 0; g < steps; ++g)
                    multiply(sums[g], a, weights[g][s]);
            }
            FACEFLOW_UNROLL
            for (int e = 0; e < 2; ++e) {
                if (m[e] >= pixels) continue;
                const bool in = !at_edge || inside(p, y0 + y[e], x0 + x[e]);
                FACEFLOW_UNROLL
                for (int g = 0; g < steps; ++g) {
                    const half4 own = load4(at[e] + g * channel_step + (from_side + 1) * pixel_stride);
                    store4(to + m[e] * pixel_stride + g * channel_step + me.quarter * 4,
                           in ? prelu(add(channels_of(sums[g], e), own), slopes[g]) : half4{0, 0});
                }
            }
        }
    }

    static FACEFLOW_DEVICE void halve(const parameters& p, const half* from, const place& me, int picture, int y0,
                                      int x0) {
        constexpr int pixel_warps = Side * Side / 16;
        constexpr int channel_warps = smaller_of(warps / pixel_warps, Outputs / channel_step);
        constexpr int groups = Outputs / channel_step / channel_warps;
        const int pixel_warp = me.warp % pixel_warps, channel_warp = me.warp / pixel_warps;
        if (channel_warp >= channel_warps) return;
        const depthwise_weights d = load_depthwise(p, 2, me.quarter);
        const half* at[2];
        FACEFLOW_UNROLL
        for (int e = 0; e < 2; ++e) {
            const int m = pixel_warp * 16 + me.row + e * 8;
            at[e] = from + (m / Side * 2 * second_side + m % Side * 2) * pixel_stride;
        }
        tile_sums sums[groups];
        FACEFLOW_UNROLL
        for (int g = 0; g < groups; ++g)
            sums[g] = begin_sums(weights4(p.bias[2] + (channel_warp * groups + g) * channel_step + me.quarter * 4));
        FACEFLOW_UNROLL
        for (int s = 0; s < steps; ++s) {
            const int first = s * channel_step + me.quarter * 4;
            const half4 one = depthwise(at[0] + first, second_side, d.tap[s], d.bias[s]);
            const half4 other = depthwise(at[1] + first, second_side, d.tap[s], d.bias[s]);
            const half2 a[4] = {one.x, other.x, one.y, other.y};
            FACEFLOW_UNROLL
            for (int g = 0; g < groups; ++g)
                multiply(
                    sums[g], a,
                    load_constant(p.weights[2] + ((channel_warp * groups + g) * steps + s) * warp_threads + me.lane));
        }
        FACEFLOW_UNROLL
        for (int g = 0; g < groups; ++g) {
            const int channel = (channel_warp * groups + g) * channel_step + me.quarter * 4;
            const half4 slopes = to_halves(weights4(p.slopes[2] + channel));
            FACEFLOW_UNROLL
            for (int e = 0; e < 2; ++e) {
                half4 v = channels_of(sums[g], e);
                if (channel < Channels) {
                    const half* const first = at[e] + channel;
                    const half* const below = first + second_side * pixel_stride;
                    v = add(v, larger(larger(load4(first), load4(first + pixel_stride)),
                                      larger(load4(below), load4(below + pixel_stride))));
                }
                const int m = pixel_warp * 16 + me.row + e * 8, half_side = p.side / 2;
                const std::size_t pixel =
                    (static_cast<std::size_t>(picture) * half_side + y0 + m / Side) * half_side + x0 + m % Side;
                store4(p.y + pixel * Outputs + channel, prelu(v, slopes));
            }
        }
    }
};

}  // namespace faceflow::internal::inference::kernels
