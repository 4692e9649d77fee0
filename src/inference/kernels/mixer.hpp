// SPDX-License-Identifier: Apache-2.0
// An MLP-Mixer over points (plan_mixer), a block of threads per picture: tokens x channels stay in shared memory, in
// float; products take halves on tensor cores, with sums in float. Hidden values exist `piece` at a time.
#pragma once

#include "inference/kernels/fragments.hpp"

namespace faceflow::internal::inference::kernels {

struct mixer_product {
    const half8* weights;
    const float* bias;  // padded to 16 outputs
};

struct mixer_layer {
    const float *token_norm, *channel_norm;
    mixer_product token_in, token_out, channel_in, channel_out;
};

constexpr int max_mixer_layers = 8;

struct mixer_parameters {
    const float* points;  // [pictures][points][2]
    float* y;             // [pictures][length]
    const float *embed_points, *embed_points_bias;
    const float *embed_channels, *embed_channels_bias;
    const float *first, *head, *head_bias;
    mixer_layer layers[max_mixer_layers];
    int layer_count;
    int point_count, tokens, channels;  // channels: a multiple of 16
    int token_hidden, channel_hidden;   // multiples of `piece`
    int outputs, length;
    float scale, epsilon;
};

struct mixer_kernel {
    using parameters = mixer_parameters;
    static constexpr int threads = 256, warps = threads / warp_threads;
    static constexpr int piece = 64, row_gap = 8, tiles_of_warp = 4;

    // What the kernel reads of x and of hidden values at once: rows by columns, in either orientation.
    static constexpr std::size_t halves(int tokens, int channels) {
        const int t = round_up(tokens, 16);
        const int across = channels * (t + row_gap), along = t * (channels + row_gap);
        return static_cast<std::size_t>(larger_of(across, along));
    }
    static constexpr std::size_t hidden_bytes(int points, int tokens, int channels) {
        const int rows = larger_of(round_up(tokens, 16), channels);
        const auto hidden = static_cast<std::size_t>(rows * (piece + row_gap)) * sizeof(half);
        const auto embedding = static_cast<std::size_t>(2 * (points + tokens)) * sizeof(float);
        return hidden > embedding ? hidden : embedding;
    }
    static constexpr std::size_t shared_bytes(int points, int tokens, int channels) {
        return static_cast<std::size_t>(tokens * channels) * sizeof(float) + halves(tokens, channels) * sizeof(half) +
               hidden_bytes(points, tokens, channels);
    }
    // Whether a product's sums fit the registers of the block's warps.
    static constexpr bool fits(int tokens, int channels) {
        return (channels / 16) * (round_up(tokens, 16) / 16) <= warps * tiles_of_warp;
    }

    static FACEFLOW_DEVICE void run(const parameters& p) {
        float* const x = reinterpret_cast<float*>(shared_memory());
        half* const in = reinterpret_cast<half*>(x + p.tokens * p.channels);
        half* const hidden = in + halves(p.tokens, p.channels);
        const place me = my_place();
        wait_for_previous_kernel();
        embed(p, me, x, reinterpret_cast<float*>(hidden));
        for (int l = 0; l < p.layer_count; ++l) {
            const mixer_layer& layer = p.layers[l];
            normalise<true>(p, me, layer.token_norm, x, in);
            mix<true>(p, me, layer.token_in, layer.token_out, p.token_hidden, in, hidden, x);
            normalise<false>(p, me, layer.channel_norm, x, in);
            mix<false>(p, me, layer.channel_in, layer.channel_out, p.channel_hidden, in, hidden, x);
        }
        let_next_kernel_start();
        for (int i = thread(); i < p.outputs; i += threads) {
            float sum = p.head_bias[i];
            for (int c = 0; c < p.channels; ++c)
                sum = fused_multiply_add(x[c], load_constant(p.head + c * p.outputs + i), sum);
            p.y[static_cast<std::size_t>(block_x()) * p.length + i] = 1 / (1 + exponential(-sum));
        }
    }

private:
    static FACEFLOW_DEVICE float sum_of_warp(float v) {
        for (int mask = warp_threads / 2; mask > 0; mask /= 2)
            v += exchange_xor(v, mask);
        return v;
    }

    // Points centred and scaled, then tokens, then channels. Every warp computes the centre and the length for itself.
    static FACEFLOW_DEVICE void embed(const parameters& p, const place& me, float* x, float* work) {
        const float* const points = p.points + static_cast<std::size_t>(block_x()) * p.point_count * 2;
        float* const centred = work;                     // [2][points]
        float* const tokens = work + 2 * p.point_count;  // [2][tokens - 1]
        const int new_tokens = p.tokens - 1;
        float centre[2] = {0, 0}, length = 0;
        for (int i = me.lane; i < p.point_count; i += warp_threads) {
            centre[0] += points[2 * i];
            centre[1] += points[2 * i + 1];
        }
        const auto count = static_cast<float>(p.point_count);
        centre[0] = sum_of_warp(centre[0]) / count;
        centre[1] = sum_of_warp(centre[1]) / count;
        for (int i = me.lane; i < p.point_count; i += warp_threads) {
            const float dx = points[2 * i] - centre[0], dy = points[2 * i + 1] - centre[1];
            length += square_root(dx * dx + dy * dy);
        }
        const float by = p.scale / (sum_of_warp(length) / count);
        for (int i = thread(); i < 2 * p.point_count; i += threads) {
            const int k = i / p.point_count, at = i % p.point_count;
            centred[i] = (points[2 * at + k] - centre[k]) * by;
        }
        barrier();
        for (int i = thread(); i < 2 * new_tokens; i += threads) {
            const int k = i / new_tokens, token = i % new_tokens;
            float sum = p.embed_points_bias[token];
            for (int j = 0; j < p.point_count; ++j)
                sum = fused_multiply_add(centred[k * p.point_count + j],
                                         load_constant(p.embed_points + j * new_tokens + token), sum);
            tokens[i] = sum;
        }
        barrier();
        for (int i = thread(); i < p.tokens * p.channels; i += threads) {
            const int token = i / p.channels - 1, c = i % p.channels;
            float v = 0;
            if (token < 0) {
                v = p.first[c];
            } else {
                v = fused_multiply_add(tokens[token], p.embed_channels[c], p.embed_channels_bias[c]);
                v = fused_multiply_add(tokens[new_tokens + token], p.embed_channels[p.channels + c], v);
            }
            x[i] = v;
        }
        barrier();
    }

