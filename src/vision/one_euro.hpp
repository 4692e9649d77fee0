// SPDX-License-Identifier: Apache-2.0
// Smooths faces over time to remove the model's jitter.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "faceflow/types.hpp"
#include "vision/block_kernels.hpp"
#include "vision/mesh.hpp"
#include "vision/pts_clock.hpp"

namespace faceflow::internal::vision {

// Speeds are in face sides per second (a side is the square root of the box's area), so the same values serve near and
// far faces.
struct smoother_options {
    float strength = 1;                       // divides the first two cutoffs: 2 filters twice as much
    float focal = 0;                          // pixels; see mesh_options
    float min_cutoff = 0.5f;                  // Hz; lower: calmer when still
    float speed_factor = 20;                  // Hz per side/s; higher: less lag when moving ("beta" of the paper)
    float speed_cutoff = 1;                   // Hz, of the filter of the speed
    std::int64_t max_gap_ns = 1'000'000'000;  // a track unseen for longer restarts
};

// The one-euro filter (G. Casiez, N. Roussel, D. Vogel, "1 euro filter", CHI 2012) for the points of each track: its
// landmarks, its keypoints and the corners of its box. It is a low-pass whose cutoff rises with speed. x, y and z of a
// point share one cutoff, from the length of the velocity, so that paths are not bent. The pose is that of the filtered
// landmarks.
//
// A point that moves at a steady speed is behind by a lag L with
// L * 2 pi * (min_cutoff + speed_factor * speed * (1 + L * frame rate)) = strength,
// since the speed is measured from the filtered point: at strength 1, 30 frames and a tenth of a side per second 35 ms, at
// one side 7 ms.
//
// One object per source. Not thread-safe; deterministic. Some 12 KB per track seen during the last max_gap.
class face_smoother {
public:
    explicit face_smoother(const smoother_options& options = {});

    // Call it after the tracker, for every frame. A track's first face passes unchanged, and so do faces without a track,
    // without a usable box, or with a non-finite landmark; these also restart their track.
    void update(frame_faces& frame);

    // The next faces have nothing to do with those before.
    void forget() noexcept { states_.clear(); }

private:
    static constexpr std::size_t point_count = landmark_count + 5 + 2;
    using points = std::array<point3, point_count>;
    struct state {
        double seen = 0;
        points value{};     // filtered, pixels
        points velocity{};  // filtered, sides / s
    };

    [[nodiscard]] static points points_of(const face& f);
    static void put(const points& from, face& f);
    void smooth(state& s, points& now, float side, double seconds) const;
    [[nodiscard]] head_pose pose_of(const face& f, const frame_faces& frame) const;

    smoother_options options_;
    std::array<pose_anchor, max_pose_anchors> anchors_{};
    std::int32_t anchor_count_ = 0;
    pts_clock clock_;
    std::map<std::int64_t, std::unique_ptr<state>> states_;
};

}  // namespace faceflow::internal::vision
