// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "flow/flow_plan.hpp"

namespace faceflow::internal::flow {

[[nodiscard]] flow_plan plan_shared(const plan_request& r);
[[nodiscard]] flow_plan plan_cached(const plan_request& r);
[[nodiscard]] flow_plan plan_copied(const plan_request& r);

}  // namespace faceflow::internal::flow
