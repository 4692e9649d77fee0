// SPDX-License-Identifier: Apache-2.0
// What stage processes did when, for the trace of their owner: told with their replies, checked, and drawn there. Both ends
// read one clock, CLOCK_MONOTONIC of their machine.
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

namespace faceflow::flow {

// The stage process's end: remembers what its stages and transfers record until it is told.
class slice_log {
public:
    // `whole`: what a stage did on a frame is told as one slice, from its first begin to its last end.
    explicit slice_log(bool whole) : whole_(whole) {}

    // Where stages and transfers record. Thread-safe.
    [[nodiscard]] trace& recorder() noexcept { return recorder_; }
    // What was recorded since the last call, in the order of time, max_slices at most: what is more comes with the next. By one
    // thread.
    [[nodiscard]] std::vector<stage_slice> take();
    // What came so far is nobody's.
    void forget();

private:
    const bool whole_;
    trace recorder_;
    std::deque<stage_slice> untold_;
};

// The owner's end, for the stage processes of one line. Thread-safe.
class slice_trace {
public:
    // `where`: what tells the rows of this line from those of others, in front of their names; may be empty.
    slice_trace(trace& into, std::string where) : into_(into), where_(std::move(where)) {}

    // A frame is in work from `begin` to `end`.
    void begin(const frame_id& frame);
    void end(const frame_id& frame);

    // Draws what the process with that role says it did, each on the row of its stage or of its copy direction. Left out, and
    // counted in the return value: what makes no sense (an unknown stage, an end before its begin), and what is said to have
    // been done on a frame that was not in work then.
    std::size_t draw(stage_role role, std::span<const stage_slice> slices);

private:
    using clock = trace::clock;
    struct interval {
        clock::time_point begin, end = clock::time_point::max();  // of a frame in work it has none
    };
    // Frames that are through, and that slices may still come for: a stage process tells with its next reply.
    static constexpr std::size_t remembered = 256;

    [[nodiscard]] bool makes_sense(const stage_slice& s, clock::time_point now) const;
    void draw_one(stage_role role, const stage_slice& s);

    trace& into_;
    const std::string where_;
    std::mutex mutex_;
    std::map<std::pair<std::uint32_t, std::uint64_t>, interval> frames_;  // by source and sequence
    std::deque<frame_id> ended_;
};

}  // namespace faceflow::flow
