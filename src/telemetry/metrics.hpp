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

// The time that a stage took for one frame.
struct stage_span {
    stage at = stage::capture;
    std::string_view where;  // the stream or thread
    frame_id frame;
    std::chrono::steady_clock::time_point begin, end;
};

// Records it in the stage's histogram and, if there is a trace, on the row of that stage on that stream or thread.
inline void record_stage(metrics& m, const stage_span& s) {
    m.of(s.at).record(s.end - s.begin);
    if (m.tracing == nullptr) return;
    const auto row =
        m.tracing->row_of(std::string(name(s.at)) + " (" + std::string(s.where) + ")", static_cast<std::int32_t>(s.at));
    m.tracing->span(row, name(s.at), s.begin, s.end, s.frame);
}

// The same for a scope.
class stage_timer {
public:
    stage_timer(metrics& m, stage s, std::string_view where, const frame_id& frame) noexcept
        : into_(m),
          span_{.at = s, .where = where, .frame = frame, .begin = std::chrono::steady_clock::now(), .end = {}} {}
    ~stage_timer() {
        span_.end = std::chrono::steady_clock::now();
        record_stage(into_, span_);
    }
    stage_timer(const stage_timer&) = delete;
    stage_timer& operator=(const stage_timer&) = delete;

private:
    metrics& into_;
    stage_span span_;
};

}  // namespace faceflow::internal
