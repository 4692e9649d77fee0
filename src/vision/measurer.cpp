// SPDX-License-Identifier: Apache-2.0
#include "vision/measurer.hpp"

#include <cmath>

#include "vision/measures.hpp"
#include "vision/pose_convention.hpp"
#include "vision/pts_clock.hpp"

namespace faceflow::internal::vision {
namespace {

constexpr std::int64_t max_unmeasured_ns = 1'000'000'000;
// A pts that stands still or hardly moves carries no time (see vision/pts_clock.hpp).
constexpr std::int64_t shortest_step_ns = 100'000;

}  // namespace

face_measurer::face_measurer(const measurer_options& options)
    : options_(options),
      baseline_{.length_ns = std::llround(options.baseline_seconds * 1e9)} {}

void face_measurer::follow(face& f, frame_faces& frame) {
    const auto [at, is_new] = tracks_.try_emplace(f.track, baseline_);
    followed& t = at->second;
    const std::int64_t now = frame.pts_ns, step = elapsed_ns(t.seen_ns, now);
    if (!is_new && step >= shortest_step_ns) {
        const double seconds = static_cast<double>(step) * 1e-9;
        measure_rates(t.pose, f.pose, seconds, f.measures);
        if (options_.openface) measure_rates(openface_of(t.pose), openface_of(f.pose), seconds, f.openface);
    }
    if (baseline_.length_ns > 0) f.changes = t.baseline.update(f, is_new ? 0 : step);
    t.seen_ns = now;
    t.pose = f.pose;
    if (auto b = t.blinks.update(now, 0.5f * (f.measures.eye_open_right + f.measures.eye_open_left))) {
        b->track = f.track;
        frame.blinks.push_back(*b);
    }
}

void face_measurer::update(frame_faces& frame) {
    // A pts that steps back ends every track's history: no time passed that could be divided by.
    std::erase_if(tracks_, [&](const auto& entry) {
        const std::int64_t seen = entry.second.seen_ns;
        return seen > frame.pts_ns || elapsed_ns(seen, frame.pts_ns) > max_unmeasured_ns;
    });
    for (face& f : frame.faces) {
        f.measures = measure(f);
        if (f.track != 0) follow(f, frame);
    }
}

}  // namespace faceflow::internal::vision
