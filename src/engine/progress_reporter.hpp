// SPDX-License-Identifier: Apache-2.0
// Shows how far a run has come: to the user, and in snapshots of its summary.
#pragma once

#include <chrono>
#include <functional>

#include "engine/run.hpp"
#include "engine/run_parts.hpp"

namespace faceflow::internal {

// Its time begins when it is made. What it is made with outlives it.
class progress_reporter {
public:
    progress_reporter(const run_request& request, run_parts& parts,
                      const std::function<void(const run_progress&)>& on_progress)
        : request_(request),
          parts_(parts),
          on_progress_(on_progress) {}

    // Calls on_progress, and saves a snapshot of the summary if the last one is a second old. Counts its failures.
    void show();

    [[nodiscard]] double seconds() const { return std::chrono::duration<double>(clock::now() - started_).count(); }

private:
    using clock = std::chrono::steady_clock;
    [[nodiscard]] run_progress progress() const;

    const run_request& request_;
    run_parts& parts_;
    const std::function<void(const run_progress&)>& on_progress_;
    const clock::time_point started_ = clock::now();
    clock::time_point saved_;  // the last snapshot
};

}  // namespace faceflow::internal
