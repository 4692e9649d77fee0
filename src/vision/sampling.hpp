// SPDX-License-Identifier: Apache-2.0
// Samples pixels directly from a stored picture of any format: one bilinear look-up per component, then the colour
// matrix. `scalar` runs these functions on one pixel at a time (and so does the CUDA kernel); sample.cpp runs the same
// arithmetic on vectors, which is why sampling_math.inc is templated on the number type.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>

#include "core/half.hpp"
#include "core/hd.hpp"
#include "frame/layout.hpp"
#include "vision/geometry.hpp"

namespace faceflow::internal::vision {

// R = y * (Y - y_zero) + rv * (V - c_zero) and so on, in units where full white is 1.
// Kr and Kb after ITU-R BT.601-7, BT.709-6, BT.2020-2.
struct colour_transform {
    float y_zero = 0, y = 1;
    float c_zero = 0;
    float rv = 0, gu = 0, gv = 0, bu = 0;
};

// All facts about a picture that sampling needs. Plain data, passed to kernels by value.
struct sampling_source {
    image picture;  // planes hold addresses that the sampling code can read
    format_layout layout;
    colour_transform colour;
    affine stored;             // upright -> stored
    float chroma_shift_x = 0;  // in chroma samples, added to the centred position
};

[[nodiscard]] sampling_source make_sampling_source(const image& picture);

// The format of a model's pictures.
enum class tensor_format : std::uint8_t {
    planar_float,  // 3 planes of floats, height x width each
    packed_half,   // height x width x (red, green, blue, 0) halves
};

FACEFLOW_HD inline std::size_t bytes_per_pixel(tensor_format f) {
    return f == tensor_format::planar_float ? 3 * sizeof(float) : 4 * sizeof(std::uint16_t);
}

// A picture for a model, values (0..1 colour) * scale + bias.
struct tensor_target {
    std::byte* data = nullptr;
    std::int32_t width = 0, height = 0;
    float scale = 1, bias = 0;
    tensor_format format = tensor_format::planar_float;

