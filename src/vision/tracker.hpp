// SPDX-License-Identifier: Apache-2.0
// Tracks faces from frame to frame.
#pragma once

#include <cstdint>
#include <vector>

#include "faceflow/types.hpp"
#include "vision/assignment.hpp"
#include "vision/motion.hpp"
#include "vision/pts_clock.hpp"

namespace faceflow::internal::vision {

struct tracker_options {
    float high_score = 0.6f;                  // detections from this score on are paired first
    std::int64_t max_gap_ns = 1'000'000'000;  // a face unseen for longer returns as a new one
};

// Tracks the faces of one source by position and size only: a Kalman filter per face predicts its box, detections are
// paired with predictions at the least cost, confident ones first (Y. Zhang et al., "ByteTrack", ECCV 2022). Time steps
// come from the timestamps, so variable frame rates, skipped frames and low rates all work; a source with less than one
// frame per max_gap keeps its tracks as long as it stays that slow.
//
// Every face gets a track at once. Ids count from 1 and are never reused. A box that is not finite or has no area gets
// its own id, which is not tracked. Not thread-safe; deterministic; memory is bounded by the faces of the last max_gap.
// Appearance is not used: faces that meet, stop and part again may swap.
class tracker {
public:
    explicit tracker(tracker_options options = {}) : options_(options) {}

    // Sets face::track of every face and sorts them by it. Call it for every frame, those without faces included.
    void update(std::int64_t pts_ns, std::vector<face>& faces);

    // The next faces have nothing to do with those before: all get new ids.
    void forget() noexcept { tracks_.clear(); }

private:
    // All in pixels; size is the square root of the area, shape is width over height, both as logarithms.
    struct followed {
        std::int64_t id = 0;
        motion x, y, size, shape;
        double seen = 0;      // time of the last detection, by clock_
        bool missed = false;  // not found in the last frame
        bool paired = false;  // found in this one
        rect box;             // predicted
        double side = 0;      // of the predicted box: the square root of its area
        double reach = 0;     // greatest distance of its centre from the prediction, in sides
    };

    void expire(double step);
    static void predict(followed& track, double step);
    static void correct(followed& track, const face& found);
    [[nodiscard]] followed start(const face& found);
    // Pairs the faces with unpaired tracks. Unpaired faces stay in `wanted`.
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

}  // namespace faceflow::internal::vision
