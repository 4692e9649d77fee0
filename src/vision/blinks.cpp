// SPDX-License-Identifier: Apache-2.0
#include "vision/blinks.hpp"

#include <algorithm>
#include <cmath>

#include "vision/pts_clock.hpp"

namespace faceflow::internal::vision {

void blink_detector::restart() {
    *this = blink_detector(options_);
}

void blink_detector::remember(const sample& s) {
    const std::size_t newest = (next_ + max_samples - 1) % max_samples;
    const auto spacing = options_.baseline_ns / static_cast<std::int64_t>(max_samples);
    if (count_ > 0 && elapsed_ns(samples_[newest].pts_ns, s.pts_ns) < spacing) return;
    samples_[next_] = s;
    next_ = (next_ + 1) % max_samples;
    count_ = std::min(count_ + 1, max_samples);
}

// nullopt until enough was seen.
std::optional<float> blink_detector::baseline(std::int64_t now_ns) const {
    std::array<float, max_samples> recent{};
    std::size_t n = 0;
    std::int64_t oldest = now_ns;
    for (std::size_t i = 0; i < count_; ++i) {
        const sample& s = samples_[i];
        if (elapsed_ns(s.pts_ns, now_ns) > options_.baseline_ns) continue;
        recent[n++] = s.openness;
        oldest = std::min(oldest, s.pts_ns);
    }
    if (n < 3 || elapsed_ns(oldest, now_ns) < options_.shortest_baseline_ns) return std::nullopt;
    const auto middle = recent.begin() + static_cast<std::ptrdiff_t>(n / 2);
    std::nth_element(recent.begin(), middle, recent.begin() + static_cast<std::ptrdiff_t>(n));
    return *middle;
}

// When the openness passed `level` on its straight way from the last sample to this.
std::int64_t blink_detector::crossing(const sample& s, float level) const {
    const double from = double{last_->openness}, to = double{s.openness};
    const double share = from == to ? 1 : std::clamp((double{level} - from) / (to - from), 0.0, 1.0);
    return last_->pts_ns + std::llround(share * static_cast<double>(elapsed_ns(last_->pts_ns, s.pts_ns)));
}

void blink_detector::begin_closure(const sample& s, float base) {
    phase_ = phase::closing;
    base_ = base;
    onset_ns_ = crossing(s, options_.edge * base);
    least_ = s;
}

std::optional<blink> blink_detector::end_closure(const sample& s) {
    phase_ = phase::open;
    const std::int64_t offset_ns = crossing(s, options_.edge * base_), lasted = offset_ns - onset_ns_;
    if (lasted < options_.shortest_ns || lasted > options_.longest_ns) return std::nullopt;
    if (least_.openness > options_.closed * base_ || base_ - least_.openness < options_.least_drop) return std::nullopt;
    return blink{0, onset_ns_, least_.pts_ns, offset_ns, std::clamp(1 - least_.openness / base_, 0.0f, 1.0f)};
}

std::optional<blink> blink_detector::follow(const sample& s, float base) {
    switch (phase_) {
        case phase::open:
            if (s.openness < options_.edge * base) begin_closure(s, base);
            return std::nullopt;
        case phase::closing:
            if (s.openness >= options_.edge * base_) return end_closure(s);
            if (s.openness < least_.openness) least_ = s;
            if (s.pts_ns - onset_ns_ > options_.longest_ns) phase_ = phase::shut;
            return std::nullopt;
        case phase::shut:
            if (s.openness >= options_.edge * base) phase_ = phase::open;
            return std::nullopt;
    }
    return std::nullopt;
}

std::optional<blink> blink_detector::update(std::int64_t pts_ns, float openness) {
    if (!std::isfinite(openness)) return std::nullopt;
    const sample s{pts_ns, openness};
    if (last_ && (pts_ns <= last_->pts_ns || elapsed_ns(last_->pts_ns, pts_ns) > options_.max_gap_ns)) restart();
    const auto base = baseline(pts_ns);
    std::optional<blink> found;
    if (last_ && elapsed_ns(last_->pts_ns, pts_ns) > options_.max_step_ns) {
        // What the eyes did in the gap is unknown, an onset too.
        phase_ = base && openness < options_.edge * *base ? phase::shut : phase::open;
    } else if (base && last_) {
        found = follow(s, *base);
    }
    if (phase_ != phase::closing) remember(s);
    last_ = s;
    return found;
}

}  // namespace faceflow::internal::vision
