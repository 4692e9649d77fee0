// SPDX-License-Identifier: Apache-2.0
#include "inference/kernels/builder.hpp"

#include "core/try.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

namespace faceflow::internal::inference::kernels {
namespace {

// The tensors that a step reads and writes: maps (-1: the input) and vectors.
struct step_tensors {
    std::vector<tensor_index> maps_read, maps_written, vectors_read, vectors_written;
};

struct tensors_of {
    step_tensors operator()(const plan_convolution& c) const {
        step_tensors t{{c.x}, {c.y}, {}, {}};
        if (c.join != joining::none) t.maps_read.push_back(c.joined);
        return t;
    }
    step_tensors operator()(const plan_head& h) const {
        step_tensors t{{h.x}, {}, {}, {}};
        for (const auto& part : h.parts)
            t.vectors_written.push_back(part.y);
        return t;
    }
    step_tensors operator()(const plan_dense& d) const { return {{d.x}, {}, {}, {d.y}}; }
    step_tensors operator()(const plan_attention& a) const {
        step_tensors t{{a.x}, {}, {a.base}, {a.transforms}};
        for (const auto& h : a.heads)
            t.maps_written.push_back(h.y);
        return t;
    }
    step_tensors operator()(const plan_mixer& m) const { return {{-1}, {}, {}, {m.y}}; }
    step_tensors operator()(const plan_landmarks& l) const {
        step_tensors t{{}, {}, {l.base, l.transforms}, {l.landmarks, l.score}};
        for (const auto& h : l.heads)
            t.vectors_read.push_back(h.x);
        return t;
    }
};

step_tensors tensors(const plan_step& s) {
    return std::visit(tensors_of{}, s);
}

bool holds(const std::vector<std::int32_t>& list, std::int32_t v) {
    return std::find(list.begin(), list.end(), v) != list.end();
}

void add_once(std::vector<std::int32_t>& list, std::int32_t v) {
    if (!holds(list, v)) list.push_back(v);
}

// A step's name for the user: that of its output.
std::string name_of(const plan& p, std::int32_t step) {
    const step_tensors t = tensors(p.steps[static_cast<std::size_t>(step)]);
    if (!t.maps_written.empty()) return p.maps[static_cast<std::size_t>(t.maps_written.front())].name;
    if (!t.vectors_written.empty()) return p.vectors[static_cast<std::size_t>(t.vectors_written.front())].name;
    return {};
}

}  // namespace

builder::builder(const plan& p, const card& d)
    : plan_(p),
      card_(d),
      readers_(p.maps.size()),
      writers_(p.maps.size()),
      claimed_(p.steps.size()) {
    for (std::size_t i = 0; i < p.steps.size(); ++i) {
        const step_tensors t = tensors(p.steps[i]);
        for (const tensor_index m : t.maps_read)
            if (m >= 0) add_once(readers_[static_cast<std::size_t>(m)], static_cast<std::int32_t>(i));
        for (const tensor_index m : t.maps_written)
            writers_[static_cast<std::size_t>(m)].push_back(static_cast<std::int32_t>(i));
    }
}

result<void> builder::build() {
    const auto steps = static_cast<std::int32_t>(plan_.steps.size());
    if (card_.fused) {
        for (std::int32_t i = 0; i < steps; ++i) {
            claim_stem(i);
            claim_stage(i);
            claim_body(i);
            claim_looks(i);
            claim_points(i);
        }
        claim_levels();
    }
    for (std::int32_t i = 0; i < steps; ++i) {
        if (claimed_[static_cast<std::size_t>(i)]) continue;
        if (auto added = add(i); !added) {
            return fail(added.error().code,
                        fmt::format("step {} of the plan, {}: {}", i, name_of(plan_, i), added.error().message));
        }
    }
    // An operation runs in the place of its last step.
    std::stable_sort(operations_.begin(), operations_.end(),
                     [](const operation& a, const operation& b) { return a.last_step < b.last_step; });
    if (!in_order()) return fail(errc::unsupported, "steps that run together stand too far apart in the plan");
    return {};
}

void builder::accept(claim c) {
    operation o;
    o.first_step = *std::min_element(c.steps.begin(), c.steps.end());
    o.last_step = *std::max_element(c.steps.begin(), c.steps.end());
    o.add = std::move(c.add);
    for (const std::int32_t i : c.steps) {
        claimed_[static_cast<std::size_t>(i)] = true;
        const step_tensors t = tensors(plan_.steps[static_cast<std::size_t>(i)]);
        for (const tensor_index m : t.maps_written)
            if (!holds(c.inner_maps, m)) add_once(o.maps_written, m);
        for (const tensor_index v : t.vectors_written)
            if (!holds(c.inner_vectors, v)) add_once(o.vectors_written, v);
        for (const tensor_index m : t.maps_read)
            if (!holds(c.inner_maps, m)) add_once(o.maps_read, m);
        for (const tensor_index v : t.vectors_read)
            if (!holds(c.inner_vectors, v)) add_once(o.vectors_read, v);
    }
    operations_.push_back(std::move(o));
}

bool builder::in_order() const {
    std::set<tensor_index> vectors;
    std::set<std::int32_t> done;  // steps; a map is complete when all its writers are
    std::vector<std::int32_t> operation_of(plan_.maps.size(), -1);
    for (std::size_t i = 0; i < operations_.size(); ++i)
        for (const tensor_index m : operations_[i].maps_written)
            operation_of[static_cast<std::size_t>(m)] = static_cast<std::int32_t>(i);  // the last writer
    for (std::size_t i = 0; i < operations_.size(); ++i) {
        const operation& o = operations_[i];
        for (const tensor_index m : o.maps_read)
            if (m >= 0 && operation_of[static_cast<std::size_t>(m)] > static_cast<std::int32_t>(i)) return false;
        vectors.insert(o.vectors_written.begin(), o.vectors_written.end());
        for (const tensor_index v : o.vectors_read)
            if (vectors.count(v) == 0) return false;
    }
    return true;
}

const plan_convolution* builder::convolution(std::int32_t step) const {
    if (step < 0 || step >= static_cast<std::int32_t>(plan_.steps.size())) return nullptr;
    if (claimed_[static_cast<std::size_t>(step)]) return nullptr;
    return std::get_if<plan_convolution>(&plan_.steps[static_cast<std::size_t>(step)]);
}

std::int32_t builder::only_reader(tensor_index m) const {
    return readers(m).size() == 1 && writers(m).size() == 1 ? readers(m).front() : -1;
}

std::vector<float> builder::slopes(const plan_convolution& c, int outputs) const {
    // PReLU with suitable slopes covers all activations.
    if (c.act == activation::prelu) return padded(plan_.at(c.slopes), outputs);
    return std::vector<float>(static_cast<std::size_t>(outputs), c.act == activation::none ? 1.f : 0.f);
}

std::size_t builder::pack_bias(const plan_slice& bias, int outputs) {
    return store_.add(padded(plan_.at(bias), outputs));
}

packed_weights builder::pack(const plan_convolution& c, int inputs, int outputs, input_order order) {
    packed_weights w;
    if (c.depthwise) {
        w.depthwise = store_.add(to_halves(pad_weights(plan_.at(c.depthwise_weights), 9, 1, c.inputs, 1, inputs)));
        w.depthwise_bias = pack_bias(c.depthwise_bias, inputs);
    }
    const int taps = c.kernel * c.kernel;
    const std::vector<float> wide = pad_weights(plan_.at(c.weights), taps, c.inputs, c.outputs, inputs, outputs);
    w.weights = store_.add(pack_product(wide, taps * inputs, outputs, order));
    w.bias = pack_bias(c.bias, outputs);
    w.slopes = store_.add(slopes(c, outputs));
    return w;
}

std::size_t builder::pack_first(const plan_convolution& c, int outputs) {
    const int taps = c.kernel * c.kernel;
    const std::vector<float> wide = pad_weights(plan_.at(c.weights), taps, c.inputs, c.outputs, pixel_halves, outputs);
    return store_.add(pack_product(wide, taps * pixel_halves, outputs));
}

join_kind kind_of(joining j) {
    switch (j) {
        case joining::none: break;
        case joining::same: return join_kind::same;
        case joining::pooled: return join_kind::pooled;
        case joining::doubled: return join_kind::doubled;
        case joining::smoothed: return join_kind::smoothed;
    }
    return join_kind::none;
}

joined_map joined_of(const plan_convolution& c, const binding_memory& m) {
    if (c.join == joining::none) return {};
    const plan::extent e = m.size(c.joined);
    return {m.map(c.joined), kind_of(c.join), c.joined_first, m.channels(c.joined), e.height, e.width};
}

result<std::shared_ptr<network>> network::make(plan from, const card& d) {
    for (const float w : from.weights)
        if (!(std::abs(w) <= 65504.f))
            return fail(errc::unsupported, fmt::format("a weight of {} is beyond half precision", w));
    auto made = std::make_shared<network>();
    made->of = std::move(from);
    made->target = d;
    builder b(made->of, made->target);
    FACEFLOW_TRY(b.build());
    made->operations = b.take_operations();
    made->weights = b.take_weights();
    return made;
}

}  // namespace faceflow::internal::inference::kernels
