// SPDX-License-Identifier: Apache-2.0
// A frame between the two ends of a flow.
#pragma once

#include <cstddef>
#include <cstdint>

#include "frame/host_frame.hpp"

namespace faceflow::internal::flow {

struct queued_frame {
    std::uint32_t order = 0;  // the order that `index` counts in: the source's own, or 0 when sources are merged
    std::uint64_t index = 0;  // counts up within its order, without gaps
    std::size_t device = 0;   // the device of its source
    host_frame frame;
};

// Whether a frame's faces are looked for where those of the source's previous frame were: not in pictures that have
// nothing to do with one another.
[[nodiscard]] inline bool follows(const host_frame& f) noexcept {
    return !f.still;
}

}  // namespace faceflow::internal::flow
