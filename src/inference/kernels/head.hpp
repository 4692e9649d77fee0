// SPDX-License-Identifier: Apache-2.0
// A detector's head on a map: a 1 x 1 convolution whose channels go to vectors of floats.
#pragma once

#include "inference/kernels/fragments.hpp"

namespace faceflow::internal::inference::kernels {

constexpr int max_parts = 8;

struct head_part {
    float* y;
    int first, channels;
    bool interleaved;  // cell by cell; otherwise one plane per channel
    bool pairs;        // softmax of channel k and k + channels / 2
};

struct head_parameters {
    const half* x;
    const half8* weights;
    const float* bias;
    head_part parts[max_parts];
    int count;
    int inputs;  // a multiple of 16
    int groups;  // of 16 outputs
    int cells;   // per picture
    int total;   // of all pictures
};

// A block of threads processes 32 cells.
struct head_kernel {
    using parameters = head_parameters;
    static constexpr int threads = 128, warps = threads / warp_threads;
    static constexpr int rows = 32;
    static constexpr std::size_t shared_bytes(int inputs, int groups) {
        return static_cast<std::size_t>(rows) * (static_cast<std::size_t>(inputs + 8) * sizeof(half) +
                                                 static_cast<std::size_t>(groups * channel_step + 4) * sizeof(float));
    }

    static FACEFLOW_DEVICE void run(const parameters& p) {
        const int stride = p.inputs + 8, of_8 = p.inputs / 8, steps = p.inputs / channel_step;
        const int value_stride = p.groups * channel_step + 4;
        half* const pixels = reinterpret_cast<half*>(shared_memory());
        float* const values = reinterpret_cast<float*>(pixels + rows * stride);
        const place me = my_place();
        const int base = block_x() * rows;
        wait_for_previous_kernel();
        for (int i = thread(); i < rows * of_8; i += threads) {
            const int row = i / of_8, g = i - row * of_8;
            const bool there = base + row < p.total;
            const std::size_t cell = there ? static_cast<std::size_t>(base + row) : std::size_t{0};
            copy_async_if(there, reinterpret_cast<half8*>(pixels + row * stride + g * 8),
                          reinterpret_cast<const half8*>(p.x + cell * p.inputs + g * 8));
        }
        wait_for_copies();
        barrier();
        let_next_kernel_start();
        for (int i = me.warp; i < p.groups * (rows / 16); i += warps) {
            const int tile = i % (rows / 16), group = i / (rows / 16), channel = group * channel_step + me.quarter * 4;
            tile_sums sums = begin_sums(weights4(p.bias + channel));
            FACEFLOW_UNROLL_4
            for (int s = 0; s < steps; ++s) {
                half2 a[4];
                load_matrices(a, matrix_row(pixels + tile * 16 * stride + s * channel_step, stride, me.lane));
                multiply(sums, a, load_constant(p.weights + (group * steps + s) * warp_threads + me.lane));
            }
            FACEFLOW_UNROLL
            for (int e = 0; e < 2; ++e)
                store(reinterpret_cast<float4*>(values + (tile * 16 + me.row + e * 8) * value_stride + channel),
                      floats_of(sums, e));
        }
        barrier();
        for (int i = 0; i < p.count; ++i)
            tell(p, p.parts[i], values, value_stride, base);
    }

private:
    static FACEFLOW_DEVICE void tell(const parameters& p, const head_part& part, const float* values, int stride,
                                     int base) {
        for (int i = thread(); i < rows * part.channels; i += threads) {
            // Neighbouring threads write adjacent values.
            const int row = part.interleaved ? i / part.channels : i % rows;
            const int channel = part.interleaved ? i % part.channels : i / rows;
            if (base + row >= p.total) continue;
            const float* const of_cell = values + row * stride + part.first;
            float v = load(of_cell + channel);
            if (part.pairs) {
                const int half_way = part.channels / 2;
                v = 1 / (1 + exponential(load(of_cell + (channel + half_way) % part.channels) - v));
            }
            const int picture = (base + row) / p.cells, cell = (base + row) % p.cells;
            float* const to = part.y + static_cast<std::size_t>(picture) * p.cells * part.channels;
            to[part.interleaved ? static_cast<std::size_t>(cell) * part.channels + channel
                                : static_cast<std::size_t>(channel) * p.cells + cell] = v;
        }
    }
};

}  // namespace faceflow::internal::inference::kernels
