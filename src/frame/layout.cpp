// SPDX-License-Identifier: Apache-2.0
#include "frame/layout.hpp"

#include <cstring>

#include <fmt/format.h>

#include <cstdlib>

namespace faceflow::internal {
namespace {
std::int32_t subsampled(std::int32_t size, int log2) {
    return (size + (1 << log2) - 1) >> log2;
}
}  // namespace

int plane_count(pixel_format format) noexcept {
    const auto layout = layout_of(format);
    return layout.planes + (layout.palette ? 1 : 0);
}

plane_extent extent_of(pixel_format format, std::int32_t width, std::int32_t height, int index) noexcept {
    const auto layout = layout_of(format);
    if (layout.palette && index == 1) return {palette_bytes, 1};
    plane_extent extent;
    for (int c = 0; c < layout.components; ++c) {
        const auto& component = layout.component[c];
        if (component.plane != index) continue;
        const auto columns = static_cast<std::size_t>(subsampled(width, component.log2_w));
        extent.row_bytes = std::max(extent.row_bytes, columns * component.step);
        extent.rows = subsampled(height, component.log2_h);
    }
    return extent;
}

std::size_t native_bytes(pixel_format format, std::int32_t width, std::int32_t height) noexcept {
    std::size_t total = 0;
    for (int i = 0; i < plane_count(format); ++i)
        total += extent_of(format, width, height, i).bytes();
    return total;
}

result<void> check(const image& picture) {
    const int planes = plane_count(picture.format);
    if (planes == 0) return fail(errc::unsupported, "the picture's pixel format is not set");
    if (picture.width < 1 || picture.height < 1 || picture.width > max_dimension || picture.height > max_dimension) {
        return fail(errc::unsupported, fmt::format("a picture of {}x{} is outside 1x1 … {}x{}", picture.width,
                                                   picture.height, max_dimension, max_dimension));
    }
    for (int i = 0; i < planes; ++i) {
        const auto extent = extent_of(picture.format, picture.width, picture.height, i);
        const auto& p = picture.planes[static_cast<std::size_t>(i)];
        if (p.data == nullptr) {
            return fail(errc::invalid_argument,
                        fmt::format("plane {} of a {} picture is missing", i, name(picture.format)));
        }
        if (extent.rows > 1 && static_cast<std::size_t>(std::abs(p.stride)) < extent.row_bytes) {
            return fail(errc::invalid_argument,
                        fmt::format("plane {} of a {}x{} {} picture needs a stride of {} bytes, not {}", i,
                                    picture.width, picture.height, name(picture.format), extent.row_bytes, p.stride));
        }
    }
    return {};
}

void pack(const image& from, std::byte* to, std::int32_t part, std::int32_t parts) noexcept {
    for (int i = 0; i < plane_count(from.format); ++i) {
        const auto extent = extent_of(from.format, from.width, from.height, i);
        const plane& p = from.planes[static_cast<std::size_t>(i)];
        const auto bound = [&](std::int32_t n) {
            return static_cast<std::int32_t>(std::int64_t{extent.rows} * n / parts);
        };
        const std::int32_t first = bound(part), last = bound(part + 1);
        if (p.stride == static_cast<std::ptrdiff_t>(extent.row_bytes)) {
            const std::size_t begin = extent.row_bytes * static_cast<std::size_t>(first);
            std::memcpy(to + begin, p.data + begin, extent.row_bytes * static_cast<std::size_t>(last - first));
        } else {
            for (std::int32_t row = first; row < last; ++row) {
                std::memcpy(to + extent.row_bytes * static_cast<std::size_t>(row),
                            p.data + static_cast<std::ptrdiff_t>(row) * p.stride, extent.row_bytes);
            }
        }
        to += extent.bytes();
    }
}

image packed_at(const image& from, const std::byte* at) noexcept {
    image picture = from;
    for (int i = 0; i < plane_count(from.format); ++i) {
        const auto extent = extent_of(from.format, from.width, from.height, i);
        picture.planes[static_cast<std::size_t>(i)] = {reinterpret_cast<const std::uint8_t*>(at),
                                                       static_cast<std::int32_t>(extent.row_bytes)};
        at += extent.bytes();
    }
    return picture;
}

}  // namespace faceflow::internal
