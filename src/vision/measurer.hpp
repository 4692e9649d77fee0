// SPDX-License-Identifier: Apache-2.0
// Measures the faces of one source, frame by frame.
#pragma once

#include <cstdint>
#include <map>

#include "faceflow/types.hpp"
#include "vision/baseline.hpp"
#include "vision/blinks.hpp"

namespace faceflow::internal::vision {

// What is measured beyond what always is.
struct measurer_options {
    bool openface = false;
    double baseline_seconds = 0;  // 0: without changes
};

// Sets face::measures, but for what pixels told, and frame_faces::blinks. If asked for, also the rates of face::openface,
// and face::changes. One object per source. Not thread-safe; deterministic; some 1 KB per track seen during the last
// second, and up to 24 KB more while its baseline is taken.
class face_measurer {
public:
    explicit face_measurer(const measurer_options& options = {});

    // Call it after the tracker and before anything smooths the landmarks, for every frame.
    void update(frame_faces& frame);

    // The next faces have nothing to do with those before.
    void forget() noexcept { tracks_.clear(); }

private:
    struct followed {
        explicit followed(const baseline_options& of) : baseline(of) {}
        std::int64_t seen_ns = 0;
        head_pose pose;
        blink_detector blinks;
        face_baseline baseline;
    };

    void follow(face& f, frame_faces& frame);

    measurer_options options_;
    baseline_options baseline_;
    std::map<std::int64_t, followed> tracks_;
};

}  // namespace faceflow::internal::vision
