// SPDX-License-Identifier: Apache-2.0
// A head's pose as other programs write it. docs/measures.md has the conventions with their sources.
#pragma once

#include "faceflow/types.hpp"

namespace faceflow::internal::vision {

// As OpenFace has it; the rates stay unmeasured. Nor is a pose measured that was never computed, whose matrix is zeros.
[[nodiscard]] openface_pose openface_of(const head_pose& pose) noexcept;

// Enters the pose that the face has now into face::openface; its rates stay as they are.
void enter_openface(face& f) noexcept;

// Enters the rates: from `before` to `now`, which was found `seconds` (> 0) later.
void measure_rates(const openface_pose& before, const openface_pose& now, double seconds, openface_pose& into) noexcept;

}  // namespace faceflow::internal::vision
