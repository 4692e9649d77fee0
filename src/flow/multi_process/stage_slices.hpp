// SPDX-License-Identifier: Apache-2.0
// Trace slices of stage processes: sent with their replies, then checked and drawn by their owner. Both ends read the
// same clock, the machine's CLOCK_MONOTONIC.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "flow/multi_process/stage_protocol.hpp"
#include "telemetry/trace.hpp"

namespace faceflow::internal::flow {

// The stage process's end: keeps what its stages and transfers record until it is sent.
class slice_log {
public:
    // `whole`: report a stage's work on a frame as one slice, from its first begin to its last end.
    explicit slice_log(bool whole) : whole_(whole) {}

    // The trace in which stages and transfers record. Thread-safe.
    [[nodiscard]] trace& recorder() noexcept { return recorder_; }
    // The slices recorded since the last call, in order of time, at most max_slices; the rest come with the next call.
    // For one thread.
    [[nodiscard]] std::vector<stage_slice> take();
    // Discards what was recorded so far: it belongs to no frame.
    void forget();

private:
    const bool whole_;
    trace recorder_;
    std::deque<stage_slice> untold_;
};

// The owner's end, for the stage processes of one pipeline. Thread-safe.
class slice_trace {
public:
    // `where`: a prefix that distinguishes the rows of this pipeline; may be empty.
    slice_trace(trace& into, std::string where) : into_(into), where_(std::move(where)) {}

    // A frame is in work from `begin` to `end`.
    void begin(const frame_id& frame);
    void end(const frame_id& frame);

    // Draws the slices of the process with that role, each on the row of its stage or copy direction. Skips and counts
    // invalid slices (an unknown stage, an end before its begin) and those of frames that were not in work at that
    // time; returns their number.
    std::size_t draw(stage_role role, std::span<const stage_slice> slices);

private:
    using clock = trace::clock;
    struct interval {
        clock::time_point begin, end = clock::time_point::max();  // max() while the frame is in work
    };
    // Finished frames for which slices may still come: a stage process sends them with its next reply.
    static constexpr std::size_t remembered = 256;

    [[nodiscard]] bool makes_sense(const stage_slice& s, clock::time_point now) const;
    void draw_one(stage_role role, const stage_slice& s);

    trace& into_;
    const std::string where_;
    std::mutex mutex_;
    std::map<std::pair<std::uint32_t, std::uint64_t>, interval> frames_;  // by source and sequence
    std::deque<frame_id> ended_;
};

}  // namespace faceflow::internal::flow
