// SPDX-License-Identifier: Apache-2.0
// A block of a chain: see chain.hpp.
#pragma once

#include <initializer_list>

#include "inference/kernels/fragments.hpp"

namespace faceflow::internal::inference::kernels {

enum class chain_join : std::uint8_t { none, same, pooled };

constexpr int chain_threads = 256;
constexpr int chain_alignment = 256;  // alignment of a step's parts

// A block on a square map: depthwise 3 x 3 of `Stride` (0: none), 1 x 1, the joined map, PReLU; repeated `Times` times.
template <int Inputs, int Outputs, int Side, int Stride, chain_join Join, int Times = 1>
struct chain_step {
    static constexpr int inputs = Inputs, outputs = Outputs, side = Side, stride = Stride, times = Times;
    static constexpr chain_join join = Join;
    static constexpr int out_side = Stride == 2 ? Side / 2 : Side, pixels = out_side * out_side;
    static_assert(Times == 1 || (Inputs == Outputs && Stride == 1));
    // The offsets of its weights' parts, in bytes.
    static constexpr int depthwise_bias = Stride > 0 ? round_up(Inputs * 9 * 2, chain_alignment) : 0;
    static constexpr int weights = Stride > 0 ? depthwise_bias + round_up(Inputs * 4, chain_alignment) : 0;
    static constexpr int bias = weights + round_up(Inputs * Outputs * 2, chain_alignment);
    static constexpr int slopes = bias + round_up(Outputs * 4, chain_alignment);
    static constexpr int bytes = slopes + round_up(Outputs * 4, chain_alignment);
    // Sizes in halves of its maps and of the product's input.
    static constexpr int map =
        larger_of((Side + 2) * (Side + 2) * (Inputs + 8), (out_side + 2) * (out_side + 2) * (Outputs + 8));
    static constexpr int rows = Stride > 0 ? round_up(pixels, 16) * (Inputs + 8) : 0;
};

template <class... Steps>
struct chain_of {
    static constexpr int most(std::initializer_list<int> of) {
        int v = 0;
        for (const int i : of)
            v = larger_of(v, i);
        return v;
    }
    static constexpr int map = round_up(most({Steps::map...}), 8), rows = round_up(most({Steps::rows...}), 8);
    static constexpr int bytes = most({Steps::bytes...});
    static constexpr int steps = (Steps::times + ...);
};
template <class First, class... Rest>
struct first_step {
    using type = First;
};
template <class First, class... Rest>
struct last_step : last_step<Rest...> {};
template <class Last>
struct last_step<Last> {
    using type = Last;
};

template <int Side, int Channels>
FACEFLOW_DEVICE int bordered(int pixel) {
    return ((pixel / Side + 1) * (Side + 2) + pixel % Side + 1) * (Channels + 8);
}

template <int Side, int Channels>
FACEFLOW_DEVICE void clear_border(half* map) {
    constexpr int width = Side + 2, of_8 = Channels / 8;
    for (int i = thread(); i < (4 * Side + 4) * of_8; i += chain_threads) {
        const int g = i % of_8;
        int k = i / of_8, y = 0, x = 0;
        if (k < 2 * width) {
            y = k / width * (width - 1);
            x = k % width;
        } else {
            k -= 2 * width;
            y = 1 + k / 2;
            x = k % 2 * (width - 1);
        }
        store8(map + (y * width + x) * (Channels + 8) + g * 8, half8{0, 0, 0, 0});
    }
}

FACEFLOW_DEVICE void fetch(std::byte* to, const std::byte* from, int bytes) {
    for (int i = thread() * 16; i < bytes; i += chain_threads * 16)
        copy_async(reinterpret_cast<half8*>(to + i), reinterpret_cast<const half8*>(from + i));
}

// The memory of a block of threads.
struct chain_state {
    half *map, *other_map, *rows;
    std::byte *weights, *next_weights;
    const std::byte* to_come;  // the weights that follow this step's

    FACEFLOW_DEVICE void swap_maps() {
        half* const t = map;
        map = other_map;
        other_map = t;
    }
    FACEFLOW_DEVICE void swap_weights() {
        std::byte* const t = weights;
        weights = next_weights;
        next_weights = t;
    }
};

template <class Step>
struct chain_work {
    static constexpr int inputs = Step::inputs, outputs = Step::outputs, side = Step::side, out_side = Step::out_side;
    static constexpr int stride = inputs + 8, width = side + 2, steps = inputs / channel_step;
    static constexpr int warps = chain_threads / warp_threads;
    // Warps are distributed over channels, then over tiles of 16 pixels.
    static constexpr int tiles = divide_up(Step::pixels, 16), all_groups = outputs / channel_step;
    static constexpr int groups = all_groups == 8 && tiles > 1 ? 2 : 1;
    static constexpr int channel_warps = all_groups / groups, tile_warps = warps / channel_warps;

