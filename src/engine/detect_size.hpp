// SPDX-License-Identifier: Apache-2.0
// Chooses RetinaFace's input size if none was given.
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

// The size of the finer detection in a picture: 1.25 times its size, at most 1600 on the longer side. 0x0 if it would
// hardly be finer.
[[nodiscard]] detect_size closer_look_for(const frame_shape& shape) noexcept;

// Replaces sizes of 0x0 in `o`; for several shapes, by a size that fits each as well as its own would.
void choose_detect_size(options& o, std::span<const frame_shape> shapes) noexcept;

}  // namespace faceflow::internal
