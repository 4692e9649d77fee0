// SPDX-License-Identifier: Apache-2.0
// Predicts when the next frame is due and how long a client may poll for it, so that the client is awake when it comes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>

namespace faceflow::internal::client {

// Estimates the interval of one source from its frames: the line through their times by the Theil-Sen estimator
// (medians, so that late or missing frames do not shift it).
class cadence {
public:
    static constexpr std::size_t enough = 8, most = 16;  // frames
    static constexpr std::int64_t longest_gap_ns = 2'000'000'000;
    static constexpr std::uint64_t max_missing = 1000;

    // Adds frames in order. Starts over after a frame with an older sequence, a longer gap than longest_gap_ns or more
    // missing frames than max_missing.
    void add(std::uint64_t sequence, std::int64_t ns);

    // When the frame after the last one is due: the range of earlier deviations without the outer eighth at each end,
    // and their median. nullopt before there are enough frames.
    struct span {
        std::int64_t earliest_ns = 0, middle_ns = 0, latest_ns = 0;
    };
    [[nodiscard]] std::optional<span> next() const;

private:
    struct frame {
        std::uint64_t sequence = 0;
        std::int64_t ns = 0;
    };
    [[nodiscard]] const frame& last() const noexcept { return frames_[(added_ - 1) % most]; }
    [[nodiscard]] std::size_t count() const noexcept { return added_ < most ? added_ : most; }

    std::array<frame, most> frames_{};
    std::size_t added_ = 0;  // since it last started over
};

// All times are of one clock, in nanoseconds, and passed in: nothing here waits or reads a clock. Use it from one
// thread at a time.
//
// A client sleeps until shortly before a frame is due, early enough for the recent lateness of its timers, and then
// polls for it. It never polls longer than `longest_look_ns` for a frame, nor more than `share` of the time on average.
// If that would not suffice for half of the frames, because they are irregular or too fast, it sleeps without polling.
class anticipation {
public:
    static constexpr std::int64_t longest_look_ns = 1'000'000;
    static constexpr double share = 0.05;

    // Records a frame announced at `announced_ns`. Times that are seconds away from `now_ns` are ignored.
    void came(std::uint32_t source, std::uint64_t sequence, std::int64_t announced_ns, std::int64_t now_ns);

    struct look {
        std::int64_t from_ns = 0, until_ns = 0;
    };
    // When to poll next, not before `now_ns`; at most one look per frame.
    [[nodiscard]] std::optional<look> next(std::int64_t now_ns);

    // Records that a sleep until `due_ns` ended at `now_ns`, later than that; `rung`: the bell ended it, so its timer
    // would have been later still.
    void woke(std::int64_t due_ns, std::int64_t now_ns, bool rung);
    // Records that the client has polled for the frame of the last next().
    void looked(std::int64_t from_ns, std::int64_t until_ns);

private:
    struct heard {
        cadence beat;
        bool looked_for = false;  // whether the frame after its last one was already polled for
    };
    [[nodiscard]] std::int64_t affordable_at(std::int64_t ns) const;
    [[nodiscard]] std::int64_t lateness() const;

    std::map<std::uint32_t, heard> sources_;
    std::uint32_t chosen_ = 0;
    // The polling budget as of counted_ns_; grows with time.
    std::int64_t allowance_ns_ = 0, counted_ns_ = 0;
    std::array<std::int64_t, 16> late_{};  // lateness of the last sleeps
    std::size_t sleeps_ = 0;
};

}  // namespace faceflow::internal::client
