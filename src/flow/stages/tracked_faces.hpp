// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/try.hpp"
#include "device/device.hpp"
#include "device/memory.hpp"
#include "flow/stages/workspace.hpp"
#include "vision/records.hpp"

namespace faceflow::flow {

// Where to look for the faces of a source's next frame if it has no detection: a detection set in device memory.
class tracked_faces {
public:
    [[nodiscard]] static result<tracked_faces> create(device& d, const pass_shape& shape) {
        FACEFLOW_ASSIGN(auto memory, device_buffer::allocate(d.pool(), shape.set_bytes()));
        return tracked_faces(std::move(memory));
    }
    vision::detection_set* set() const { return memory_.as<vision::detection_set>(); }
    // False before the first frame and after a failed one: the next frame then has a detection.
    bool known = false;

private:
    explicit tracked_faces(device_buffer memory) : memory_(std::move(memory)) {}
    device_buffer memory_;
};

}  // namespace faceflow::flow