    // The norm of each token as halves: with `Turned`, tokens are the columns. Padding tokens are zeros. A warp per token.
    template <bool Turned>
    static FACEFLOW_DEVICE void normalise(const parameters& p, const place& me, const float* factor, const float* x,
                                          half* out) {
        const int padded = round_up(p.tokens, 16), stride = (Turned ? padded : p.channels) + row_gap;
        const auto count = static_cast<float>(p.channels);
        for (int t = me.warp; t < padded; t += warps) {
            const bool there = t < p.tokens;
            const float* const in = x + (there ? t : 0) * p.channels;
            float mean = 0, variance = 0;
            for (int c = me.lane; c < p.channels; c += warp_threads)
                mean += in[c];
            mean = sum_of_warp(mean) / count;
            for (int c = me.lane; c < p.channels; c += warp_threads)
                variance += (in[c] - mean) * (in[c] - mean);
            const float by = 1 / square_root(sum_of_warp(variance) / count + p.epsilon);
            for (int c = me.lane; c < p.channels; c += warp_threads) {
                const float v = there ? (in[c] - mean) * by * factor[c] : 0;
                out[Turned ? c * stride + t : t * stride + c].bits = static_cast<std::uint16_t>(pack(v, 0));
            }
        }
        barrier();
    }

    // x += relu(in . first) . second, of the rows of `in`: with `Turned`, those are channels.
    template <bool Turned>
    static FACEFLOW_DEVICE void mix(const parameters& p, const place& me, const mixer_product& first,
                                    const mixer_product& second, int hidden_count, const half* in, half* hidden,
                                    float* x) {
        const int tokens = round_up(p.tokens, 16), rows = Turned ? p.channels : tokens;
        const int columns = Turned ? tokens : p.channels, stride = columns + row_gap, hidden_stride = piece + row_gap;
        const int row_tiles = rows / 16, steps = columns / channel_step, hidden_steps = hidden_count / channel_step;
        const int tiles = row_tiles * steps;
        tile_sums sums[tiles_of_warp];
        FACEFLOW_UNROLL
        for (int i = 0; i < tiles_of_warp; ++i) {
            const int tile = me.warp + i * warps;
            if (tile < tiles)
                sums[i] = begin_sums(weights4(second.bias + tile / row_tiles * channel_step + me.quarter * 4));
        }
        for (int from = 0; from < hidden_count; from += piece) {
            const int group = from / channel_step;
            for (int tile = me.warp; tile < row_tiles * (piece / channel_step); tile += warps) {
                const int row = tile % row_tiles * 16, g = tile / row_tiles;
                const int channel = g * channel_step + me.quarter * 4;
                tile_sums h = begin_sums(weights4(first.bias + from + channel));
                product(h, in + row * stride, stride, steps, first.weights + (group + g) * steps * warp_threads, me);
                FACEFLOW_UNROLL
                for (int e = 0; e < 2; ++e)
                    store4(hidden + (row + me.row + e * 8) * hidden_stride + channel, relu(channels_of(h, e)));
            }
            barrier();
            FACEFLOW_UNROLL
            for (int i = 0; i < tiles_of_warp; ++i) {
                const int tile = me.warp + i * warps;
                if (tile >= tiles) continue;
                const int row = tile % row_tiles * 16, g = tile / row_tiles;
                product(sums[i], hidden + row * hidden_stride, hidden_stride, piece / channel_step,
                        second.weights + (g * hidden_steps + group) * warp_threads, me);
            }
            barrier();
        }
        FACEFLOW_UNROLL
        for (int i = 0; i < tiles_of_warp; ++i) {
            const int tile = me.warp + i * warps;
            if (tile >= tiles) continue;
            const int row = tile % row_tiles * 16 + me.row, column = tile / row_tiles * channel_step + me.quarter * 4;
            FACEFLOW_UNROLL
            for (int e = 0; e < 2; ++e)
                add<Turned>(p, floats_of(sums[i], e), row + e * 8, column, x);
        }
        barrier();
    }

    static FACEFLOW_DEVICE void product(tile_sums& sums, const half* rows, int stride, int steps, const half8* weights,
                                        const place& me) {
        for (int s = 0; s < steps; ++s) {
            half2 a[4];
            load_matrices(a, matrix_row(rows + s * channel_step, stride, me.lane));
            multiply(sums, a, load_constant(weights + s * warp_threads + me.lane));
        }
    }

    template <bool Turned>
    static FACEFLOW_DEVICE void add(const parameters& p, float4 v, int row, int column, float* x) {
        const float of[4] = {v.x, v.y, v.z, v.w};
        FACEFLOW_UNROLL
        for (int k = 0; k < 4; ++k) {
            const int token = Turned ? column + k : row, channel = Turned ? row : column + k;
            if (token < p.tokens) x[token * p.channels + channel] += of[k];
        }
    }
};

}  // namespace faceflow::internal::inference::kernels
