// SPDX-License-Identifier: Apache-2.0
// What `copied` and `cached` transfer between host and device besides frames: the faces of a frame, followed by crops.
#pragma once

#include <cstddef>
#include <cstdint>

#include "device/memory.hpp"
#include "flow/stages/workspace.hpp"

namespace faceflow::internal::flow {

// Offsets and sizes in bytes, the same on both sides.
struct transfer_buffer_layout {
    std::int32_t at_once = 1;  // capacity in crops: as many as one transfer carries
    std::size_t crops_at = 0;  // offset of the crops; the faces come first
    std::size_t crop_bytes = 0;

    [[nodiscard]] static transfer_buffer_layout of(const pass_shape& shape, bool batch) {
        return {batch ? shape.mesh_faces : 1, capped_resource::counted(shape.set_bytes()), shape.crops.bytes()};
    }
    // The offset of crop n, which is the size of the faces and the n crops before it.
    [[nodiscard]] std::size_t crop_at(std::int32_t n) const {
        return crops_at + static_cast<std::size_t>(n) * crop_bytes;
    }
    [[nodiscard]] std::size_t bytes() const { return crop_at(at_once); }
};

}  // namespace faceflow::internal::flow
