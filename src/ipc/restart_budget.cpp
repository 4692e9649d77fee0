// SPDX-License-Identifier: Apache-2.0
#include "ipc/restart_budget.hpp"

#include <fmt/format.h>

namespace faceflow::internal::ipc {

std::size_t restart_budget::spent(time_point now) {
    while (!restarts_.empty() && now - restarts_.front() >= window_)
        restarts_.pop_front();
    return restarts_.size();
}

result<void> restart_budget::spend(time_point now, std::string_view who, std::string_view last_exit) {
    if (spent(now) >= most_) {
        return fail(
            errc::unavailable,
            fmt::format("{} ended again ({}) after {} restarts within {:.3g} s: it is not started any more; what "
                        "ends it is in its last lines on standard error",
                        who, last_exit, most_, std::chrono::duration<double>(window_).count()));
    }
    if (failed_in_a_row_ > 0 && failed_in_a_row_ >= most_) {
        return fail(errc::unavailable,
                    fmt::format("{} did not start {} times in a row ({}): it is not started any more", who,
                                failed_in_a_row_, last_exit));
    }
    restarts_.push_back(now);
    return {};
}

}  // namespace faceflow::internal::ipc
