// SPDX-License-Identifier: Apache-2.0
// What a thread is working on, for the one line that a crash prints.
#pragma once

#include <optional>

#include "device/ledger.hpp"

namespace faceflow::internal {

// Notes a stage and a frame for the calling thread during its lifetime; notes nest. Costs two stores; in builds with
// NVTX it is an NVTX range too. A stream that runs tasks on its own thread applies the note of the thread that added
// the task.
class stage_scope {
public:
    explicit stage_scope(const tag& t) noexcept;
    ~stage_scope();
    stage_scope(const stage_scope&) = delete;
    stage_scope& operator=(const stage_scope&) = delete;

    // The innermost note of the calling thread. Async-signal-safe.
    [[nodiscard]] static std::optional<tag> current() noexcept;

private:
    const tag noted_;
    const stage_scope* const outer_;
};

}  // namespace faceflow::internal
