// SPDX-License-Identifier: Apache-2.0
// Measures of a face from its landmarks and pose. docs/measures.md has the formulas with their sources.
#pragma once

#include "faceflow/types.hpp"

namespace faceflow::internal::vision {

// An eye as gaze is computed from it: lengths as shares of the distance between its corners. Those corners are 27 mm
// apart (N. Knezi et al., Int. J. Morphol. 38(5), 2020: 27.1 mm +- 1.7; MediaPipe's canonical face: 26.6 mm).
struct eye_model {
    static constexpr float width_mm = 27;
    // From the eyeball's centre to that of the iris: a disc of 11.7 mm across on a ball of 12 mm radius.
    float radius = 10.48f / width_mm;
    // The eyeball's centre from the middle between the eye's corners: to the outer corner, up, and into the head.
    float aside = 0.6f / width_mm;
    float rise = 1.3f / width_mm;
    float depth = 5.0f / width_mm;
};

// Everything that landmarks and pose of one frame tell; what its pixels told stays as it is in `f`, and the rates stay
// unmeasured. Pure; allocates nothing. Landmarks or a pose that are not
// finite make those measures not finite that they enter into.
[[nodiscard]] face_measures measure(const face& f, const eye_model& eye = {}) noexcept;

// Enters the rates: from `before` to `now`, which was found `seconds` (> 0) later.
void measure_rates(const head_pose& before, const head_pose& now, double seconds, face_measures& into) noexcept;

}  // namespace faceflow::internal::vision
