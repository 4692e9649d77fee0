// SPDX-License-Identifier: Apache-2.0
// The end of a run: its outputs are finished and its report is made.
#pragma once

#include "engine/capture.hpp"
#include "engine/run.hpp"
#include "engine/run_parts.hpp"

namespace faceflow::internal {

// A run whose sources have all ended and whose engine is drained.
struct ended_run {
    const run_request& request;
    run_parts& parts;
    const capture_threads& from;
    bool interrupted = false;  // by the user
    double seconds = 0;
};

// An error if no frame has a result, for the reason that is known best, and if the engine failed.
[[nodiscard]] result<run_report> finish_run(const ended_run& ended);

}  // namespace faceflow::internal
