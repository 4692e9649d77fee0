// SPDX-License-Identifier: Apache-2.0
// Kernels of the CPU engine: functions on runs of pixels, compiled for each instruction set and chosen at run time. They know no
// plan. Maps are rows, columns and channels of floats (NHWC); a pixel takes stored_channels() of them, so that whole vectors may be
// read. What lies in the channels that fill up is any number, and no sum takes it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace faceflow::inference::cpu {

// What a pixel's channels are rounded up to: no vector in use is wider.
constexpr std::int32_t channel_step = 16;
[[nodiscard]] constexpr std::int32_t stored_channels(std::int32_t channels) {
    return (channels + channel_step - 1) / channel_step * channel_step;
}

enum class activation_kind : std::uint8_t { none, relu, prelu };

// A map that is added to a product: pixel i's first channel lies at data + i * step. The first `channels` of the product gain.
struct joined_pixels {
    const float* data = nullptr;
    std::ptrdiff_t step = 0;
    std::int32_t channels = 0;
    bool first = false;  // before the activation
};

// out[i][c] = act(bias[c] + the sum of inputs[s][i][k] * weights[s][k][c] over s and k, in their order), and what is joined.
// `weights`, `bias` and `slopes` as packing.hpp lays them out. With bfloat16s an input is a pair of them, the first in the lower half of
// its float's bits: `length` and `input_step` count pairs.
struct product {
    const float* const* inputs = nullptr;   // [segments]: the first pixel's
    std::int32_t segments = 1, length = 0;  // length: inputs of a pixel in each segment
    std::ptrdiff_t input_step = 0;          // floats from a pixel to the next
    const float* weights = nullptr;
    const float* bias = nullptr;
    const float* slopes = nullptr;  // with prelu
    activation_kind act = activation_kind::none;
    joined_pixels joined;
    std::int32_t pixels = 0, outputs = 0;
    std::int32_t widest = 1;  // vectors of a block of weights
    float* out = nullptr;
    std::ptrdiff_t out_step = 0;
    std::int32_t stored = 0;  // channels that it writes: `outputs`, or that rounded up where nobody else's follow
};

// A row of a 3 x 3 of each channel by itself, from three rows of `width` pixels with zeros beside them.
struct depthwise_row {
    const float* rows[3] = {};
    std::int32_t width = 0;
    std::int32_t stride = 1, pad = 0;
    std::int32_t channels = 0;       // stored
    const float* weights = nullptr;  // [9][channels]
    const float* bias = nullptr;     // [channels]
    bool relu = false;
    float* out = nullptr;  // [outputs][channels]
    std::int32_t outputs = 0;
};

// Six rows and columns of a map for a Winograd tile: B' d B of each channel.
struct winograd_patch {
    const float* rows[6] = {};  // the first of the six pixels of each
    std::ptrdiff_t step = 0;    // floats from a pixel to the next
    std::int32_t channels = 0;  // stored
    float* out = nullptr;       // element i at out + i * out_step, i < 36
    std::ptrdiff_t out_step = 0;
};

// The way back to 4 x 4 pixels: act(A' m A + bias), of which `height` rows and `width` columns are stored.
struct winograd_result {
    const float* in = nullptr;  // element i at in + i * in_step
    std::ptrdiff_t in_step = 0;
    const float* bias = nullptr;
    const float* slopes = nullptr;
    activation_kind act = activation_kind::none;
    float* out = nullptr;
    std::ptrdiff_t row_step = 0, step = 0;  // floats to the next row, and pixel
    std::int32_t height = 4, width = 4;
    std::int32_t stored = 0;  // channels
};

// A pixel between four: out = sum of corners[i] * weights[i].
struct mixed_pixel {
    const float* corners[4] = {};
    float weights[4] = {};
    std::int32_t channels = 0;  // stored
    float* out = nullptr;
};

// Kernels of one instruction set. Rows of pixels have `channels` stored ones, and lie one pixel behind the other.
struct kernel_set {
    std::string_view target;  // what Highway calls it
    std::int32_t lanes = 0;   // floats of a vector
    std::int32_t widest = 1;  // vectors of a block whose sums its registers hold for enough pixels

    void (*multiply)(const product&) = nullptr;
    void (*multiply_bf16)(const product&) = nullptr;
    // `count` floats, a multiple of channel_step, to half as many pairs of bfloat16s, to nearest, ties to even; `out` may be `in`.
    void (*round)(const float* in, std::ptrdiff_t count, float* out) = nullptr;
    // The CPU has instructions for these two; without, they take longer than multiply does.
    bool has_bf16 = false;
    void (*depthwise)(const depthwise_row&) = nullptr;
    // out[x] = the largest of pixels 2 x and 2 x + 1 of both rows.
    void (*pool)(const float* upper, const float* lower, std::int32_t pixels, std::int32_t channels,
                 float* out) = nullptr;
    // out[2 x] = out[2 x + 1] = in[x].
    void (*repeat)(const float* in, std::int32_t pixels, std::int32_t channels, float* out) = nullptr;
    // Two for each of `pixels`: between the centres of pixels of a row, three quarters of it and one of `far`.
    void (*smooth)(const float* near, const float* far, std::int32_t pixels, std::int32_t channels,
                   float* out) = nullptr;
    // Three planes side by side: out[x * step + c] = planes[c][x].
    void (*interleave)(const float* const* planes, std::int32_t pixels, std::ptrdiff_t step, float* out) = nullptr;
    void (*winograd_in)(const winograd_patch&) = nullptr;
    void (*winograd_out)(const winograd_result&) = nullptr;
    void (*mix)(const mixed_pixel&) = nullptr;
    // Channels to planes: out[c * plane + x] = in[x * step + c].
    void (*separate)(const float* in, std::ptrdiff_t step, std::int32_t pixels, std::int32_t channels, float* out,
                     std::ptrdiff_t plane) = nullptr;
    // (a, b) becomes their softmax, number by number.
    void (*softmax)(float* a, float* b, std::int32_t count) = nullptr;
};

// Weights are packed in blocks of at most `widest` vectors, as equal as can be: block i of them has so many.
[[nodiscard]] constexpr std::int32_t block_count(std::int32_t vectors, std::int32_t widest) {
    return (vectors + widest - 1) / widest;
}
[[nodiscard]] constexpr std::int32_t block_vectors(std::int32_t vectors, std::int32_t widest, std::int32_t i) {
    const std::int32_t blocks = block_count(vectors, widest);
    return vectors / blocks + (i < vectors % blocks ? 1 : 0);
}

// Those of the best instruction set that this CPU has, and that Highway has not been told to leave. Thread-safe.
[[nodiscard]] kernel_set best_kernels();

}  // namespace faceflow::inference::cpu
