// SPDX-License-Identifier: Apache-2.0
// Decides in which frames of a source to detect faces.
#pragma once

#include <cstdint>

#include "faceflow/options.hpp"
#include "frame/host_frame.hpp"

namespace faceflow::internal::flow {

// What became of the faces that a frame took over from the one before.
struct followed_state {
    bool lost = false;      // the mesh of one is no face any more
    bool doubtful = false;  // the mesh of one is hardly a face
};

// How a frame gets its faces.
struct detect_decision {
    bool detect = true;
    bool begins = true;  // nothing is followed into this frame: all of its faces are detected
};

// Whether the detector runs in every frame of a video, whatever the outcomes.
[[nodiscard]] inline bool detects_in_every_frame(const options& o) noexcept {
    return o.detect == detect_mode::always || o.detect_every == 1;
}

// For one source, and one frame after the other: call next for a frame, then done or failed with its outcome. The
// decisions depend on timestamps and outcomes alone, so they are the same in all flows and runs. Not thread-safe.
//
// options::detect_every = N detects in every Nth frame. 0 detects when needed: in the first frame, after a failed one,
// after a gap in time; in the frame after one in which a followed face was lost; `doubts` after the last detection while
// one is in doubt; and `newcomers` after it for faces that are new.
class detect_schedule {
public:
    static constexpr std::int64_t newcomers = 190'000'000;  // ns: six frames of thirty a second
    static constexpr std::int64_t doubts = 66'000'000;
    static constexpr std::int64_t longest_gap = 1'000'000'000;  // a face is not where it was

    explicit detect_schedule(const options& o) : every_(detects_in_every_frame(o) ? 1 : o.detect_every) {}

    [[nodiscard]] detect_decision next(std::int64_t pts_ns) {
        const std::int64_t step = pts_ns - last_;
        last_ = pts_ns;
        detect_decision d;
        d.begins = !known_ || step < 0 || step > longest_gap;
        d.detect = d.begins || due(pts_ns);
        if (d.detect) {
            detected_ = pts_ns;
            since_ = 0;
        }
        ++since_;
        return d;
    }

    void done(followed_state s) {
        known_ = true;
        state_ = s;
    }
    void failed() { known_ = false; }

private:
    [[nodiscard]] bool due(std::int64_t pts_ns) const {
        if (every_ > 0) return since_ >= every_;
        const std::int64_t since = pts_ns - detected_;
        return state_.lost || since >= newcomers || (state_.doubtful && since >= doubts);
    }

    std::int32_t every_;  // 0: when needed
    bool known_ = false;  // the previous frame left its faces
    followed_state state_;
    std::int64_t last_ = 0, detected_ = 0;
    std::int32_t since_ = 0;  // frames since the last detection, that one included
};

}  // namespace faceflow::internal::flow
