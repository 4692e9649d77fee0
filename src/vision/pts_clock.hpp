// SPDX-License-Identifier: Apache-2.0
// Time for filters over frames: always ascending, whatever the timestamps do.
#pragma once

#include <cstdint>
#include <limits>

namespace faceflow::internal::vision {

// Nanoseconds from one pts to a later one, 0 if it is not later. Pts have the range of their type, so that the difference
// of two need not fit: then it is the largest that does.
[[nodiscard]] constexpr std::int64_t elapsed_ns(std::int64_t from, std::int64_t to) noexcept {
    if (to <= from) return 0;
    const std::uint64_t delta = static_cast<std::uint64_t>(to) - static_cast<std::uint64_t>(from);
    constexpr auto most = std::numeric_limits<std::int64_t>::max();
    return delta < static_cast<std::uint64_t>(most) ? static_cast<std::int64_t>(delta) : most;
}

// Converts the pts of one source to strictly growing seconds. A pts that stands still, goes back (a looped file, a
// restarted camera) or moves by less than 0.1 ms carries no time; such a frame counts as a step as long as the last
// valid one, or 1/30 s if there was none. Not thread-safe; deterministic.
class pts_clock {
public:
    // Returns the seconds since the previous frame: 0 for the first frame, else > 0.
    double advance(std::int64_t pts_ns) noexcept {
        if (!started_) {
            started_ = true;
            pts_ns_ = pts_ns;
            return 0;
        }
        double step = usual_;
        if (pts_ns > pts_ns_) {  // unsigned, for the full range of pts
            const std::uint64_t delta = static_cast<std::uint64_t>(pts_ns) - static_cast<std::uint64_t>(pts_ns_);
            if (delta >= shortest_ns) {
                step = static_cast<double>(delta) * 1e-9;
                usual_ = step < longest_usual ? step : longest_usual;
            }
        }
        pts_ns_ = pts_ns;
        now_ += step;
        return step;
    }

    // Seconds since the first frame.
    [[nodiscard]] double now() const noexcept { return now_; }

private:
    static constexpr std::uint64_t shortest_ns = 100'000;
    static constexpr double longest_usual = 0.2;

    bool started_ = false;
    std::int64_t pts_ns_ = 0;
    double usual_ = 1.0 / 30;
    double now_ = 0;
};

}  // namespace faceflow::internal::vision
