// What a run counts about itself.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>

#include "core/stage.hpp"
#include "telemetry/histogram.hpp"
#include "telemetry/tally.hpp"

namespace faceflow {

struct metrics {
    std::atomic<std::uint64_t> frames{0};  // that gave a result
    std::atomic<std::uint64_t> faces{0};
    histogram latency;  // from capture to result
    std::array<histogram, stage_count> stages;
    tally dropped;  // frames that gave no result on purpose, by reason
    tally errors;   // what failed and was survived, by reason

    [[nodiscard]] histogram& of(stage s) noexcept { return stages[static_cast<std::size_t>(s)]; }
    [[nodiscard]] const histogram& of(stage s) const noexcept { return stages[static_cast<std::size_t>(s)]; }
};

// Times a scope into a stage's histogram.
class stage_timer {
public:
    stage_timer(metrics& m, stage s) noexcept : into_(m.of(s)), start_(std::chrono::steady_clock::now()) {}
    ~stage_timer() { into_.record(std::chrono::steady_clock::now() - start_); }
    stage_timer(const stage_timer&) = delete;
    stage_timer& operator=(const stage_timer&) = delete;

private:
    histogram& into_;
    const std::chrono::steady_clock::time_point start_;
};

}  // namespace faceflow
