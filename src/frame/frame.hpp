// A frame where a device can reach it.
#pragma once

#include <chrono>
#include <memory>

#include "device/device.hpp"
#include "faceflow/result.hpp"
#include "faceflow/types.hpp"
#include "frame/host_frame.hpp"

namespace faceflow {

// `picture.planes` are device addresses; valid on the stream that uploaded it, and behind its events, while `hold` lives.
struct frame {
    frame_id id;
    image picture;
    std::shared_ptr<const void> hold;
};

// Brings a host frame to the stream's device: a view where host memory is device memory, else one transfer.
[[nodiscard]] result<frame> upload(stream& on, const host_frame& from);

}  // namespace faceflow
