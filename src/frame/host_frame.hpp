// SPDX-License-Identifier: Apache-2.0
// A frame as a source delivers it: in host memory, or on the device whose decoder produced it.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "faceflow/types.hpp"
#include "frame/frame.hpp"

namespace faceflow::internal {

// Cheap to copy: the pixels are shared and never written after the source has delivered them.
struct host_frame {
    frame_id id;
    image picture;              // points into memory that `owner` keeps alive; no planes with `on_device`
    std::int64_t pts_ns = 0;    // from the start of the source; correct at variable frame rates too
    std::int64_t clock_ns = 0;  // pts_ns minus the time that the input states: changes where recordings are joined
    std::chrono::steady_clock::time_point captured;  // when this process received the pixels
    std::shared_ptr<const void> owner;
    std::shared_ptr<const std::string> input;  // the path or URL of the input; may be null
    // set if it is already on a device: the one that its source's frames go to
    std::shared_ptr<const frame> on_device;
    bool still = false;  // a picture of its own, not the next moment of the frame before it
};

}  // namespace faceflow::internal
