// SPDX-License-Identifier: Apache-2.0
// Groups of frames that are processed in sequence, and their outcomes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "flow/io/outcome.hpp"
#include "flow/io/reorder_buffer.hpp"
#include "frame/host_frame.hpp"

namespace faceflow::flow {

// Frames of one source that one lane processes in sequence: all but the first may start from the faces of the previous
// frame.
struct frame_group {
    std::uint32_t order = 0;  // the order that `index` counts in: the source's own, or 0 when sources are merged
    std::uint64_t index = 0;  // counts up within its order, without gaps
    std::uint32_t source = 0;
    std::size_t device = 0;    // the device of its source
    bool detect_first = true;  // whether to detect in the first frame
    std::size_t detect_every = 1;
    std::vector<host_frame> frames;

    // Whether to detect in frame `i`; otherwise it starts from the faces of the previous frame.
    [[nodiscard]] bool detects(std::size_t i) const noexcept { return i == 0 ? detect_first : i % detect_every == 0; }
};

// The outcomes of a group's frames, in order. Use it from one thread at a time.
class group_outcomes {
public:
    explicit group_outcomes(const frame_group& group)
        : order_(group.order),
          index_(group.index),
          device_(group.device),
          frames_(group.frames.size()) {
        done_.reserve(frames_);
    }

    void add(host_frame frame, result<frame_faces> faces) { done_.push_back({std::move(frame), std::move(faces)}); }
    [[nodiscard]] std::size_t count() const noexcept { return done_.size(); }
    // True when every frame has its outcome; then call deliver, once.
    [[nodiscard]] bool complete() const noexcept { return done_.size() == frames_; }
    void deliver(reorder_buffer& to) { to.put(order_, index_, device_, std::move(done_)); }

private:
    std::uint32_t order_;
    std::uint64_t index_;
    std::size_t device_, frames_;
    std::vector<outcome> done_;
};

}  // namespace faceflow::flow
