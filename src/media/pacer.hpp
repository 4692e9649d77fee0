// SPDX-License-Identifier: Apache-2.0
// When recorded frames are due, so that they come as they once came from a camera.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>

namespace faceflow::media {

class source;

class pacer {
public:
    using clock = std::chrono::steady_clock;

    explicit pacer(clock::time_point started) : started_(started) {}

    // The first frame at once, each other one as long after it as its time says. A gap of more than ten seconds is left out: nobody
    // waits for a camera that slept. Times ascend.
    [[nodiscard]] clock::time_point due(std::int64_t pts_ns) noexcept;

private:
    clock::time_point started_;
    std::optional<std::int64_t> last_ns_;
    std::int64_t last_step_ns_ = 40'000'000;
    std::chrono::nanoseconds run_{0};
};

// The source, whose frames are recorded, with frames that come when they are due, and as live ones: what is late is lost.
[[nodiscard]] std::unique_ptr<source> make_realtime(std::unique_ptr<source> recorded, std::stop_token stop);

}  // namespace faceflow::media
