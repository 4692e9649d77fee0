// SPDX-License-Identifier: Apache-2.0
// Computes when recorded frames are due, so that they come at the pace of a camera.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>

namespace faceflow::internal::media {

class source;

class pacer {
public:
    using clock = std::chrono::steady_clock;

    explicit pacer(clock::time_point started) : started_(started) {}

    // The first frame is due at once, each later one at its time after the first. Gaps of more than ten seconds are
    // skipped. Times must ascend.
    [[nodiscard]] clock::time_point due(std::int64_t pts_ns) noexcept;

private:
    clock::time_point started_;
    std::optional<std::int64_t> last_ns_;
    std::int64_t last_step_ns_ = 40'000'000;
    std::chrono::nanoseconds run_{0};
};

// Wraps a source of recorded frames: they come when they are due, as live ones, so late ones are lost.
[[nodiscard]] std::unique_ptr<source> make_realtime(std::unique_ptr<source> recorded, std::stop_token stop);

}  // namespace faceflow::internal::media
