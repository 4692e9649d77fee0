// SPDX-License-Identifier: Apache-2.0
// Whether what a plan says fits together.
#pragma once

#include "inference/plan.hpp"

namespace faceflow::inference {

// What anything that runs a plan may rely on: indices and slices are within bounds and as long as their shapes ask,
// sizes and channels fit each other, everything is written once and before it is read, and weights are finite.
// errc::corrupt says what is not.
[[nodiscard]] result<void> check_plan(const plan& p);

}  // namespace faceflow::inference
