// SPDX-License-Identifier: Apache-2.0
// Smooths landmarks to remove the model's jitter.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "faceflow/types.hpp"
#include "vision/pts_clock.hpp"

namespace faceflow::vision {

// Speeds are in face sides per second (a side is the square root of the box's area), so the same values serve near and
// far faces.
struct smoother_options {
    float min_cutoff = 0.5f;                  // Hz; lower: calmer when still
    float speed_factor = 20;                  // Hz per side/s; higher: less lag when moving ("beta" of the paper)
    float speed_cutoff = 1;                   // Hz, of the filter of the speed
    std::int64_t max_gap_ns = 1'000'000'000;  // a track unseen for longer restarts
};

// The one-euro filter (G. Casiez, N. Roussel, D. Vogel, "1 euro filter", CHI 2012) for the 478 landmarks of each track:
// a low-pass whose cutoff rises with speed. x, y and z of a landmark share one cutoff, from the length of the velocity,
// so that paths are not bent. Box, keypoints and pose stay unfiltered: the pose is that of the raw landmarks.
//
// One object per source. Not thread-safe; deterministic. Some 11 KB per track seen during the last max_gap.
class landmark_smoother {
public:
    explicit landmark_smoother(smoother_options options = {}) : options_(options) {}

    // Call it after the tracker, for every frame. A track's first landmarks pass unchanged, and so do faces without a
    // track, without a usable box, or with a non-finite landmark; these also restart their track.
    void update(std::int64_t pts_ns, std::vector<face>& faces);

private:
    struct state {
        double seen = 0;
        std::array<point3, landmark_count> value{};     // filtered, pixels
        std::array<point3, landmark_count> velocity{};  // filtered, sides / s
    };

    void smooth(state& s, face& f, double seconds) const;

    smoother_options options_;
    pts_clock clock_;
    std::map<std::int64_t, std::unique_ptr<state>> states_;
};

}  // namespace faceflow::vision
