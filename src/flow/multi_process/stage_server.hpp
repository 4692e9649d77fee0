// SPDX-License-Identifier: Apache-2.0
// The life of a stage process: greets its owner, then works on one call after the other until the owner goes.
#pragma once

#include "core/unique_fd.hpp"
#include "faceflow/result.hpp"

namespace faceflow::flow {

// Returns when the owner has closed its end. An error when the two do not fit one another or the stage cannot work, or not
// any more because its device is lost; the owner has been told.
[[nodiscard]] result<void> serve_stage(unique_fd socket);

}  // namespace faceflow::flow
