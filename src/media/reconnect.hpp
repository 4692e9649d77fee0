// SPDX-License-Identifier: Apache-2.0
// The back-off for reconnecting a lost live input: 250 ms, doubling up to 4 s, until its time is over.
#pragma once

#include <chrono>

namespace faceflow::internal::media {

class backoff {
public:
    using clock = std::chrono::steady_clock;

    // milliseconds::max(): never gives up.
    backoff(clock::time_point lost_at, std::chrono::milliseconds give_up_after) noexcept;

    [[nodiscard]] bool exhausted(clock::time_point now) const noexcept { return now >= end_; }

    // The pause before the next attempt; never extends past the end.
    [[nodiscard]] std::chrono::milliseconds pause(clock::time_point now) noexcept;

    // The remaining time, for the attempt itself.
    [[nodiscard]] std::chrono::milliseconds left(clock::time_point now) const noexcept;

private:
    clock::time_point end_;
    std::chrono::milliseconds next_{250};
};

}  // namespace faceflow::internal::media
