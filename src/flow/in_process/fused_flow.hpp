// SPDX-License-Identifier: Apache-2.0
// fused: one pass per frame on one stream; the host waits once, at the end.
#pragma once

#include "flow/flow.hpp"

namespace faceflow::internal::flow {

[[nodiscard]] result<std::unique_ptr<flow>> make_fused_flow(const flow_setup& setup);

}  // namespace faceflow::internal::flow
