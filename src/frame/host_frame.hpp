// A frame in host memory, as a source hands it out.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "faceflow/types.hpp"

namespace faceflow {

// Cheap to copy: the pixels are shared and never written after the source let go of them.
struct host_frame {
    frame_id id;
    image picture;                                   // points into what `owner` keeps alive
    std::int64_t pts_ns = 0;                         // from the start of the source; true also at a variable rate
    std::chrono::steady_clock::time_point captured;  // when the pixels were first in our hands
    std::shared_ptr<const void> owner;
    std::shared_ptr<const std::string> input;  // path or URL that it came from; may be null
};

}  // namespace faceflow
