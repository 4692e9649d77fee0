// SPDX-License-Identifier: Apache-2.0
// Overlapping tiles of a frame, for a detector that looks for small faces.
#pragma once

#include <cstdint>

#include "vision/geometry.hpp"

namespace faceflow::internal::vision {

// The upright frame at `scale` times its size in tiles as large as the detector's input: `columns` x `rows`, spread
// evenly. Neighbours overlap by so much that a face too small for the search of the whole frame lies wholly in one of
// them; by half a tile at most. Immutable.
class frame_tiles {
public:
    // `whole`: the scale at which the whole frame has been searched, which finds the larger faces.
    frame_tiles(std::int32_t frame_width, std::int32_t frame_height, float scale, float whole, std::int32_t width,
                std::int32_t height);

    [[nodiscard]] std::int32_t count() const noexcept { return across_.count * down_.count; }
    [[nodiscard]] letterbox tile(std::int32_t i) const noexcept;
    // Where that tile has boxes of whole faces, in pixels of the input: away from edges where it has a neighbour.
    [[nodiscard]] bounds inside(std::int32_t i) const noexcept;

private:
    struct axis {
        std::int32_t frame = 0;   // scaled
        std::int32_t length = 0;  // of the input
        std::int32_t count = 1;
        axis(std::int32_t frame_length, float scale, std::int32_t input, std::int32_t overlap);
        [[nodiscard]] std::int32_t begin(std::int32_t i) const noexcept;  // of tile i; negative where it has padding
    };
    float scale_;
    axis across_, down_;
};

}  // namespace faceflow::internal::vision
