// SPDX-License-Identifier: Apache-2.0
// Finds blinks in how far the eyes of one face are open.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "faceflow/types.hpp"

namespace faceflow::internal::vision {

struct blink_options {
    // Shares of the baseline: onset and offset are where the eyes pass `edge`; a blink goes down to `closed`.
    float edge = 0.8f, closed = 0.6f;
    float least_drop = 0.04f;                         // below the baseline, as an eye aspect ratio: more than noise
    std::int64_t shortest_ns = 50'000'000;            // from onset to offset
    std::int64_t longest_ns = 500'000'000;            // the same; longer closures are no blinks
    std::int64_t max_step_ns = 150'000'000;           // a closure with a longer gap in it is given up
    std::int64_t max_gap_ns = 1'000'000'000;          // after a longer gap everything starts anew
    std::int64_t baseline_ns = 3'000'000'000;         // what the baseline looks back on
    std::int64_t shortest_baseline_ns = 500'000'000;  // no blinks before so much was seen
};

// The blinks of one track, each given when its offset is seen. The baseline is the median of the openness over the last
// seconds, without closures; a closure that lasts (a long look down) slowly becomes the new baseline. With frames more
// than max_step_ns apart there are no blinks.
//
// Not thread-safe; deterministic; of fixed size, allocates nothing.
class blink_detector {
public:
    explicit blink_detector(const blink_options& options = {}) : options_(options) {}

    // `openness`: the mean eye aspect ratio of both eyes; if it is not finite, the frame counts as missing. Times of one
    // track grow; one that does not starts everything anew. The blink's track is not set.
    std::optional<blink> update(std::int64_t pts_ns, float openness);

private:
    enum class phase : std::uint8_t {
        open,
        closing,  // below the edge since a known onset
        shut,     // below the edge, and no blink: it began in a gap, or lasts too long
    };
    struct sample {
        std::int64_t pts_ns = 0;
        float openness = 0;
    };
    static constexpr std::size_t max_samples = 64;

    void restart();
    void remember(const sample& s);
    [[nodiscard]] std::optional<float> baseline(std::int64_t now_ns) const;
    std::optional<blink> follow(const sample& s, float base);
    void begin_closure(const sample& s, float base);
    [[nodiscard]] std::optional<blink> end_closure(const sample& s);
    [[nodiscard]] std::int64_t crossing(const sample& s, float level) const;

    blink_options options_;
    std::array<sample, max_samples> samples_{};  // a ring, at least baseline_ns / max_samples apart
    std::size_t next_ = 0, count_ = 0;
    std::optional<sample> last_;

    phase phase_ = phase::open;
    float base_ = 0;  // the baseline when the closure began
    std::int64_t onset_ns_ = 0;
    sample least_;
};

}  // namespace faceflow::internal::vision
