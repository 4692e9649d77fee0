// SPDX-License-Identifier: Apache-2.0
#include "vision/tiles.hpp"

#include <algorithm>
#include <cmath>

namespace faceflow::internal::vision {
namespace {

// A box that ends so near to a tile's edge may be that of a part of a face.
constexpr std::int32_t border = 8;
// The detector finds faces of that many pixels of its input without tiles.
constexpr float found_in_whole = 24;

std::int32_t overlap_of(float scale, float whole, std::int32_t shorter_side) {
    const auto largest = static_cast<std::int32_t>(std::ceil(found_in_whole * scale / whole));
    return std::clamp(largest + 2 * border, 64, shorter_side / 2);
}

}  // namespace

frame_tiles::axis::axis(std::int32_t frame_length, float scale, std::int32_t input, std::int32_t overlap)
    : frame(std::max(1, static_cast<std::int32_t>(std::lround(static_cast<float>(frame_length) * scale)))),
      length(input) {
    if (frame > length) count = (frame - overlap + length - overlap - 1) / (length - overlap);
}

std::int32_t frame_tiles::axis::begin(std::int32_t i) const noexcept {
    if (count == 1) return -(length - frame) / 2;
    return static_cast<std::int32_t>(std::int64_t{i} * (frame - length) / (count - 1));
}

frame_tiles::frame_tiles(std::int32_t frame_width, std::int32_t frame_height, float scale, float whole,
                         std::int32_t width, std::int32_t height)
    : scale_(scale),
      across_(frame_width, scale, width, overlap_of(scale, whole, std::min(width, height))),
      down_(frame_height, scale, height, overlap_of(scale, whole, std::min(width, height))) {}

letterbox frame_tiles::tile(std::int32_t i) const noexcept {
    const std::int32_t x = across_.begin(i % across_.count), y = down_.begin(i / across_.count);
    letterbox l;
    l.scale = scale_;
    l.left = static_cast<float>(-x);
    l.top = static_cast<float>(-y);
    l.x_begin = std::max(0, -x);
    l.y_begin = std::max(0, -y);
    l.x_end = std::min(across_.length, across_.frame - x);
    l.y_end = std::min(down_.length, down_.frame - y);
    return l;
}

bounds frame_tiles::inside(std::int32_t i) const noexcept {
    const std::int32_t column = i % across_.count, row = i / across_.count;
    bounds b;
    if (column > 0) b.left = border;
    if (row > 0) b.top = border;
    if (column < across_.count - 1) b.right = static_cast<float>(across_.length - border);
    if (row < down_.count - 1) b.bottom = static_cast<float>(down_.length - border);
    return b;
}

}  // namespace faceflow::internal::vision
