// SPDX-License-Identifier: Apache-2.0
// The size that RetinaFace sees frames in, where nobody has chosen one.
#pragma once

#include <cstdint>
#include <span>

#include "faceflow/options.hpp"

namespace faceflow {

// Of the frames of one source; upright, in square pixels.
struct frame_shape {
    std::int32_t width = 0, height = 0;  // 0: not known
    bool picture = false;                // a still one, which may take longer
};

struct detect_size {
    std::int32_t width = 0, height = 0;
    friend bool operator==(const detect_size&, const detect_size&) = default;
};

// The multiples of 32 into which frames of this shape fit largest, with as many pixels as 640x384 has at most.
[[nodiscard]] detect_size detect_size_for(const frame_shape& shape) noexcept;

// That of the closer look at a picture: 1.25 times its size, 1600 on the longer side at most. 0x0 where that is hardly closer.
[[nodiscard]] detect_size closer_look_for(const frame_shape& shape) noexcept;

// Fills in what is 0x0 in `o`: for several shapes a size that each of them fits as well as its own.
void choose_detect_size(options& o, std::span<const frame_shape> shapes) noexcept;

}  // namespace faceflow
