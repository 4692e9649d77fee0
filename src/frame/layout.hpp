// SPDX-License-Identifier: Apache-2.0
// Memory layout of each component of each pixel format: the single table for sampling, checking and uploading.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/hd.hpp"
#include "faceflow/result.hpp"
#include "faceflow/types.hpp"

namespace faceflow::internal {

// One of up to three components (Y U V, or R G B). Sample (ix, iy) is `bytes` bytes (little-endian) at
// planes[plane].data + iy * stride + ix * step + offset; its value is (stored value >> shift), `depth` bits.
struct component_layout {
    std::uint8_t plane = 0;
    std::uint8_t offset = 0;
    std::uint8_t step = 0;
    std::uint8_t bytes = 1;
    std::uint8_t shift = 0;
    std::uint8_t log2_w = 0;  // horizontal subsampling
    std::uint8_t log2_h = 0;
};

struct format_layout {
    std::uint8_t planes = 0;      // planes that hold pixels; 0 for an unknown format
    std::uint8_t components = 0;  // 1 (gray, palette) or 3
    std::uint8_t depth = 8;
    bool rgb = false;
    bool palette = false;
    component_layout component[3]{};
};

namespace layout_detail {
FACEFLOW_HD constexpr format_layout planar(int depth, int log2_w, int log2_h) {
    const auto bytes = static_cast<std::uint8_t>(depth > 8 ? 2 : 1);
    const auto w = static_cast<std::uint8_t>(log2_w), h = static_cast<std::uint8_t>(log2_h);
    format_layout l{3, 3, static_cast<std::uint8_t>(depth), false, false, {}};
    l.component[0] = {0, 0, bytes, bytes, 0, 0, 0};
    l.component[1] = {1, 0, bytes, bytes, 0, w, h};
    l.component[2] = {2, 0, bytes, bytes, 0, w, h};
    return l;
}
FACEFLOW_HD constexpr format_layout semi_planar(int depth, int shift, int log2_h, bool v_first) {
    const auto bytes = static_cast<std::uint8_t>(depth > 8 ? 2 : 1);
    const auto s = static_cast<std::uint8_t>(shift), h = static_cast<std::uint8_t>(log2_h);
    const auto step = static_cast<std::uint8_t>(2 * bytes);
    format_layout l{2, 3, static_cast<std::uint8_t>(depth), false, false, {}};
    l.component[0] = {0, 0, bytes, bytes, s, 0, 0};
    l.component[1] = {1, static_cast<std::uint8_t>(v_first ? bytes : 0), step, bytes, s, 1, h};
    l.component[2] = {1, static_cast<std::uint8_t>(v_first ? 0 : bytes), step, bytes, s, 1, h};
    return l;
}
FACEFLOW_HD constexpr format_layout packed_rgb(int step, int r, int g, int b) {
    const auto st = static_cast<std::uint8_t>(step);
    format_layout l{1, 3, 8, true, false, {}};
    l.component[0] = {0, static_cast<std::uint8_t>(r), st, 1, 0, 0, 0};
    l.component[1] = {0, static_cast<std::uint8_t>(g), st, 1, 0, 0, 0};
    l.component[2] = {0, static_cast<std::uint8_t>(b), st, 1, 0, 0, 0};
    return l;
}
FACEFLOW_HD constexpr format_layout packed_yuv(int y, int u, int v) {
    format_layout l{1, 3, 8, false, false, {}};
    l.component[0] = {0, static_cast<std::uint8_t>(y), 2, 1, 0, 0, 0};
    l.component[1] = {0, static_cast<std::uint8_t>(u), 4, 1, 0, 1, 0};
    l.component[2] = {0, static_cast<std::uint8_t>(v), 4, 1, 0, 1, 0};
    return l;
}
FACEFLOW_HD constexpr format_layout planar_gbr(int depth) {
    format_layout l = planar(depth, 0, 0);
    l.rgb = true;
    l.component[0].plane = 2;
    l.component[1].plane = 0;
    l.component[2].plane = 1;
    return l;
}
FACEFLOW_HD constexpr format_layout gray(int depth) {
    format_layout l = planar(depth, 0, 0);
    l.planes = 1;
    l.components = 1;
    return l;
}
}  // namespace layout_detail

FACEFLOW_HD constexpr format_layout layout_of(pixel_format format) {
    using namespace layout_detail;
    switch (format) {
        case pixel_format::none: return {};
        case pixel_format::gray8: return gray(8);
        case pixel_format::gray10le: return gray(10);
        case pixel_format::gray12le: return gray(12);
        case pixel_format::gray16le: return gray(16);
        case pixel_format::nv12: return semi_planar(8, 0, 1, false);
        case pixel_format::nv21: return semi_planar(8, 0, 1, true);
        case pixel_format::nv16: return semi_planar(8, 0, 0, false);
        case pixel_format::i420: return planar(8, 1, 1);
        case pixel_format::i422: return planar(8, 1, 0);
        case pixel_format::i440: return planar(8, 0, 1);
        case pixel_format::i444: return planar(8, 0, 0);
        case pixel_format::i411: return planar(8, 2, 0);
        case pixel_format::i420_10le: return planar(10, 1, 1);
        case pixel_format::i422_10le: return planar(10, 1, 0);
        case pixel_format::i444_10le: return planar(10, 0, 0);
        case pixel_format::i420_12le: return planar(12, 1, 1);
        case pixel_format::i422_12le: return planar(12, 1, 0);
        case pixel_format::i444_12le: return planar(12, 0, 0);
        case pixel_format::p010le: return semi_planar(10, 6, 1, false);
        case pixel_format::p012le: return semi_planar(12, 4, 1, false);
        case pixel_format::yuyv422: return packed_yuv(0, 1, 3);
        case pixel_format::uyvy422: return packed_yuv(1, 0, 2);
        case pixel_format::rgb24: return packed_rgb(3, 0, 1, 2);
        case pixel_format::bgr24: return packed_rgb(3, 2, 1, 0);
        case pixel_format::rgba32: return packed_rgb(4, 0, 1, 2);
        case pixel_format::bgra32: return packed_rgb(4, 2, 1, 0);
        case pixel_format::argb32: return packed_rgb(4, 1, 2, 3);
        case pixel_format::abgr32: return packed_rgb(4, 3, 2, 1);
        case pixel_format::gbrp: return planar_gbr(8);
        case pixel_format::gbrp10le: return planar_gbr(10);
        case pixel_format::pal8: {
            format_layout l = gray(8);
            l.rgb = true;
            l.palette = true;
            return l;
        }
    }
    return {};
}

// Size of one plane, without padding.
struct plane_extent {
    std::size_t row_bytes = 0;
    std::int32_t rows = 0;
    [[nodiscard]] std::size_t bytes() const noexcept { return row_bytes * static_cast<std::size_t>(rows); }
};

inline constexpr std::size_t palette_bytes = 1024;

// Plane `index` of a width x height picture. The palette of pal8 counts as plane 1: one row of 1024 bytes.
[[nodiscard]] plane_extent extent_of(pixel_format format, std::int32_t width, std::int32_t height, int index) noexcept;

// The number of planes, including the palette.
[[nodiscard]] int plane_count(pixel_format format) noexcept;

// Bytes of the whole picture without padding: the size of one upload.
[[nodiscard]] std::size_t native_bytes(pixel_format format, std::int32_t width, std::int32_t height) noexcept;

// Copies the planes one after another, without padding: native_bytes in all. With `parts` > 1, copies only the
// `part`-th share of each plane's rows.
void pack(const image& from, std::byte* to, std::int32_t part = 0, std::int32_t parts = 1) noexcept;
// A picture like `from` whose planes lie one after another from `at` on, without padding.
[[nodiscard]] image packed_at(const image& from, const std::byte* at) noexcept;

inline constexpr std::int32_t max_dimension = 16384;

// Rejects a picture that could not be read safely: unknown format, sizes outside 1..16384, missing planes, strides too
// short.
[[nodiscard]] result<void> check(const image& picture);

}  // namespace faceflow::internal
