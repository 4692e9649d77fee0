// SPDX-License-Identifier: Apache-2.0
// Kernels of the CPU engine: functions on runs of pixels, compiled for each instruction set and chosen at run time.
// They are independent of plans. Maps are rows, columns and channels of floats (NHWC); a pixel occupies
// stored_channels() floats, so that whole vectors can be read. Padding channels hold arbitrary numbers, which no sum
// uses.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace faceflow::internal::inference::cpu {

// Channels per pixel are rounded up to this: the widest vector in use.
constexpr std::int32_t channel_step = 16;
[[nodiscard]] constexpr std::int32_t stored_channels(std::int32_t channels) {
    return (channels + channel_step - 1) / channel_step * channel_step;
}

enum class activation_kind : std::uint8_t { none, relu, prelu };

// A map that is added to a product: pixel i's first channel is at data + i * step. It is added to the first `channels`
// of the product.
struct joined_pixels {
    const float* data = nullptr;
    std::ptrdiff_t step = 0;
    std::int32_t channels = 0;
    bool first = false;  // before the activation
};

// out[i][c] = act(bias[c] + the sum of inputs[s][i][k] * weights[s][k][c] over s and k, in that order), plus the joined
// map. `weights`, `bias` and `slopes` are laid out as in packing.hpp. With bfloat16, each float holds a pair of inputs,
// the first in the lower half of its bits: `length` and `input_step` then count pairs.
struct product {
    const float* const* inputs = nullptr;   // [segments]: the first pixel of each
    std::int32_t segments = 1, length = 0;  // length: inputs per pixel and segment
    std::ptrdiff_t input_step = 0;          // floats from a pixel to the next
    const float* weights = nullptr;
    const float* bias = nullptr;
    const float* slopes = nullptr;  // with prelu
    activation_kind act = activation_kind::none;
    joined_pixels joined;
    std::int32_t pixels = 0, outputs = 0;
    std::int32_t widest = 1;  // vectors per block of weights
    float* out = nullptr;
    std::ptrdiff_t out_step = 0;
    std::int32_t stored = 0;  // channels to write: `outputs`, or rounded up if no other step's channels follow
};

// One row of a depthwise 3 x 3 convolution, from three rows of `width` pixels with zeros beside them.
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

// Six rows and columns of a map for a Winograd tile: B' d B per channel.
struct winograd_patch {
    const float* rows[6] = {};  // the first of each row's six pixels
    std::ptrdiff_t step = 0;    // floats from a pixel to the next
    std::int32_t channels = 0;  // stored
    float* out = nullptr;       // element i at out + i * out_step, i < 36
    std::ptrdiff_t out_step = 0;
};

// The inverse transform to 4 x 4 pixels: act(A' m A + bias), of which `height` rows and `width` columns are stored.
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

// A pixel interpolated from four: out = sum of corners[i] * weights[i].
struct mixed_pixel {
    const float* corners[4] = {};
    float weights[4] = {};
    std::int32_t channels = 0;  // stored
    float* out = nullptr;
};

// The kernels of one instruction set. Rows have `channels` stored channels per pixel and contiguous pixels.
struct kernel_set {
    std::string_view target;  // Highway's name
    std::int32_t lanes = 0;   // floats of a vector
    std::int32_t widest = 1;  // vectors per block whose sums fit the registers for enough pixels

    void (*multiply)(const product&) = nullptr;
    void (*multiply_bf16)(const product&) = nullptr;
    // Rounds `count` floats, a multiple of channel_step, to half as many pairs of bfloat16, to nearest, ties to even;
    // `out` may be `in`.
    void (*round)(const float* in, std::ptrdiff_t count, float* out) = nullptr;
    // The CPU has instructions for the last two; without, they are slower than multiply.
    bool has_bf16 = false;
    void (*depthwise)(const depthwise_row&) = nullptr;
    // out[x] = the largest of pixels 2 x and 2 x + 1 of both rows.
    void (*pool)(const float* upper, const float* lower, std::int32_t pixels, std::int32_t channels,
                 float* out) = nullptr;
    // out[2 x] = out[2 x + 1] = in[x].
    void (*repeat)(const float* in, std::int32_t pixels, std::int32_t channels, float* out) = nullptr;
    // Two outputs per pixel, interpolated between pixel centres of a row: three quarters of `near` and one quarter of
    // `far`.
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

// Weights are packed in blocks of at most `widest` vectors, as equal as possible: the number of vectors of block i.
[[nodiscard]] constexpr std::int32_t block_count(std::int32_t vectors, std::int32_t widest) {
    return (vectors + widest - 1) / widest;
}
[[nodiscard]] constexpr std::int32_t block_vectors(std::int32_t vectors, std::int32_t widest, std::int32_t i) {
    const std::int32_t blocks = block_count(vectors, widest);
    return vectors / blocks + (i < vectors % blocks ? 1 : 0);
}

// The kernels of the best instruction set of this CPU that Highway is allowed to use. Thread-safe.
[[nodiscard]] kernel_set best_kernels();

}  // namespace faceflow::internal::inference::cpu
