// SPDX-License-Identifier: Apache-2.0
// [depthwise 3 x 3 ->] 1 x 1 of sizes known at compile time: most of a network's time is spent here.
#pragma once

#include "inference/kernels/joined.hpp"

namespace faceflow::internal::inference::kernels {

struct block_parameters {
    const half* x;
    half* y;
    const half* depthwise_weights;  // [9][inputs]
    const float* depthwise_bias;
    const half8* weights;
    const float *bias, *slopes;
    joined_map joined;
    int height, width;  // of x
    int out_height, out_width;
    int row_length;  // out_width, rounded up to whole runs
    int total;       // pictures x out_height x row_length
    int pad;
    int y_channels;
    bool depthwise_relu;
};

// Depthwise 3 x 3 of `Run` neighbouring pixels and 8 channels, in half. All loads precede the first use.
template <int Stride, int Run>
FACEFLOW_DEVICE void depthwise_run(const half* x, int channels, int height, int width, int y0, int x0,
                                   const half* weights, const float* bias, half8 (&sums)[Run]) {
    constexpr int columns = (Run - 1) * Stride + 3;
    half8 in[3][columns];
    FACEFLOW_UNROLL
    for (int ky = 0; ky < 3; ++ky) {
        FACEFLOW_UNROLL
        for (int j = 0; j < columns; ++j) {
            const int iy = y0 + ky, ix = x0 + j;
            const bool there = iy >= 0 && iy < height && ix >= 0 && ix < width;
            in[ky][j] = there ? load8(x + (static_cast<std::size_t>(iy) * width + ix) * channels) : half8{0, 0, 0, 0};
        }
    }
    const half8 start = bias8(bias);
    FACEFLOW_UNROLL
    for (int p = 0; p < Run; ++p)
        sums[p] = start;
    FACEFLOW_UNROLL
    for (int ky = 0; ky < 3; ++ky) {
        FACEFLOW_UNROLL
        for (int kx = 0; kx < 3; ++kx) {
            const half8 w = weights8(weights + (ky * 3 + kx) * channels);
            FACEFLOW_UNROLL
            for (int p = 0; p < Run; ++p)
                sums[p] = multiply_add(in[ky][p * Stride + kx], w, sums[p]);
        }
    }
}

// A block of threads computes `Rows` pixels and `Outputs` channels, selected by block_y(). Stride 0: no depthwise.
template <int Inputs, int Outputs, int Stride, int Rows>
struct block_kernel {
    using parameters = block_parameters;
    static constexpr int threads = 128;
    static constexpr int inputs = Inputs, outputs = Outputs, stride = Stride, rows = Rows;
    // The maps that networks add to such blocks: their own input, or the next level of a pyramid.
    static constexpr unsigned joins = Stride == 1   ? join_bit(join_kind::same)
                                      : Stride == 0 ? join_bit(join_kind::doubled)
                                                    : 0;
    static constexpr int run_length = Stride == 0 ? 1 : Stride == 2 ? 2 : 4;
    static constexpr int steps = Inputs / channel_step, groups_of_8 = Inputs / 8;
    static constexpr int row_stride = Inputs + 8;  // places rows of a matrix in different banks
    static constexpr int weight_words = Outputs / channel_step * steps * warp_threads;
    static constexpr std::size_t shared_bytes = weight_words * sizeof(half8) + Rows * row_stride * sizeof(half);

    // Warps are distributed over channels, in groups of 16, then over pixels, in tiles of 16.
    static constexpr int warps = threads / warp_threads;
    static constexpr int groups = Outputs >= 32 ? 2 : 1;
    static constexpr int channel_warps = Outputs / channel_step / groups;
    static constexpr int pixel_warps = smaller_of(warps / channel_warps, Rows / 16);
    static constexpr int tiles = Rows / 16 / pixel_warps;

