// SPDX-License-Identifier: Apache-2.0
// Which face is which from frame to frame.
#pragma once

#include <cstdint>
#include <vector>

#include "faceflow/types.hpp"
#include "vision/assignment.hpp"
#include "vision/motion.hpp"
#include "vision/pts_clock.hpp"

namespace faceflow::vision {

struct tracker_options {
    float high_score = 0.6f;                  // detections from here on choose their tracks before all others
    std::int64_t max_gap_ns = 1'000'000'000;  // a face unseen for longer comes back as a new one
};

// Follows the faces of one source by place and size alone: a Kalman filter per face predicts its box, detections are paired
// with predictions at the least cost, confident ones first (Y. Zhang et al., "ByteTrack", ECCV 2022). Steps take their
// length from the timestamps, so a variable frame rate, skipped frames and low rates are all the same to it; a source that
// delivers less than one frame per max_gap keeps its tracks as long as it stays that slow.
//
// Every face gets a track at once. Ids count from 1 and are never used again. A box that is not finite or has no area
// gets an id of its own that is not followed. Not thread-safe; deterministic; memory is bounded by the faces of the last
// max_gap. Nothing here looks at appearance: faces that meet, stop and part again may swap.
class tracker {
public:
    explicit tracker(tracker_options options = {}) : options_(options) {}

    // Sets face::track of every face and sorts them by it. To be called for every frame, those without faces too.
    void update(std::int64_t pts_ns, std::vector<face>& faces);

private:
    // All in pixels; size is the square root of the area, shape is width over height, both as logarithms.
    struct followed {
        std::int64_t id = 0;
        motion x, y, size, shape;
        double seen = 0;      // when, on our clock
        bool missed = false;  // not found in the last frame
        bool paired = false;  // found in this one
        rect box;             // predicted
        double side = 0;      // of the predicted box: the square root of its area
        double reach = 0;     // farthest that its centre may be from the prediction, in sides
    };

    void expire(double step);
    static void predict(followed& track, double step);
    static void correct(followed& track, const face& found);
    [[nodiscard]] followed start(const face& found);
    // Pairs the faces with those tracks that have none yet. Faces that find no track stay in `wanted`.
    void pair(std::vector<face>& faces, std::vector<std::size_t>& wanted);
    void sort_by_track(std::vector<face>& faces);

    tracker_options options_;
    pts_clock clock_;
    double last_step_ = 0;
    std::int64_t next_id_ = 1;
    std::vector<followed> tracks_;  // ascending ids

    assignment assignment_;  // scratch from here on
    std::vector<float> cost_;
    std::vector<std::size_t> high_, low_, free_, order_;
};

}  // namespace faceflow::vision
