// SPDX-License-Identifier: Apache-2.0
// [depthwise 3 x 3, or the maximum of 2 x 2 ->] 1 x 1 of any size: used where no kernel of the exact size exists
// (block.hpp).
#pragma once

#include "inference/kernels/block.hpp"

namespace faceflow::internal::inference::kernels {

enum class block_source : std::uint8_t { plain, pooled, depthwise };

struct any_block_parameters {
    const half* x;
    half* y;
    const half* depthwise_weights;  // [9][inputs]
    const float* depthwise_bias;
    const half8* weights;
    const float *bias, *slopes;
    joined_map joined;
    int height, width;  // of x
    int out_height, out_width;
    int total;   // output pixels in total
    int inputs;  // a multiple of 16; missing inputs have zero weights
    int groups;  // groups of 16 outputs
    int groups_of_block;
    int rows;        // pixels per block of threads: a multiple of 32
    int y_channels;  // of the written map, from y on
    int written;     // channels to write; a multiple of 4
    int stride, pad;
    block_source source;
    bool depthwise_relu;
};

struct any_block_kernel {
    using parameters = any_block_parameters;
    static constexpr int threads = 128, warps = threads / warp_threads;
    static constexpr std::size_t shared_bytes(int rows, int inputs) {
        return static_cast<std::size_t>(rows) * static_cast<std::size_t>(inputs + 8) * sizeof(half);
    }

    static FACEFLOW_DEVICE void run(const parameters& p) {
        half* const pixels = reinterpret_cast<half*>(shared_memory());
        const place me = my_place();
        const int base = block_x() * p.rows;
        wait_for_previous_kernel();
        fill(p, pixels, base);
        wait_for_copies();
        barrier();
        let_next_kernel_start();
        // A warp processes 32 pixels and 16 channels at a time.
        const int pieces = p.rows / 32, first_group = block_y() * p.groups_of_block;
        const int groups = smaller_of(p.groups_of_block, p.groups - first_group);
        for (int i = me.warp; i < groups * pieces; i += warps)
            product(p, pixels, base, i % pieces * 32, first_group + i / pieces, me);
    }

private:
    static FACEFLOW_DEVICE void fill(const parameters& p, half* pixels, int base) {
        const int of_8 = p.inputs / 8, stride = p.inputs + 8;
        for (int i = thread(); i < p.rows * of_8; i += threads) {
            const int row = i / of_8, g = i - row * of_8, m = base + row;
            if (m >= p.total) continue;
            half* const to = pixels + row * stride + g * 8;
            if (p.source == block_source::plain) {
                copy_async(reinterpret_cast<half8*>(to),
                           reinterpret_cast<const half8*>(p.x + static_cast<std::size_t>(m) * p.inputs + g * 8));
                continue;
            }
            const pixel_place at = place_of(m, p.out_height, p.out_width);
            const half* const picture =
                p.x + static_cast<std::size_t>(at.picture) * p.height * p.width * p.inputs + g * 8;
            store8(to, p.source == block_source::pooled ? pool(p, picture, at) : depthwise(p, picture, at, g * 8));
        }
    }

    static FACEFLOW_DEVICE half8 pool(const parameters& p, const half* picture, pixel_place at) {
        const half* const upper = picture + (static_cast<std::size_t>(2 * at.y) * p.width + 2 * at.x) * p.inputs;
        const half* const lower = upper + static_cast<std::size_t>(p.width) * p.inputs;
        return larger(larger(load8(upper), load8(upper + p.inputs)), larger(load8(lower), load8(lower + p.inputs)));
    }

    static FACEFLOW_DEVICE half8 depthwise(const parameters& p, const half* picture, pixel_place at, int channel) {
        half8 sums[1];
        if (p.stride == 1) {
            depthwise_run<1, 1>(picture, p.inputs, p.height, p.width, at.y - p.pad, at.x - p.pad,
                                p.depthwise_weights + channel, p.depthwise_bias + channel, sums);
        } else {
            depthwise_run<2, 1>(picture, p.inputs, p.height, p.width, at.y * 2 - p.pad, at.x * 2 - p.pad,
                                p.depthwise_weights + channel, p.depthwise_bias + channel, sums);
        }
        return p.depthwise_relu ? relu(sums[0]) : sums[0];
    }

    static FACEFLOW_DEVICE void product(const parameters& p, const half* pixels, int base, int row, int group,
                                        const place& me) {
        const int steps = p.inputs / channel_step, stride = p.inputs + 8;
        const int channel = group * channel_step + me.quarter * 4;
        const half8* const weights = p.weights + static_cast<std::size_t>(group) * steps * warp_threads + me.lane;
        const float4 bias = weights4(p.bias + channel);
        tile_sums sums[2] = {begin_sums(bias), begin_sums(bias)};
        FACEFLOW_UNROLL_4
        for (int s = 0; s < steps; ++s) {
            const half8 w = load_constant(weights + s * warp_threads);
            FACEFLOW_UNROLL
            for (int t = 0; t < 2; ++t) {
                half2 a[4];
                load_matrices(a, matrix_row(pixels + (row + t * 16) * stride + s * channel_step, stride, me.lane));
                multiply(sums[t], a, w);
            }
        }
        if (channel >= p.written) return;
        const half4 slopes = to_halves(weights4(p.slopes + channel));
        FACEFLOW_UNROLL
        for (int t = 0; t < 2; ++t) {
            FACEFLOW_UNROLL
            for (int e = 0; e < 2; ++e) {
                const int m = base + row + t * 16 + me.row + e * 8;
                if (m >= p.total) continue;
                const half4 v =
                    join<all_joins>(p.joined, channels_of(sums[t], e), slopes, m, p.out_height, p.out_width, channel);
                store4(p.y + static_cast<std::size_t>(m) * p.y_channels + channel, v);
            }
        }
    }
};

}  // namespace faceflow::internal::inference::kernels
