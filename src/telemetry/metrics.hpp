// SPDX-License-Identifier: Apache-2.0
// The counters of a run.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/stage.hpp"
#include "telemetry/histogram.hpp"
#include "telemetry/tally.hpp"
#include "telemetry/trace.hpp"

namespace faceflow::internal {

struct metrics {
    std::atomic<std::uint64_t> frames{0};  // with a result
    std::atomic<std::uint64_t> faces{0};
    histogram latency;  // from capture to result
    std::array<histogram, stage_count> stages;
    tally dropped;             // frames dropped on purpose, by reason
    tally errors;              // survived errors, by reason
    trace* tracing = nullptr;  // receives spans if not null; set before work begins

    [[nodiscard]] histogram& of(stage s) noexcept { return stages[static_cast<std::size_t>(s)]; }
    [[nodiscard]] const histogram& of(stage s) const noexcept { return stages[static_cast<std::size_t>(s)]; }
};

// Records the time that a stage took for one frame: in its histogram and, if there is a trace, as a span on the row of
// that stage on that stream or thread.
inline void record_stage(metrics& m, stage s, std::string_view where, const frame_id& frame,
                         std::chrono::steady_clock::time_point begin, std::chrono::steady_clock::time_point end) {
    m.of(s).record(end - begin);
    if (m.tracing == nullptr) return;
    const auto row =
        m.tracing->row_of(std::string(name(s)) + " (" + std::string(where) + ")", static_cast<std::int32_t>(s));
    m.tracing->span(row, name(s), begin, end, frame);
}

// The same for a scope.
class stage_timer {
public:
    stage_timer(metrics& m, stage s, std::string_view where, const frame_id& frame) noexcept
        : into_(m),
          stage_(s),
          where_(where),
          frame_(frame),
          start_(std::chrono::steady_clock::now()) {}
    ~stage_timer() { record_stage(into_, stage_, where_, frame_, start_, std::chrono::steady_clock::now()); }
    stage_timer(const stage_timer&) = delete;
    stage_timer& operator=(const stage_timer&) = delete;

private:
    metrics& into_;
    const stage stage_;
    const std::string_view where_;
    const frame_id frame_;
    const std::chrono::steady_clock::time_point start_;
};

}  // namespace faceflow::internal
