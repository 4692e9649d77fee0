// SPDX-License-Identifier: Apache-2.0
// A frame as a source hands it out: in host memory, or where a device's own decoder left it.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "faceflow/types.hpp"
#include "frame/frame.hpp"

namespace faceflow {

// Cheap to copy: the pixels are shared and never written after the source let go of them.
struct host_frame {
    frame_id id;
    image picture;              // points into what `owner` keeps alive; no planes with `on_device`
    std::int64_t pts_ns = 0;    // from the start of the source; true also at a variable rate
    std::int64_t clock_ns = 0;  // pts_ns less what the input states: changes where recordings are joined
    std::chrono::steady_clock::time_point captured;  // when the pixels were first in our hands
    std::shared_ptr<const void> owner;
    std::shared_ptr<const std::string> input;  // path or URL that it came from; may be null
    std::shared_ptr<const frame> on_device;    // where it lies already, on the device that its source's frames go to
};

}  // namespace faceflow
