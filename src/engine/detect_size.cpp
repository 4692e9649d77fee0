// SPDX-License-Identifier: Apache-2.0
#include "engine/detect_size.hpp"

#include <algorithm>
#include <cmath>

namespace faceflow::internal {
namespace {

constexpr detect_size usual{640, 384};
constexpr std::int32_t unit = 32, smallest = 64;

double scale_of(const frame_shape& frame, const detect_size& size) noexcept {
    return std::min(static_cast<double>(size.width) / frame.width, static_cast<double>(size.height) / frame.height);
}

bool known(const frame_shape& s) noexcept {
    return s.width > 0 && s.height > 0;
}

}  // namespace

detect_size detect_size_for(const frame_shape& shape) noexcept {
    if (!known(shape)) return usual;
    constexpr std::int32_t pixels = usual.width * usual.height;
    detect_size best;
    double best_scale = 0;
    for (std::int32_t height = smallest; height <= pixels / smallest; height += unit) {
        // No wider than the frame fills: the rest would be padding.
        const double fitting = static_cast<double>(height) * shape.width / shape.height;
        const auto filled = static_cast<std::int32_t>(std::min(std::ceil(fitting / unit) * unit, 1e6));
        const std::int32_t width = std::clamp(filled, smallest, pixels / height / unit * unit);
        const double scale = scale_of(shape, {width, height});
        if (scale <= best_scale) continue;
        best = {width, height};
        best_scale = scale;
    }
    return best;
}

float tiles_for(const frame_shape& shape) noexcept {
    constexpr double scale = 1.25, most_pixels = 5.2e6, worth_while = 1.5;
    if (!known(shape) || !shape.picture) return 0;
    const double pixels = static_cast<double>(shape.width) * shape.height;
    const double affordable = std::min(scale, std::sqrt(most_pixels / pixels));
    return affordable < worth_while * scale_of(shape, detect_size_for(shape)) ? 0 : static_cast<float>(affordable);
}

void choose_detection(options& o, std::span<const frame_shape> shapes) noexcept {
    const bool tiles = o.tiles == -1 && o.detector == detector::retinaface;
    if (o.tiles < 0) o.tiles = 0;
    if (o.detect_width != 0 || o.detect_height != 0) return;
    detect_size all;
    for (const frame_shape& shape : shapes) {
        const detect_size its = detect_size_for(shape);
        all = {std::max(all.width, its.width), std::max(all.height, its.height)};
        if (tiles) o.tiles = std::max(o.tiles, tiles_for(shape));
    }
    if (all.width == 0) all = usual;
    o.detect_width = all.width;
    o.detect_height = all.height;
}

}  // namespace faceflow::internal
