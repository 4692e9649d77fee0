// SPDX-License-Identifier: Apache-2.0
#include "vision/one_euro.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace faceflow::vision {
namespace {

bool usable(const face& f) {
    const float area = f.box.width * f.box.height;
    if (f.track == 0 || !(f.box.width > 0) || !(area > 0) || !std::isfinite(area)) return false;
    return std::all_of(f.landmarks.begin(), f.landmarks.end(),
                       [](const point3& p) { return std::isfinite(p.x) && std::isfinite(p.y) && std::isfinite(p.z); });
}

// Weight of the new value in a first-order low-pass.
float weight(float cutoff, float seconds) {
    const float turn = 2 * std::numbers::pi_v<float> * cutoff * seconds;
    return turn / (1 + turn);
}

point3 blend(const point3& old, const point3& fresh, float w) {
    return {old.x + w * (fresh.x - old.x), old.y + w * (fresh.y - old.y), old.z + w * (fresh.z - old.z)};
}

}  // namespace

void landmark_smoother::smooth(state& s, face& f, double seconds) const {
    const float dt = static_cast<float>(seconds);
    const float rate = 1 / (std::sqrt(f.box.width * f.box.height) * dt);
    const float speed_weight = weight(options_.speed_cutoff, dt);
    for (std::size_t i = 0; i < f.landmarks.size(); ++i) {
        point3 &found = f.landmarks[i], &v = s.velocity[i];
        const point3& old = s.value[i];
        v = blend(v, {(found.x - old.x) * rate, (found.y - old.y) * rate, (found.z - old.z) * rate}, speed_weight);
        const float speed = std::sqrt(v.x * v.x + v.y * v.y + v.z * v.z);
        found = blend(old, found, weight(options_.min_cutoff + options_.speed_factor * speed, dt));
    }
    s.value = f.landmarks;
}

void landmark_smoother::update(std::int64_t pts_ns, std::vector<face>& faces) {
    clock_.advance(pts_ns);
    const double now = clock_.now();
    const double gap = static_cast<double>(options_.max_gap_ns) * 1e-9 + 1e-9;
    std::erase_if(states_, [&](const auto& entry) { return now - entry.second->seen > gap; });

    for (face& f : faces) {
        if (!usable(f)) {
            states_.erase(f.track);
            continue;
        }
        auto& s = states_[f.track];
        if (s == nullptr) {
            s = std::make_unique<state>();
            s->value = f.landmarks;
        } else if (now > s->seen) {
            smooth(*s, f, now - s->seen);
        }
        s->seen = now;
    }
}

}  // namespace faceflow::vision
