// SPDX-License-Identifier: Apache-2.0
// What a thread is working on, for the one line that a crash leaves behind.
#pragma once

#include <optional>

#include "device/ledger.hpp"

namespace faceflow {

// Notes a stage and a frame for the calling thread while it lives; notes nest. Costs two stores; built with CUDA, it is an NVTX
// range too. A stream that runs its
// tasks on a thread of its own carries the note of the thread that added the task over to it.
class work_note {
public:
    explicit work_note(const tag& t) noexcept;
    ~work_note();
    work_note(const work_note&) = delete;
    work_note& operator=(const work_note&) = delete;

    // The innermost note of the calling thread. Async-signal-safe.
    [[nodiscard]] static std::optional<tag> current() noexcept;

private:
    const tag noted_;
    const work_note* const outer_;
};

}  // namespace faceflow