    static FACEFLOW_DEVICE void run(const parameters& p) {
        half8* const weights = reinterpret_cast<half8*>(shared_memory());
        half* const pixels = reinterpret_cast<half*>(weights + weight_words);
        const int base = block_x() * Rows;
        for (int i = thread(); i < weight_words; i += threads)
            copy_async(weights + i, p.weights + block_y() * weight_words + i);
        wait_for_previous_kernel();
        fill(p, pixels, base);
        wait_for_copies();
        barrier();
        let_next_kernel_start();
        const place me = my_place();
        const int channel_warp = me.warp % channel_warps, pixel_warp = me.warp / channel_warps;
        if (pixel_warp >= pixel_warps) return;
        product(p, weights, pixels, base, me, channel_warp, pixel_warp);
    }

private:
    // Fills in the product's input pixels.
    static FACEFLOW_DEVICE void fill(const parameters& p, half* pixels, int base) {
        if constexpr (Stride == 0) {
            FACEFLOW_UNROLL_4
            for (int i = thread(); i < Rows * groups_of_8; i += threads) {
                const int row = i / groups_of_8, g = i % groups_of_8, m = base + row;
                if (m >= p.total) continue;
                copy_async(reinterpret_cast<half8*>(pixels + row * row_stride + g * 8),
                           reinterpret_cast<const half8*>(p.x + static_cast<std::size_t>(m) * Inputs + g * 8));
            }
        } else {
            for (int i = thread(); i < Rows / run_length * groups_of_8; i += threads) {
                const int g = i % groups_of_8, row = i / groups_of_8 * run_length, m = base + row;
                if (m >= p.total) continue;
                const pixel_place at = place_of(m, p.out_height, p.row_length);
                const half* const picture =
                    p.x + static_cast<std::size_t>(at.picture) * p.height * p.width * Inputs + g * 8;
                half8 sums[run_length];
                depthwise_run<Stride, run_length>(picture, Inputs, p.height, p.width, at.y * Stride - p.pad,
                                                  at.x * Stride - p.pad, p.depthwise_weights + g * 8,
                                                  p.depthwise_bias + g * 8, sums);
                FACEFLOW_UNROLL
                for (int k = 0; k < run_length; ++k)
                    store8(pixels + (row + k) * row_stride + g * 8, p.depthwise_relu ? relu(sums[k]) : sums[k]);
            }
        }
    }

    static FACEFLOW_DEVICE void product(const parameters& p, const half8* weights, const half* pixels, int base,
                                        const place& me, int channel_warp, int pixel_warp) {
        const int first_channel = block_y() * Outputs + channel_warp * groups * channel_step + me.quarter * 4;
        tile_sums sums[tiles][groups];
        FACEFLOW_UNROLL
        for (int g = 0; g < groups; ++g) {
            const float4 bias = weights4(p.bias + first_channel + g * channel_step);
            FACEFLOW_UNROLL
            for (int t = 0; t < tiles; ++t)
                sums[t][g] = begin_sums(bias);
        }
        FACEFLOW_UNROLL
        for (int s = 0; s < steps; ++s) {
            half8 w[groups];
            FACEFLOW_UNROLL
            for (int g = 0; g < groups; ++g)
                w[g] = load(weights + ((channel_warp * groups + g) * steps + s) * warp_threads + me.lane);
            FACEFLOW_UNROLL
            for (int t = 0; t < tiles; ++t) {
                half2 a[4];
                const half* const tile = pixels + (pixel_warp * tiles + t) * 16 * row_stride + s * channel_step;
                load_matrices(a, matrix_row(tile, row_stride, me.lane));
                FACEFLOW_UNROLL
                for (int g = 0; g < groups; ++g)
                    multiply(sums[t][g], a, w[g]);
            }
        }
        FACEFLOW_UNROLL
        for (int g = 0; g < groups; ++g) {
            const int channel = first_channel + g * channel_step;
            const half4 slopes = to_halves(weights4(p.slopes + channel));
            FACEFLOW_UNROLL
            for (int t = 0; t < tiles; ++t) {
                FACEFLOW_UNROLL
                for (int e = 0; e < 2; ++e)
                    finish(p, channels_of(sums[t][g], e), slopes, base + (pixel_warp * tiles + t) * 16 + me.row + e * 8,
                           channel);
            }
        }
    }

    static FACEFLOW_DEVICE void finish(const parameters& p, half4 v, half4 slopes, int m, int channel) {
        if (m >= p.total) return;
        if (p.row_length != p.out_width) {  // the last run of a row extends beyond it
            const int row = m / p.row_length, x = m - row * p.row_length;
            if (x >= p.out_width) return;
            m = row * p.out_width + x;
        }
        v = join<joins>(p.joined, v, slopes, m, p.out_height, p.out_width, channel);
        store4(p.y + static_cast<std::size_t>(m) * p.y_channels + channel, v);
    }
};

}  // namespace faceflow::internal::inference::kernels
