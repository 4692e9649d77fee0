// SPDX-License-Identifier: Apache-2.0
// Limits how often a process is restarted.
#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <string>
#include <string_view>

#include "faceflow/result.hpp"

namespace faceflow::internal::ipc {

// Allows at most `most` restarts within any `window`, and at most `most` failed starts in a row, however long each
// takes. The caller supplies the time. Not thread-safe.
class restart_budget {
public:
    using time_point = std::chrono::steady_clock::time_point;
    using duration = std::chrono::steady_clock::duration;

    restart_budget(std::size_t most, duration window) : most_(most), window_(window) {}

    // Records a restart of `who` at `now` (which never decreases); `last_exit` says how it ended. errc::unavailable,
    // without recording it, when the budget is used up.
    [[nodiscard]] result<void> spend(time_point now, std::string_view who, std::string_view last_exit);

    // Records whether a start succeeded.
    void enter(bool started) noexcept { failed_in_a_row_ = started ? 0 : failed_in_a_row_ + 1; }

    // The number of restarts within the window before `now`.
    [[nodiscard]] std::size_t spent(time_point now);

private:
    const std::size_t most_;
    const duration window_;
    std::size_t failed_in_a_row_ = 0;
    std::deque<time_point> restarts_;
};

}  // namespace faceflow::internal::ipc
