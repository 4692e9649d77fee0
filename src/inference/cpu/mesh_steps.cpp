// SPDX-License-Identifier: Apache-2.0
// The attention mesh's second look, and the points found there; plan_attention and plan_landmarks define the formulas.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "inference/cpu/step.hpp"

namespace faceflow::internal::inference::cpu {
namespace {

constexpr std::int32_t transform_floats = 8, mesh_landmarks = 468, all_landmarks = 478, iris_landmarks = 5;

using transform = std::array<float, transform_floats>;

struct attention {
    plan_attention a;
    std::vector<float> grid;
    std::vector<std::vector<std::int32_t>> spans;  // per head
    kernel_set kernels;
};

class bound_attention final : public bound_step {
public:
    bound_attention(const attention& a, const tensor_places& places)
        : a_(a),
          x_(places.map(a.a.x)),
          base_(places.vector(a.a.base)),
          transforms_(places.vector(a.a.transforms)),
          scale_(static_cast<float>(x_.size.width) / static_cast<float>(places.input_size.width)) {
        for (const plan_attention::head& h : a.a.heads)
            y_.push_back(places.map(h.y));
    }

    std::int32_t parts() const override { return static_cast<std::int32_t>(y_.size()); }

    void run(std::int32_t picture, std::int32_t from, std::int32_t to, float* /*scratch*/) const override {
        for (std::int32_t h = from; h < to; ++h) {
            const transform t = find_transform(static_cast<std::size_t>(h), base_.of(picture));
            std::copy(t.begin(), t.end(), transforms_.of(picture) + std::ptrdiff_t{h} * transform_floats);
            sample(t, y_[static_cast<std::size_t>(h)]);
        }
    }

    step_cost cost() const override {
        double samples = 0;
        for (const auto& y : y_)
            samples += double{1} * y.size.height * y.size.width * y.channels;
        return {8 * samples, 4 * 5 * samples};
    }

private:
    // The transform from a head's grid to pixels of the map: turned by (dx, dy), stretched, with the middle of the grid
    // at the middle of the span.
    [[nodiscard]] transform find_transform(std::size_t head, const float* base) const {
        const plan_attention::head& h = a_.a.heads[head];
        const float *const a = base + std::ptrdiff_t{3} * h.from, *const b = base + std::ptrdiff_t{3} * h.to;
        float dx = (b[0] - a[0]) * scale_, dy = (b[1] - a[1]) * scale_;
        const float length = std::sqrt(dx * dx + dy * dy);
        dx = length == 0 ? 1 : dx / length;
        dy = length == 0 ? 0 : dy / length;
        constexpr float beyond = std::numeric_limits<float>::max();
        float high_u = -beyond, high_v = -beyond, low_u = beyond, low_v = beyond;
        for (const std::int32_t i : a_.spans[head]) {
            const float x = base[std::ptrdiff_t{3} * i] * scale_, y = base[std::ptrdiff_t{3} * i + 1] * scale_;
            const float u = x * dx + y * dy, v = y * dx - x * dy;
            high_u = std::max(high_u, u);
            low_u = std::min(low_u, u);
            high_v = std::max(high_v, v);
            low_v = std::min(low_v, v);
        }
        const auto side = static_cast<float>(a_.a.side);
        const float u = (high_u + low_u) / 2, v = (high_v + low_v) / 2, middle = side / 2;
        const float su = (high_u - low_u) * a_.a.margin / side, sv = (high_v - low_v) * a_.a.margin / side;
        transform t{dx * su, -dy * sv, 0, 0, dy * su, dx * sv, 0, 0};
        t[3] = dx * u - dy * v - middle * t[0] - middle * t[1];
        t[7] = dy * u + dx * v - middle * t[4] - middle * t[5];
        return t;
    }

    void sample(const transform& t, const tensor_places::map_place& y) const {
        const std::int32_t samples = a_.a.side * a_.a.side;
        for (std::int32_t i = 0; i < samples; ++i) {
            float at[2];
            for (std::size_t j = 0; j < 2; ++j) {
                const float* const g = a_.grid.data() + i;
                at[j] = t[j * 4] * g[0] + t[j * 4 + 1] * g[samples] + t[j * 4 + 2] * g[2 * samples] +
                        t[j * 4 + 3] * g[3 * samples] - 0.5f;
            }
            sample_one(at[0], at[1], y.data + std::ptrdiff_t{i} * y.stored);
        }
    }

    // Samples between pixel centres; zero beyond the outermost centres and for NaN.
    void sample_one(float x, float y, float* to) const {
        const std::int32_t last_x = x_.size.width - 1, last_y = x_.size.height - 1;
        if (!(x >= 0 && x <= static_cast<float>(last_x) && y >= 0 && y <= static_cast<float>(last_y))) {
            std::fill_n(to, x_.stored, 0.0f);
            return;
        }
        const auto left = static_cast<std::int32_t>(x), top = static_cast<std::int32_t>(y);
        const float fx = x - static_cast<float>(left), fy = y - static_cast<float>(top);
        const float* const upper = x_.row(top);
        const float* const lower = x_.row(std::min(top + 1, last_y));
        const std::ptrdiff_t near = std::ptrdiff_t{left} * x_.stored;
        const std::ptrdiff_t far = std::ptrdiff_t{std::min(left + 1, last_x)} * x_.stored;
        a_.kernels.mix({{upper + near, upper + far, lower + near, lower + far},
                        {(1 - fx) * (1 - fy), fx * (1 - fy), (1 - fx) * fy, fx * fy},
                        x_.stored,
                        to});
    }

