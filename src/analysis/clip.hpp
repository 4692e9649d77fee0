// SPDX-License-Identifier: Apache-2.0
// The frames that a comparison runs on, decoded once.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "faceflow/result.hpp"
#include "frame/host_frame.hpp"

namespace faceflow::analysis {

struct clip {
    std::vector<host_frame> frames;  // of source 0
    double frames_per_second = 0;    // 0: the source does not say
    std::vector<std::string> notes;  // for people
};

struct clip_request {
    std::string input;
    std::uint64_t limit = 0;
    double start_seconds = 0;
    std::size_t max_bytes = 0;  // of pixels; the clip is cut there, with a note
};

// At least one frame, or an error. Damaged frames are left out. `stop` ends it with errc::interrupted.
[[nodiscard]] result<clip> decode(const clip_request& wanted, const std::atomic<bool>& stop,
                                  const std::function<void(std::uint64_t frames)>& on_progress);

}  // namespace faceflow::analysis
