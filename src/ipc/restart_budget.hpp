// SPDX-License-Identifier: Apache-2.0
// How often a process that keeps ending is started again.
#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <string>
#include <string_view>

#include "faceflow/result.hpp"

namespace faceflow::ipc {

// At most `most` restarts within any `window`, and at most `most` starts in a row that come to nothing, however long each takes;
// time is the caller's. Not thread-safe.
class restart_budget {
public:
    using time_point = std::chrono::steady_clock::time_point;
    using duration = std::chrono::steady_clock::duration;

    restart_budget(std::size_t most, duration window) : most_(most), window_(window) {}

    // Enters a restart at `now` (which never goes back) of `who`, which ended as `last_exit` says. errc::unavailable, and not
    // entered, when there were as many within the window already.
    [[nodiscard]] result<void> spend(time_point now, std::string_view who, std::string_view last_exit);

    // How a start went: whether the process came to work.
    void enter(bool started) noexcept { failed_in_a_row_ = started ? 0 : failed_in_a_row_ + 1; }

    // Restarts within the window before `now`.
    [[nodiscard]] std::size_t spent(time_point now);

private:
    const std::size_t most_;
    const duration window_;
    std::size_t failed_in_a_row_ = 0;
    std::deque<time_point> restarts_;
};

}  // namespace faceflow::ipc
