// SPDX-License-Identifier: Apache-2.0
// Decodes the frames of a comparison, once.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "faceflow/result.hpp"
#include "frame/host_frame.hpp"

namespace faceflow::internal::analysis {

struct clip {
    std::vector<host_frame> frames;  // of source 0
    double frames_per_second = 0;    // 0: unknown
    std::vector<std::string> notes;  // for the user
};

struct clip_request {
    std::string input;
    std::uint64_t limit = 0;
    double start_seconds = 0;
    std::size_t max_bytes = 0;  // limit for pixels; the clip is cut there, with a note
};

// Returns at least one frame, or an error. Skips damaged frames. `stop` ends it with errc::interrupted.
[[nodiscard]] result<clip> decode(const clip_request& wanted, const std::atomic<bool>& stop,
                                  const std::function<void(std::uint64_t frames)>& on_progress);

}  // namespace faceflow::internal::analysis