    const attention& a_;
    const tensor_places::map_place x_;
    const tensor_places::vector_place base_, transforms_;
    const float scale_;  // pixels of the map per pixel of the input
    std::vector<tensor_places::map_place> y_;
};

class packed_attention final : public packed_step {
public:
    explicit packed_attention(attention a) : a_(std::move(a)) {
        maps_read = {a_.a.x};
        for (const plan_attention::head& h : a_.a.heads)
            maps_written.push_back(h.y);
    }
    std::unique_ptr<bound_step> bind(const tensor_places& places, const weight_store& /*weights*/) const override {
        return std::make_unique<bound_attention>(a_, places);
    }

private:
    const attention a_;
};

using numbers = std::vector<std::int32_t>;

struct landmarks {
    plan_landmarks l;
    numbers rest;
    std::array<numbers, 2> iris;
    std::vector<numbers> targets;  // per head
    tensor_index attended = -1;    // the map in whose pixels transforms are given
};

class bound_landmarks final : public bound_step {
public:
    bound_landmarks(const landmarks& l, const tensor_places& places)
        : l_(l),
          base_(places.vector(l.l.base)),
          transforms_(places.vector(l.l.transforms)),
          landmarks_(places.vector(l.l.landmarks)),
          score_(places.vector(l.l.score)),
          scale_(l.attended < 0 ? 1.0f
                                : static_cast<float>(places.input_size.width) /
                                      static_cast<float>(places.map(l.attended).size.width)) {
        for (const plan_landmarks::refined& r : l.l.heads)
            heads_.push_back(places.vector(r.x));
    }

    std::int32_t parts() const override { return 1; }

    void run(std::int32_t picture, std::int32_t /*from*/, std::int32_t /*to*/, float* /*scratch*/) const override {
        const float* const base = base_.of(picture);
        float* const to = landmarks_.of(picture);
        *score_.of(picture) = base[3 * mesh_landmarks];
        for (std::size_t i = 0; i < all_landmarks; ++i)
            if (l_.rest[i] >= 0) std::copy_n(base + std::ptrdiff_t{3} * l_.rest[i], 3, to + 3 * i);
        const std::array<float, 2> depths{mean_depth(base, l_.iris[0]), mean_depth(base, l_.iris[1])};
        for (std::size_t h = 0; h < heads_.size(); ++h) {
            const float* const t = transforms_.of(picture) + std::ptrdiff_t{l_.l.heads[h].head} * transform_floats;
            const float* const points = heads_[h].of(picture);
            for (std::size_t i = 0; i < l_.targets[h].size(); ++i)
                if (const std::int32_t at = l_.targets[h][i]; at >= 0) {
                    const float depth = at < mesh_landmarks
                                            ? base[std::ptrdiff_t{3} * at + 2]
                                            : depths[static_cast<std::size_t>((at - mesh_landmarks) / iris_landmarks)];
                    put(t, points[2 * i], points[2 * i + 1], depth, to + std::ptrdiff_t{3} * at);
                }
        }
    }

    step_cost cost() const override { return {8.0 * all_landmarks, 4.0 * 6 * all_landmarks}; }

private:
    static float mean_depth(const float* base, const numbers& around) {
        float sum = 0;
        for (const std::int32_t i : around)
            sum += base[std::ptrdiff_t{3} * i + 2];
        return sum / static_cast<float>(around.size());
    }

    void put(const float* t, float x, float y, float depth, float* to) const {
        to[0] = t[0] * x + t[1] * y + t[3] * scale_;
        to[1] = t[4] * x + t[5] * y + t[7] * scale_;
        to[2] = depth;
    }

    const landmarks& l_;
    const tensor_places::vector_place base_, transforms_, landmarks_, score_;
    const float scale_;  // pixels of the input per pixel of the map
    std::vector<tensor_places::vector_place> heads_;
};

class packed_landmarks final : public packed_step {
public:
    explicit packed_landmarks(landmarks l) : l_(std::move(l)) {}
    std::unique_ptr<bound_step> bind(const tensor_places& places, const weight_store& /*weights*/) const override {
        return std::make_unique<bound_landmarks>(l_, places);
    }

private:
    const landmarks l_;
};

numbers copy_of(std::span<const std::int32_t> from) {
    return {from.begin(), from.end()};
}

}  // namespace

std::unique_ptr<packed_step> pack_attention(const packing& with, const plan_attention& a) {
    const auto grid = with.of.at(a.grid);
    attention packed{a, {grid.begin(), grid.end()}, {}, with.kernels};
    for (const plan_attention::head& h : a.heads)
        packed.spans.push_back(copy_of(with.of.numbers_at(h.spans)));
    return std::make_unique<packed_attention>(std::move(packed));
}

std::unique_ptr<packed_step> pack_landmarks(const packing& with, const plan_landmarks& l) {
    landmarks packed{l, copy_of(with.of.numbers_at(l.rest)), {}, {}, -1};
    for (std::size_t i = 0; i < 2; ++i)
        packed.iris[i] = copy_of(with.of.numbers_at(l.iris[i]));
    for (const plan_landmarks::refined& r : l.heads)
        packed.targets.push_back(copy_of(with.of.numbers_at(r.targets)));
    for (const plan_step& s : with.of.steps)
        if (const auto* a = std::get_if<plan_attention>(&s); a != nullptr && a->transforms == l.transforms)
            packed.attended = a->x;
    return std::make_unique<packed_landmarks>(std::move(packed));
}

}  // namespace faceflow::internal::inference::cpu
