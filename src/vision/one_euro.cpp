// SPDX-License-Identifier: Apache-2.0
#include "vision/one_euro.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <span>

namespace faceflow::internal::vision {
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

face_smoother::face_smoother(const smoother_options& options)
    : options_(options),
      anchor_count_(canonical_anchors(std::span<pose_anchor, max_pose_anchors>(anchors_))) {}

face_smoother::points face_smoother::points_of(const face& f) {
    points all;
    auto to = std::copy(f.landmarks.begin(), f.landmarks.end(), all.begin());
    for (const point& k : f.keypoints)
        *to++ = {k.x, k.y, 0};
    *to++ = {f.box.x, f.box.y, 0};
    *to++ = {f.box.x + f.box.width, f.box.y + f.box.height, 0};
    return all;
}

void face_smoother::put(const points& from, face& f) {
    auto at = from.begin();
    for (point3& l : f.landmarks)
        l = *at++;
    for (point& k : f.keypoints) {
        k = {at->x, at->y};
        ++at;
    }
    const point3 &corner = at[0], &opposite = at[1];
    f.box = {corner.x, corner.y, opposite.x - corner.x, opposite.y - corner.y};
}

void face_smoother::smooth(state& s, points& now, float side, double seconds) const {
    const float dt = static_cast<float>(seconds);
    const float rate = 1 / (side * dt);
    const float speed_weight = weight(options_.speed_cutoff, dt);
    for (std::size_t i = 0; i < now.size(); ++i) {
        point3 &found = now[i], &v = s.velocity[i];
        const point3& old = s.value[i];
        v = blend(v, {(found.x - old.x) * rate, (found.y - old.y) * rate, (found.z - old.z) * rate}, speed_weight);
        const float speed = std::sqrt(v.x * v.x + v.y * v.y + v.z * v.z);
        const float cutoff = (options_.min_cutoff + options_.speed_factor * speed) / options_.strength;
        found = blend(old, found, weight(cutoff, dt));
    }
    s.value = now;
}

head_pose face_smoother::pose_of(const face& f, const frame_faces& frame) const {
    mesh_options camera;
    camera.focal = options_.focal;
    camera.frame_width = static_cast<float>(frame.width);
    camera.frame_height = static_cast<float>(frame.height);
    return vision::pose_of(f.landmarks.data(), {anchors_.data(), anchor_count_}, camera);
}

void face_smoother::update(frame_faces& frame) {
    clock_.advance(frame.pts_ns);
    const double now = clock_.now();
    const double gap = static_cast<double>(options_.max_gap_ns) * 1e-9 + 1e-9;
    std::erase_if(states_, [&](const auto& entry) { return now - entry.second->seen > gap; });

    for (face& f : frame.faces) {
        if (!usable(f)) {
            states_.erase(f.track);
            continue;
        }
        auto& s = states_[f.track];
        if (s == nullptr) {
            s = std::make_unique<state>();
            s->value = points_of(f);
        } else if (now > s->seen) {
            points all = points_of(f);
            smooth(*s, all, std::sqrt(f.box.width * f.box.height), now - s->seen);
            put(all, f);
            f.pose = pose_of(f, frame);
        }
        s->seen = now;
    }
}

}  // namespace faceflow::internal::vision
