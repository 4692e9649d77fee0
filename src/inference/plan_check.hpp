// SPDX-License-Identifier: Apache-2.0
// Checks the consistency of a plan.
#pragma once

#include "inference/plan.hpp"

namespace faceflow::internal::inference {

// The guarantees for engines: indices and slices are within bounds and as long as their shapes require, sizes and
// channels are consistent, everything is written once and before it is read, and weights are finite. errc::corrupt says
// what is wrong.
[[nodiscard]] result<void> check_plan(const plan& p);

}  // namespace faceflow::internal::inference