    // `next_bytes`: size of the next weights.
    static FACEFLOW_DEVICE void run(chain_state& s, int next_bytes) {
        fetch(s.next_weights, s.to_come, next_bytes);
        s.to_come += next_bytes;
        if constexpr (Step::join != chain_join::same) clear_border<out_side, outputs>(s.other_map);
        if constexpr (Step::stride > 0) {
            depthwise(s);
            barrier();
        }
        product(s);
        if constexpr (Step::join != chain_join::same) s.swap_maps();
        s.swap_weights();
        wait_for_copies();
        barrier();
    }

private:
    static FACEFLOW_DEVICE void depthwise(const chain_state& s) {
        // Runs of as many pixels as leave work for all threads.
        constexpr int of_8 = inputs / 8, by = Step::stride;
        constexpr int run = by == 1 && out_side % 4 == 0 && Step::pixels * of_8 / 4 >= chain_threads ? 4
                            : out_side % 2 == 0 && Step::pixels * of_8 / 2 >= chain_threads          ? 2
                                                                                                     : 1;
        constexpr int columns = (run - 1) * by + 3;
        // With stride 2, windows begin at the pixel itself; otherwise at the one before it.
        constexpr int begin = by == 2 ? 1 : 0;
        const half* const taps = reinterpret_cast<const half*>(s.weights);
        const float* const bias = reinterpret_cast<const float*>(s.weights + Step::depthwise_bias);
        for (int i = thread(); i < Step::pixels / run * of_8; i += chain_threads) {
            const int g = i % of_8, m = i / of_8 * run, y = m / out_side, x = m % out_side;
            const half* const at = s.map + ((y * by + begin) * width + x * by + begin) * stride + g * 8;
            const float4* const b = reinterpret_cast<const float4*>(bias + g * 8);
            const half8 start = to_halves(load(b), load(b + 1));
            half8 sums[run];
            FACEFLOW_UNROLL
            for (int k = 0; k < run; ++k)
                sums[k] = start;
            FACEFLOW_UNROLL
            for (int ky = 0; ky < 3; ++ky) {
                half8 in[columns], w[3];
                FACEFLOW_UNROLL
                for (int j = 0; j < columns; ++j)
                    in[j] = load8(at + (ky * width + j) * stride);
                FACEFLOW_UNROLL
                for (int k = 0; k < 3; ++k)
                    w[k] = load8(taps + (ky * 3 + k) * inputs + g * 8);
                FACEFLOW_UNROLL
                for (int j = 0; j < run; ++j) {
                    FACEFLOW_UNROLL
                    for (int k = 0; k < 3; ++k)
                        sums[j] = multiply_add(in[j * by + k], w[k], sums[j]);
                }
            }
            FACEFLOW_UNROLL
            for (int k = 0; k < run; ++k)
                store8(s.rows + (m + k) * stride + g * 8, sums[k]);
        }
    }

    static FACEFLOW_DEVICE void product(const chain_state& s) {
        const place me = my_place();
        const int first_channel = me.warp % channel_warps * groups * channel_step + me.quarter * 4;
        half8 weights[groups][steps];
        float4 bias[groups];
        half4 slopes[groups];
        FACEFLOW_UNROLL
        for (int g = 0; g < groups; ++g) {
            const int group = me.warp % channel_warps * groups + g, channel = first_channel + g * channel_step;
            const half8* const from =
                reinterpret_cast<const half8*>(s.weights + Step::weights) + group * steps * warp_threads + me.lane;
            FACEFLOW_UNROLL
            for (int k = 0; k < steps; ++k)
                weights[g][k] = load(from + k * warp_threads);
            bias[g] = load(reinterpret_cast<const float4*>(s.weights + Step::bias) + channel / 4);
            slopes[g] = to_halves(load(reinterpret_cast<const float4*>(s.weights + Step::slopes) + channel / 4));
        }
        for (int tile = me.warp / channel_warps; tile < tiles; tile += tile_warps) {
            const int row = tile * 16 + me.lane % 16;
            const half* const from = (Step::stride > 0 ? s.rows + row * stride
                                                       : s.map + bordered<side, inputs>(row < Step::pixels ? row : 0)) +
                                     me.lane / 16 * 8;
            // Two alternating sums, so that products need not wait for one another.
            tile_sums even[groups], odd[groups] = {};
            FACEFLOW_UNROLL
            for (int g = 0; g < groups; ++g)
                even[g] = begin_sums(bias[g]);
            FACEFLOW_UNROLL
            for (int k = 0; k < steps; ++k) {
                half2 a[4];
                load_matrices(a, from + k * channel_step);
                FACEFLOW_UNROLL
                for (int g = 0; g < groups; ++g)
                    multiply(k % 2 != 0 ? odd[g] : even[g], a, weights[g][k]);
            }
            FACEFLOW_UNROLL
            for (int g = 0; g < groups; ++g) {
                FACEFLOW_UNROLL
                for (int i = 0; i < 8; ++i)
                    if (steps > 1) even[g].v[i] += odd[g].v[i];
                FACEFLOW_UNROLL
                for (int e = 0; e < 2; ++e) {
                    const int m = tile * 16 + me.row + e * 8;
                    if (m < Step::pixels)
                        finish(s, channels_of(even[g], e), slopes[g], m, first_channel + g * channel_step);
                }
            }
        }
    }

    static FACEFLOW_DEVICE void finish(const chain_state& s, half4 v, half4 slopes, int m, int channel) {
        half* const out = Step::join == chain_join::same ? s.map : s.other_map;
        if constexpr (Step::join == chain_join::same) {
            v = add(v, load4(s.map + bordered<side, inputs>(m) + channel));
        } else if constexpr (Step::join == chain_join::pooled) {
            if (channel < inputs) {
                const half* const upper =
                    s.map + ((m / out_side * 2 + 1) * width + m % out_side * 2 + 1) * stride + channel;
                const half* const lower = upper + width * stride;
                v = add(v, larger(larger(load4(upper), load4(upper + stride)),
                                  larger(load4(lower), load4(lower + stride))));
            }
        }
        store4(out + bordered<out_side, outputs>(m) + channel, prelu(v, slopes));
    }
};

}  // namespace faceflow::internal::inference::kernels
