// SPDX-License-Identifier: Apache-2.0
// Measures the faces of one source, frame by frame.
#pragma once

#include <cstdint>
#include <map>

#include "faceflow/types.hpp"
#include "vision/blinks.hpp"

namespace faceflow::internal::vision {

// What is measured beyond what always is.
struct measurer_options {
    bool openface = false;
};

// Sets face::measures, but for what pixels told, and frame_faces::blinks; of face::openface, if asked for, the rates.
// One object per source. Not thread-safe; deterministic; some 1 KB per
// track seen during the last second.
class face_measurer {
public:
    explicit face_measurer(const measurer_options& options = {}) : options_(options) {}

    // Call it after the tracker and before anything smooths the landmarks, for every frame.
    void update(frame_faces& frame);

    // The next faces have nothing to do with those before.
    void forget() noexcept { tracks_.clear(); }

private:
    struct followed {
        std::int64_t seen_ns = 0;
        head_pose pose;
        blink_detector blinks;
    };

    void follow(face& f, frame_faces& frame);

    measurer_options options_;
    std::map<std::int64_t, followed> tracks_;
};

}  // namespace faceflow::internal::vision
