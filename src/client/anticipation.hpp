// SPDX-License-Identifier: Apache-2.0
// When the next frame is due, and how long a client may look for it: what lets one be awake when the frame comes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>

namespace faceflow::client {

// The beat of one source, from frames that came: the line through their times that most of them are near to (Theil and Sen:
// medians, so that some that are late, and frames that are missing, do not move it).
class cadence {
public:
    static constexpr std::size_t enough = 8, most = 16;  // frames
    static constexpr std::int64_t longest_gap_ns = 2'000'000'000;
    static constexpr std::uint64_t max_missing = 1000;

    // Frames in order. One from before, after a longer gap or after more that are missing begins anew.
    void add(std::uint64_t sequence, std::int64_t ns);

    // Between which times the frame after the last one is due, as those before came early and late, but for one in eight at each
    // end; and the time that half of them were before. None before there are enough.
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
    std::size_t added_ = 0;  // since it began anew
};

// Times are those of one clock, in nanoseconds, and given: nothing here waits or looks at a clock. One thread at a time.
//
// A client sleeps until shortly before a frame is due, early enough for timers that are late as theirs were lately, and looks for it
// then. It never looks longer than `longest_look_ns` for a frame, nor more than `share` of the time in the long run; where that
// would not do for half of the frames, since they come irregularly or too fast, it sleeps as it would without.
class anticipation {
public:
    static constexpr std::int64_t longest_look_ns = 1'000'000;
    static constexpr double share = 0.05;

    // A frame was announced at that time. Times that are seconds from `now_ns` are nobody's.
    void came(std::uint32_t source, std::uint64_t sequence, std::int64_t announced_ns, std::int64_t now_ns);

    struct look {
        std::int64_t from_ns = 0, until_ns = 0;
    };
    // When to look next, not before `now_ns`; one look for a frame.
    [[nodiscard]] std::optional<look> next(std::int64_t now_ns);

    // A sleep until `due_ns` ended at `now_ns`, later than that; `rung`: by the bell, so that its timer would have been later still.
    void woke(std::int64_t due_ns, std::int64_t now_ns, bool rung);
    // It has looked, for what next() said last.
    void looked(std::int64_t from_ns, std::int64_t until_ns);

private:
    struct heard {
        cadence beat;
        bool looked_for = false;  // the frame after its last one
    };
    [[nodiscard]] std::int64_t affordable_at(std::int64_t ns) const;
    [[nodiscard]] std::int64_t lateness() const;

    std::map<std::uint32_t, heard> sources_;
    std::uint32_t chosen_ = 0;
    // What may be spent on looking, as of `counted_ns`; grows with time.
    std::int64_t allowance_ns_ = 0, counted_ns_ = 0;
    std::array<std::int64_t, 16> late_{};  // of the last sleeps
    std::size_t sleeps_ = 0;
};

}  // namespace faceflow::client
