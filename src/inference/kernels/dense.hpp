// SPDX-License-Identifier: Apache-2.0
// The product of a whole small map with a matrix, for 16 pictures at a time.
#pragma once

#include "inference/kernels/fragments.hpp"

namespace faceflow::internal::inference::kernels {

struct dense_parameters {
    const half* x;  // [pictures][inputs]
    float* y;       // [pictures][length]
    const half8* weights;
    const float* bias;
    int pictures;
    int inputs;  // a multiple of 16
    int outputs, length;
};

// A warp computes 16 outputs; a block of threads has four warps and, selected by block_y(), 16 pictures.
struct dense_kernel {
    using parameters = dense_parameters;
    static constexpr int threads = 128, warps = threads / warp_threads;
    static constexpr int rows = 16;
    static constexpr int piece = 512;  // inputs at a time
    static constexpr std::size_t shared_bytes(int inputs) {
        return static_cast<std::size_t>(rows * (smaller_of(inputs, piece) + 8)) * sizeof(half);
    }

    static FACEFLOW_DEVICE void run(const parameters& p) {
        half* const pixels = reinterpret_cast<half*>(shared_memory());
        const place me = my_place();
        const int base = block_y() * rows, group = block_x() * warps + me.warp, groups = divide_up(p.outputs, 16);
        const int stride = smaller_of(p.inputs, piece) + 8, all_steps = p.inputs / channel_step;
        const half8* const weights = p.weights + static_cast<std::size_t>(group) * all_steps * warp_threads + me.lane;
        tile_sums sums{};
        wait_for_previous_kernel();
        for (int from = 0; from < p.inputs; from += piece) {
            const int length = smaller_of(piece, p.inputs - from), of_8 = length / 8;
            if (from > 0) barrier();
            for (int i = thread(); i < rows * of_8; i += threads) {
                const int row = i / of_8, g = i % of_8;
                const bool there = base + row < p.pictures;
                const std::size_t picture = there ? static_cast<std::size_t>(base + row) : std::size_t{0};
                copy_async_if(there, reinterpret_cast<half8*>(pixels + row * stride + g * 8),
                              reinterpret_cast<const half8*>(p.x + picture * p.inputs + from + g * 8));
            }
            wait_for_copies();
            barrier();
            if (group >= groups) continue;
            const half8* const piece_weights = weights + from / channel_step * warp_threads;
            FACEFLOW_UNROLL_4
            for (int s = 0; s < length / channel_step; ++s) {
                half2 a[4];
                load_matrices(a, matrix_row(pixels + s * channel_step, stride, me.lane));
                multiply(sums, a, load_constant(piece_weights + s * warp_threads));
            }
        }
        let_next_kernel_start();
        if (group >= groups) return;
        const int channel = group * channel_step + me.quarter * 4;
        const float4 bias = weights4(p.bias + channel);
        FACEFLOW_UNROLL
        for (int e = 0; e < 2; ++e) {
            const int picture = base + me.row + e * 8;
            if (picture >= p.pictures) continue;
            const float4 v = floats_of(sums, e);
            const float out[4] = {v.x + bias.x, v.y + bias.y, v.z + bias.z, v.w + bias.w};
            float* const to = p.y + static_cast<std::size_t>(picture) * p.length + channel;
            FACEFLOW_UNROLL
            for (int k = 0; k < 4; ++k)
                if (channel + k < p.outputs) to[k] = out[k];
        }
    }
};

}  // namespace faceflow::internal::inference::kernels
