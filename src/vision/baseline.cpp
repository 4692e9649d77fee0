// SPDX-License-Identifier: Apache-2.0
#include "vision/baseline.hpp"

#include <algorithm>
#include <cmath>

namespace faceflow::internal::vision {
namespace {

// Reorders them.
float median_of(std::vector<float>& all) {
    if (all.empty()) return not_measured;
    const auto upper = all.begin() + static_cast<std::ptrdiff_t>(all.size() / 2);
    std::nth_element(all.begin(), upper, all.end());
    if (all.size() % 2 != 0) return *upper;
    return 0.5f * (*upper + *std::max_element(all.begin(), upper));
}

}  // namespace

face_baseline::values face_baseline::values_of(const face_measures& m) {
    return {m.eye_open_right, m.eye_open_left, m.mouth_open, m.smile_width, m.brow_right, m.brow_left};
}

face_changes face_baseline::update(const face& f, std::int64_t step_ns) {
    const values now = values_of(f.measures);
    if (known_) {
        return {now[0] - median_[0], now[1] - median_[1], now[2] - median_[2],
                now[3] - median_[3], now[4] - median_[4], now[5] - median_[5]};
    }
    if (!(f.presence >= options_.least_presence) || !(f.measures.facing >= options_.least_facing)) return {};
    remember(now);
    taken_ns_ += std::min(step_ns, options_.length_ns - taken_ns_);  // without an overflow
    if (taken_ns_ >= options_.length_ns) complete();
    return {};
}

void face_baseline::remember(const values& v) {
    if (seen_++ % stride_ != 0) return;
    if (remembered_.size() == max_frames) {
        for (std::size_t i = 0; 2 * i < max_frames; ++i)
            remembered_[i] = remembered_[2 * i];
        remembered_.resize(max_frames / 2);
        stride_ *= 2;
    }
    remembered_.push_back(v);
}

void face_baseline::complete() {
    std::vector<float> finite;
    for (std::size_t k = 0; k < measures; ++k) {
        finite.clear();
        for (const values& v : remembered_) {
            if (std::isfinite(v[k])) finite.push_back(v[k]);
        }
        median_[k] = median_of(finite);
    }
    known_ = true;
    remembered_ = {};
}

}  // namespace faceflow::internal::vision
