// SPDX-License-Identifier: Apache-2.0
// What each process of a flow keeps in the device's memory.
#pragma once

#include <vector>

#include "analysis/plan.hpp"

namespace faceflow::analysis {

// `r` has been checked; its switches are those that its flow heeds. What a person should know of it goes to `notes`.
[[nodiscard]] std::vector<planned_pool> pools_in(const plan_request& r, std::vector<std::string>& notes);

// The same with as few frames as the flow can work with.
[[nodiscard]] std::vector<planned_pool> least_pools_in(plan_request r);

}  // namespace faceflow::analysis
