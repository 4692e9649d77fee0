// SPDX-License-Identifier: Apache-2.0
// The main loop of a stage process: greets its owner, then answers calls until the owner closes its end.
#pragma once

#include "core/unique_fd.hpp"
#include "faceflow/result.hpp"

namespace faceflow::internal::flow {

// Returns when the owner has closed its end. Returns an error when the two are incompatible, or when the stage cannot
// work or continue because its device is lost; the owner has been informed.
[[nodiscard]] result<void> serve_stage(unique_fd socket);

}  // namespace faceflow::internal::flow
