// SPDX-License-Identifier: Apache-2.0
// What a face's pixels are like: brightness, contrast and sharpness of its middle, from the crop that the mesh sees.
// Host/device functions.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>

#include "core/half.hpp"
#include "core/hd.hpp"
#include "vision/detect.hpp"
#include "vision/records.hpp"
#include "vision/sampling.hpp"

namespace faceflow::internal::vision {

// The middle half of the crop in each direction, from the brows to the mouth, as a square of this many pixels; the
// rest of a crop is mostly hair and background. They are the crop's own pixels where it has 192 of them across, and
// looked up between them in one of another size: the measures then hardly depend on the mesh.
inline constexpr std::int32_t patch_size = 96;

// What the threads of a block share while they measure one face.
struct quality_scratch {
    float luma[patch_size * patch_size];                             // 0..255
    float sum[patch_size], squares[patch_size];                      // of luma, by column
    float laplacian_sum[patch_size], laplacian_squares[patch_size];  // of its Laplacian, by column
};

namespace detail {

// Kr and Kb of ITU-R BT.601, on colours as they are coded: what OpenCV and Pillow mean by grey.
struct luma_of {
    float scale, bias;  // from the values of the crop to luma in 0..255
    FACEFLOW_HD explicit luma_of(const tensor_target& crop) : scale(255 / crop.scale), bias(crop.bias) {}
    FACEFLOW_HD float operator()(const rgb<float>& c) const {
        const float l = (0.299f * c.r + 0.587f * c.g + 0.114f * c.b - bias) * scale;
        return l > 0 ? (l < 255 ? l : 255.0f) : 0.0f;  // 0 for NaN, too
    }
};

// The pixels of a crop of planes of floats.
struct planar_pixels {
    const float *red, *green, *blue;
    FACEFLOW_HD explicit planar_pixels(const tensor_target& crop)
        : red(crop.floats()),
          green(red + static_cast<std::ptrdiff_t>(crop.width) * crop.height),
          blue(green + static_cast<std::ptrdiff_t>(crop.width) * crop.height) {}
    FACEFLOW_HD rgb<float> operator()(std::int32_t at) const { return {red[at], green[at], blue[at]}; }
};

// The same of packed halves.
struct packed_pixels {
    const std::uint16_t* halves;
    FACEFLOW_HD explicit packed_pixels(const tensor_target& crop)
        : halves(reinterpret_cast<const std::uint16_t*>(crop.data)) {}
    FACEFLOW_HD rgb<float> operator()(std::int32_t at) const {
        const std::uint16_t* const p = halves + 4 * static_cast<std::ptrdiff_t>(at);
        return {float_of_half(p[0]), float_of_half(p[1]), float_of_half(p[2])};
    }
};

// Rows that a thread reads together, so that a GPU waits for memory once for all of them.
inline constexpr std::int32_t rows_at_once = 4;
static_assert(patch_size % rows_at_once == 0);

// at(u, v) -> the luma of the patch's pixel.
template <class Block, class At>
FACEFLOW_HD void fill_patch(Block block, const At& at, float* luma) {
    for (std::int32_t v = 0; v < patch_size; v += rows_at_once) {
        for (std::int32_t u = block.thread(); u < patch_size; u += block.threads()) {
            float rows[rows_at_once];
            FACEFLOW_UNROLL
            for (std::int32_t k = 0; k < rows_at_once; ++k)
                rows[k] = at(u, v + k);
            FACEFLOW_UNROLL
            for (std::int32_t k = 0; k < rows_at_once; ++k)
                luma[(v + k) * patch_size + u] = rows[k];
        }
    }
}

template <class Block, class Pixels>
FACEFLOW_HD void take_patch(Block block, const tensor_target& crop, const Pixels& pixels, float* to) {
    const std::int32_t size = crop.width;
    const luma_of luma(crop);
    if (size == 2 * patch_size) {
        constexpr std::int32_t border = patch_size / 2;
        return fill_patch(
            block, [&](std::int32_t u, std::int32_t v) { return luma(pixels((v + border) * size + u + border)); }, to);
    }
    const float border = 0.25f * static_cast<float>(size), step = 2 * border / patch_size;
    fill_patch(
        block,
        [&](std::int32_t u, std::int32_t v) {
            const scalar::tap x = scalar::tap_at(border + (static_cast<float>(u) + 0.5f) * step, size);
            const scalar::tap y = scalar::tap_at(border + (static_cast<float>(v) + 0.5f) * step, size);
            const rgb<float> a = pixels(y.low * size + x.low), b = pixels(y.low * size + x.high);
            const rgb<float> c = pixels(y.high * size + x.low), d = pixels(y.high * size + x.high);
            return luma({lerp2(a.r, b.r, c.r, d.r, x.weight, y.weight), lerp2(a.g, b.g, c.g, d.g, x.weight, y.weight),
                         lerp2(a.b, b.b, c.b, d.b, x.weight, y.weight)});
        },
        to);
}

// Sums over `columns` neighbouring columns, row by row: the order within a column is the same for any number of them.
template <std::int32_t columns>
FACEFLOW_HD void sum_columns(quality_scratch& s, std::int32_t first) {
    const float near = s.luma[0];  // some value of the face: sums of differences from it lose fewer digits
    float sum[columns] = {}, squares[columns] = {}, laplacian_sum[columns] = {}, laplacian_squares[columns] = {};
    for (std::int32_t v = 0; v < patch_size; ++v) {
        const float* const row = s.luma + v * patch_size + first;
        for (std::int32_t c = 0; c < columns; ++c) {
            const float l = row[c] - near;
            sum[c] += l;
            squares[c] += l * l;
        }
    }
    // The outermost columns' are not used: their neighbours lie in other rows, or outside.
    for (std::int32_t v = 1; v + 1 < patch_size; ++v) {
        const std::int32_t at = v * patch_size + first;
        for (std::int32_t c = 0; c < columns; ++c) {
            const float* const l = s.luma + at + c;
            const float x = (l[-1] + l[1]) + (l[-patch_size] + l[patch_size]) - 4 * l[0];
            laplacian_sum[c] += x;
            laplacian_squares[c] += x * x;
        }
    }
    for (std::int32_t c = 0; c < columns; ++c) {
        s.sum[first + c] = sum[c];
        s.squares[first + c] = squares[c];
        s.laplacian_sum[first + c] = laplacian_sum[c];
        s.laplacian_squares[first + c] = laplacian_squares[c];
    }
}

// Columns that one thread sums at once: a lone thread fills its vectors, many take one each.
template <class Block>
inline constexpr std::int32_t columns_at_once = 1;
template <>
inline constexpr std::int32_t columns_at_once<serial_block> = 16;

FACEFLOW_HD inline picture_quality quality_of(const quality_scratch& s) {
    float sum = 0, squares = 0, laplacian_sum = 0, laplacian_squares = 0;
    for (std::int32_t c = 0; c < patch_size; ++c) {
        sum += s.sum[c];
        squares += s.squares[c];
    }
    for (std::int32_t c = 1; c + 1 < patch_size; ++c) {
        laplacian_sum += s.laplacian_sum[c];
        laplacian_squares += s.laplacian_squares[c];
    }
    constexpr float all = patch_size * patch_size, inner = (patch_size - 2) * (patch_size - 2);
    const float mean = sum / all, laplacian_mean = laplacian_sum / inner;
    return {s.luma[0] + mean, sqrtf(fmaxf(0.0f, squares / all - mean * mean)),
            fmaxf(0.0f, laplacian_squares / inner - laplacian_mean * laplacian_mean)};
}

}  // namespace detail

// Measures a crop with one block; the result does not depend on its number of threads. docs/measures.md has the
// formulas with their sources.
template <class Block>
FACEFLOW_HD void measure_quality(Block block, const tensor_target& crop, quality_scratch& scratch,
                                 picture_quality* out) {
    if (crop.format == tensor_format::packed_half) {
        detail::take_patch(block, crop, detail::packed_pixels(crop), scratch.luma);
    } else {
        detail::take_patch(block, crop, detail::planar_pixels(crop), scratch.luma);
    }
    block.sync();
    constexpr std::int32_t columns = detail::columns_at_once<Block>;
    static_assert(patch_size % columns == 0);
    for (std::int32_t c = block.thread() * columns; c < patch_size; c += block.threads() * columns)
        detail::sum_columns<columns>(scratch, c);
    block.sync();
    if (block.thread() == 0) *out = detail::quality_of(scratch);
}

}  // namespace faceflow::internal::vision
