// SPDX-License-Identifier: Apache-2.0
// Chooses RetinaFace's input size and tiles if none were given.
#pragma once

#include <cstdint>
#include <span>

#include "faceflow/options.hpp"

namespace faceflow::internal {

// The shape of one source's frames; upright, in square pixels.
struct frame_shape {
    std::int32_t width = 0, height = 0;  // 0: unknown
    bool picture = false;                // a still picture, which may take longer
};

struct detect_size {
    std::int32_t width = 0, height = 0;
    friend bool operator==(const detect_size&, const detect_size&) = default;
};

// The multiples of 32 in which frames of this shape appear largest, with at most as many pixels as 640x384.
[[nodiscard]] detect_size detect_size_for(const frame_shape& shape) noexcept;

// The scale of tiles in a picture: 1.25, at which RetinaFace finds most faces of 20 pixels (bench/small_faces.py), and
// less for a picture of more than 3.3 megapixels. 0 if that would hardly be larger than what the detector sees of the
// whole picture; 0 for video.
[[nodiscard]] float tiles_for(const frame_shape& shape) noexcept;

// Replaces what is automatic in `o`: a size of 0x0 and, where the size was automatic, too, tiles of -1. For several
// shapes: a size that fits each as well as its own would, and the largest scale of tiles.
void choose_detection(options& o, std::span<const frame_shape> shapes) noexcept;

}  // namespace faceflow::internal