    FACEFLOW_HD float* floats() const { return reinterpret_cast<float*>(data); }
    FACEFLOW_HD std::size_t bytes() const {
        return static_cast<std::size_t>(width) * static_cast<std::size_t>(height) * bytes_per_pixel(format);
    }
};

// A target of planar floats.
[[nodiscard]] inline tensor_target planes(float* data, std::int32_t width, std::int32_t height, float scale = 1,
                                          float bias = 0) {
    return {reinterpret_cast<std::byte*>(data), width, height, scale, bias, tensor_format::planar_float};
}

template <class T>
struct rgb {
    T r, g, b;
};

#include "vision/sampling_math.inc"

// ---- one pixel at a time ---------------------------------------------------------------------------------------

namespace scalar {

FACEFLOW_HD inline std::int32_t clamp(std::int32_t v, std::int32_t low, std::int32_t high) {
    return v < low ? low : v > high ? high : v;
}

FACEFLOW_HD inline float fetch(const sampling_source& s, const component_layout& c, std::int32_t ix, std::int32_t iy) {
    const plane& p = s.picture.planes[c.plane];
    const std::uint8_t* at = p.data + static_cast<std::ptrdiff_t>(iy) * p.stride + ix * c.step + c.offset;
    std::int32_t value = at[0];
    if (c.bytes == 2) value |= at[1] << 8;
    return static_cast<float>(value >> c.shift);
}

// A bilinear look-up: two neighbours and the weight of the second.
struct tap {
    std::int32_t low, high;
    float weight;
};

// `position` is continuous, `count` samples; clamped so that the border repeats.
FACEFLOW_HD inline tap tap_at(float position, std::int32_t count) {
    const float limit = static_cast<float>(count - 1);
    float p = position - 0.5f;
    p = p > 0 ? p : 0;  // also maps NaN to 0
    p = p < limit ? p : limit;
    const std::int32_t low = static_cast<std::int32_t>(p);
    return {low, low + 1 < count ? low + 1 : low, p - static_cast<float>(low)};
}

FACEFLOW_HD inline float component_at(const sampling_source& s, int index, point stored) {
    const component_layout& c = s.layout.component[index];
    const std::int32_t w = (s.picture.width + (1 << c.log2_w) - 1) >> c.log2_w;
    const std::int32_t h = (s.picture.height + (1 << c.log2_h) - 1) >> c.log2_h;
    float x = stored.x * (1.0f / static_cast<float>(1 << c.log2_w));
    const float y = stored.y * (1.0f / static_cast<float>(1 << c.log2_h));
    if (c.log2_w != 0) x = x + s.chroma_shift_x;
    const tap tx = tap_at(x, w), ty = tap_at(y, h);
    return lerp2(fetch(s, c, tx.low, ty.low), fetch(s, c, tx.high, ty.low), fetch(s, c, tx.low, ty.high),
                 fetch(s, c, tx.high, ty.high), tx.weight, ty.weight);
}

FACEFLOW_HD inline rgb<float> palette_at(const sampling_source& s, point stored) {
    const tap tx = tap_at(stored.x, s.picture.width), ty = tap_at(stored.y, s.picture.height);
    const std::uint8_t* palette = s.picture.planes[1].data;
    const auto entry = [&](std::int32_t ix, std::int32_t iy) {
        return palette + 4 * static_cast<std::int32_t>(fetch(s, s.layout.component[0], ix, iy));
    };
    const std::uint8_t* e[4] = {entry(tx.low, ty.low), entry(tx.high, ty.low), entry(tx.low, ty.high),
                                entry(tx.high, ty.high)};
    const auto mix = [&](int k) {
        return lerp2(static_cast<float>(e[0][k]), static_cast<float>(e[1][k]), static_cast<float>(e[2][k]),
                     static_cast<float>(e[3][k]), tx.weight, ty.weight) *
               s.colour.y;
    };
    return {mix(2), mix(1), mix(0)};
}

// Colour at a stored position, 0..1 (a little outside for out-of-gamut YUV).
FACEFLOW_HD inline rgb<float> colour_at(const sampling_source& s, point stored) {
    if (s.layout.palette) return palette_at(s, stored);
    const colour_transform& k = s.colour;
    const float first = component_at(s, 0, stored);
    if (s.layout.components == 1) {
        const float l = (first - k.y_zero) * k.y;
        return {l, l, l};
    }
    const float second = component_at(s, 1, stored), third = component_at(s, 2, stored);
    if (s.layout.rgb) return {first * k.y, second * k.y, third * k.y};
    return yuv_to_rgb(first, second, third, k.y_zero, k.c_zero, k.y, k.rv, k.gu, k.gv, k.bu);
}

FACEFLOW_HD inline float clamp01(float v) {
    return v < 0 ? 0.0f : v > 1 ? 1.0f : v;
}

// Output pixel (u, v) of a tensor whose continuous coordinates `stored_from_tensor` maps into the stored picture.
FACEFLOW_HD inline rgb<float> sample_pixel(const sampling_source& s, const affine& stored_from_tensor, std::int32_t u,
                                           std::int32_t v) {
    const point at = stored_from_tensor({static_cast<float>(u) + 0.5f, static_cast<float>(v) + 0.5f});
    const rgb<float> c = colour_at(s, at);
    return {clamp01(c.r), clamp01(c.g), clamp01(c.b)};
}

FACEFLOW_HD inline void store(const tensor_target& t, std::int32_t u, std::int32_t v, const rgb<float>& c) {
    const std::ptrdiff_t area = static_cast<std::ptrdiff_t>(t.width) * t.height;
    const std::ptrdiff_t at = static_cast<std::ptrdiff_t>(v) * t.width + u;
    if (t.format == tensor_format::packed_half) {
        std::uint16_t* const pixel = reinterpret_cast<std::uint16_t*>(t.data) + 4 * at;
        pixel[0] = half_bits(c.r * t.scale + t.bias);
        pixel[1] = half_bits(c.g * t.scale + t.bias);
        pixel[2] = half_bits(c.b * t.scale + t.bias);
        pixel[3] = 0;
        return;
    }
    float* const out = t.floats() + at;
    out[0] = c.r * t.scale + t.bias;
    out[area] = c.g * t.scale + t.bias;
    out[2 * area] = c.b * t.scale + t.bias;
}

}  // namespace scalar
}  // namespace faceflow::internal::vision
