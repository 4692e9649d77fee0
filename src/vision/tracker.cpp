// SPDX-License-Identifier: Apache-2.0
#include "vision/tracker.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "vision/geometry.hpp"

namespace faceflow::internal::vision {
namespace {

// How faces move, in face sides. A walking person moves some 5 sides per second, and needs much of a second to reach
// that speed.
constexpr double box_noise = 0.05;      // a detector's jitter
constexpr double first_speed = 4;       // sides / s of a new face
constexpr double agitation = 2;         // sides / s^1.5
constexpr double speed_memory = 2;      // s
constexpr double size_first_speed = 1;  // size and shape: logarithms / s
constexpr double size_agitation = 0.5;
constexpr double size_memory = 0.5;
constexpr double shape_agitation = 0.3;
constexpr double shape_memory = 0.1;

// Two heads at one depth are at least a side apart, so a detection this close may well be the predicted face; the
// filter's uncertainty (three standard deviations) is added.
constexpr double certain_reach = 0.6, doubts = 3, longest_reach = 4;
constexpr double largest_growth = 1.1;  // log of the ratio of sizes, some 3 times

constexpr float overlap_weight = 0.35f, distance_weight = 0.45f, growth_weight = 0.2f;
// A face seen in the last frame has priority for a detection where a hidden face is predicted.
constexpr float hidden_cost = 0.15f;
constexpr float cost_limit = 1;

struct place {
    double x, y, size, shape;
};

place place_of(const rect& box) {
    const double w = static_cast<double>(box.width), h = static_cast<double>(box.height);
    return {static_cast<double>(box.x) + 0.5 * w, static_cast<double>(box.y) + 0.5 * h, 0.5 * std::log(w * h),
            std::log(w / h)};
}

bool usable(const rect& box) {
    constexpr float limit = 1e9f;  // pixels; keeps the sums of squares below finite, too
    return std::fabs(box.x) < limit && std::fabs(box.y) < limit && box.width > 0 && box.width < limit &&
           box.height > 0 && box.height < limit;
}

}  // namespace

// A step that is longer than the gap but no longer than usual is a slow source, not a gap.
void tracker::expire(double step) {
    const double gap = std::max(static_cast<double>(options_.max_gap_ns) * 1e-9, 1.5 * last_step_) + 1e-9;
    std::erase_if(tracks_, [&](const followed& t) { return clock_.now() - t.seen > gap; });
    last_step_ = step;
}

void tracker::predict(followed& t, double step) {
    const double side = std::exp(t.size.position);
    t.x.predict(step, speed_memory, agitation * side);
    t.y.predict(step, speed_memory, agitation * side);
    t.size.predict(step, size_memory, size_agitation);
    t.shape.predict(step, shape_memory, shape_agitation);

    t.side = std::exp(t.size.position);
    const double stretch = std::exp(0.5 * t.shape.position);
    const double w = t.side * stretch, h = t.side / stretch;
    t.box = {static_cast<float>(t.x.position - 0.5 * w), static_cast<float>(t.y.position - 0.5 * h),
             static_cast<float>(w), static_cast<float>(h)};
    const double doubt = std::sqrt(0.5 * (t.x.pp + t.y.pp)) / t.side + box_noise;
    t.reach = std::min(longest_reach, certain_reach + doubts * doubt);
    t.missed = !t.paired;
    t.paired = false;
}

void tracker::correct(followed& t, const face& found) {
    const place p = place_of(found.box);
    const double noise = box_noise * std::exp(p.size);
    t.x.correct(p.x, noise);
    t.y.correct(p.y, noise);
    t.size.correct(p.size, box_noise);
    t.shape.correct(p.shape, box_noise);
}

tracker::followed tracker::start(const face& found) {
    const place p = place_of(found.box);
    const double side = std::exp(p.size);
    followed t;
    t.id = next_id_++;
    t.x = motion::at(p.x, box_noise * side, first_speed * side);
    t.y = motion::at(p.y, box_noise * side, first_speed * side);
    t.size = motion::at(p.size, box_noise, size_first_speed);
    t.shape = motion::at(p.shape, box_noise, 0);
    t.seen = clock_.now();
    t.paired = true;
    return t;
}

void tracker::pair(std::vector<face>& faces, std::vector<std::size_t>& wanted) {
    free_.clear();
    for (std::size_t i = 0; i < tracks_.size(); ++i) {
        if (!tracks_[i].paired) free_.push_back(i);
    }
    if (free_.empty() || wanted.empty()) return;

    cost_.assign(wanted.size() * free_.size(), std::numeric_limits<float>::infinity());
    for (std::size_t row = 0; row < wanted.size(); ++row) {
        const rect& box = faces[wanted[row]].box;
        const place p = place_of(box);
        const double own_side = std::exp(p.size);
        for (std::size_t column = 0; column < free_.size(); ++column) {
            const followed& t = tracks_[free_[column]];
            const double side = 0.5 * (own_side + t.side);
            const double dx = (p.x - t.x.position) / side, dy = (p.y - t.y.position) / side;
            const double distance = dx * dx + dy * dy;
            const double growth = p.size - t.size.position;
            if (!(distance < t.reach * t.reach) || !(std::fabs(growth) < largest_growth)) continue;
            // Squares, because for two crossing pairings along a line the sum of plain distances is often the same.
            cost_[row * free_.size() + column] =
                overlap_weight * (1 - intersection_over_union(box, t.box)) +
                distance_weight * static_cast<float>(distance / (1 + distance)) +
                growth_weight * static_cast<float>(growth * growth / (0.25 + growth * growth)) +
                (t.missed ? hidden_cost : 0.0f);
        }
    }

    const auto pairs = assignment_.solve(cost_, wanted.size(), free_.size(), cost_limit);
    std::size_t left = 0;
    for (std::size_t row = 0; row < wanted.size(); ++row) {
        face& found = faces[wanted[row]];
        if (pairs[row] == assignment::none) {
            wanted[left++] = wanted[row];
            continue;
        }
        followed& t = tracks_[free_[static_cast<std::size_t>(pairs[row])]];
        correct(t, found);
        t.paired = true;
        t.seen = clock_.now();
        found.track = t.id;
    }
    wanted.resize(left);
}

// A face is some 6 KB: move each once, along the cycles of the permutation.
void tracker::sort_by_track(std::vector<face>& faces) {
    order_.resize(faces.size());
    std::iota(order_.begin(), order_.end(), std::size_t{0});
    std::sort(order_.begin(), order_.end(),
              [&](std::size_t a, std::size_t b) { return faces[a].track < faces[b].track; });
    for (std::size_t start = 0; start < order_.size(); ++start) {
        if (order_[start] == start) continue;
        const face held = faces[start];
        std::size_t to = start;
        while (order_[to] != start) {
            const std::size_t from = std::exchange(order_[to], to);
            faces[to] = faces[from];
            to = from;
        }
        order_[to] = to;
        faces[to] = held;
    }
}

void tracker::update(std::int64_t pts_ns, std::vector<face>& faces) {
    const double step = clock_.advance(pts_ns);
    expire(step);
    for (followed& t : tracks_)
        predict(t, step);

    high_.clear();
    low_.clear();
    for (std::size_t i = 0; i < faces.size(); ++i) {
        faces[i].track = 0;
        if (usable(faces[i].box)) (faces[i].score >= options_.high_score ? high_ : low_).push_back(i);
    }
    pair(faces, high_);
    pair(faces, low_);

    // Assign ids in the order of the faces, independent of their scores.
    for (face& f : faces) {
        if (f.track != 0) continue;
        if (usable(f.box)) {
            tracks_.push_back(start(f));
            f.track = tracks_.back().id;
        } else {
            f.track = next_id_++;
        }
    }
    sort_by_track(faces);
}

}  // namespace faceflow::internal::vision
