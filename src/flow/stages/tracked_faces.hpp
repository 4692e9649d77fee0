// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/try.hpp"
#include "device/device.hpp"
#include "device/memory.hpp"
#include "flow/stages/detect_schedule.hpp"
#include "flow/stages/workspace.hpp"
#include "vision/records.hpp"

namespace faceflow::internal::flow {

// The faces of a source: where to look in its next frame, as a detection set in device memory.
class tracked_faces {
public:
    [[nodiscard]] static result<tracked_faces> create(device& d, const pass_shape& shape, const options& o) {
        FACEFLOW_ASSIGN(auto memory, device_buffer::allocate(d.pool(), shape.set_bytes()));
        return tracked_faces(std::move(memory), o);
    }
    vision::detection_set* set() const { return memory_.as<vision::detection_set>(); }

    detect_schedule schedule;

private:
    tracked_faces(device_buffer memory, const options& o) : schedule(o), memory_(std::move(memory)) {}
    device_buffer memory_;
};

}  // namespace faceflow::internal::flow
