// SPDX-License-Identifier: Apache-2.0
// Fused steps of the attention mesh: stages, and chains of blocks on small maps.
#include <algorithm>
#include <array>

#include "inference/kernels/mesh_steps.hpp"

namespace faceflow::internal::inference::kernels {
namespace {

bool residual(const plan_convolution* c, int inputs, int outputs, int stride, joining join) {
    return c != nullptr && c->depthwise && !c->depthwise_relu && c->inputs == inputs && c->outputs == outputs &&
           c->stride == stride && c->pad == (stride == 1 ? 1 : 0) && c->into == 0 && c->join == join &&
           c->joined == c->x && c->joined_first;
}

// The weights and tensors of a stage.
struct stage_use {
    tensor_index x = -1, y = -1;
    int side = 0;
    std::size_t first_weights = 0, first_bias = 0, first_slopes = 0;
    std::array<packed_weights, 3> blocks;
};

template <class Kernel>
void launch_stage(const stage_use& u, const binding_memory& m, std::int32_t pictures, std::vector<launch>& to) {
    stage_parameters p{};
    p.x = m.map(u.x);
    p.y = m.map(u.y);
    p.first_weights = m.weights<half8>(u.first_weights);
    p.first_bias = m.weights<float>(u.first_bias);
    p.first_slopes = m.weights<float>(u.first_slopes);
    for (std::size_t i = 0; i < 3; ++i) {
        const packed_weights& w = u.blocks[i];
        p.depthwise_weights[i] = m.weights<half>(w.depthwise);
        p.depthwise_bias[i] = m.weights<float>(w.depthwise_bias);
        p.weights[i] = m.weights<half8>(w.weights);
        p.bias[i] = m.weights<float>(w.bias);
        p.slopes[i] = m.weights<float>(w.slopes);
    }
    p.side = u.side;
    const int tiles = u.side / 2 / Kernel::side;
    add_launch<Kernel>(to, pictures * tiles * tiles, 1, Kernel::shared_bytes, p);
}

using first_stage = stage_kernel<16, 32, 8, true, 256>;
using second_stage = stage_kernel<32, 64, 4, false, 128>;
using second_stage_of_many = stage_kernel<32, 64, 8, false, 256>;
using third_stage = stage_kernel<64, 128, 4, false, 128>;

void launch_stage_of(int channels, const stage_use& u, const binding_memory& m, std::int32_t pictures,
                     std::vector<launch>& to) {
    if (channels == 16) return launch_stage<first_stage>(u, m, pictures, to);
    if (channels == 64) return launch_stage<third_stage>(u, m, pictures, to);
    using many = second_stage_of_many;
    const int tiles = u.side / 2 / many::side;
    const bool enough = std::int64_t{pictures} * tiles * tiles >= 4 * std::int64_t{m.target().multiprocessors};
    if (enough && u.side / 2 % many::side == 0 && many::shared_bytes <= m.target().shared_bytes)
        launch_stage<many>(u, m, pictures, to);
    else
        launch_stage<second_stage>(u, m, pictures, to);
}

// The tiling of a stage by its first number of channels; 0: no such stage.
struct stage_limits {
    int side;
    std::size_t shared_bytes;
};
stage_limits limits_of(int channels) {
    switch (channels) {
        case 16: return {first_stage::side, first_stage::shared_bytes};
        case 32: return {second_stage::side, second_stage::shared_bytes};
        case 64: return {third_stage::side, third_stage::shared_bytes};
        default: return {0, 0};
    }
}

}  // namespace

void builder::claim_stage(std::int32_t first) {
    const plan_convolution* c = convolution(first);
    if (c == nullptr) return;
    std::vector<std::int32_t> steps;
    stage_use use;
    claim made;
    if (c->x < 0) {  // the first convolution
        if (c->kernel != 3 || c->stride != 2 || c->pad != 0 || c->inputs != 3 || c->outputs != 16 || c->into != 0 ||
            c->join != joining::none)
            return;
        made.steps.push_back(first);
        made.inner_maps.push_back(c->y);
        first = only_reader(c->y);
        c = convolution(first);
    }
    const int channels = c != nullptr ? c->inputs : 0;
    const stage_limits limits = limits_of(channels);
    if (limits.side == 0 || limits.shared_bytes > card_.shared_bytes || (channels == 16) != !made.steps.empty()) return;
    if (c->x < 0 || !residual(c, channels, channels, 1, joining::same)) return;
    const plan_map& begin = map(c->x);
    if (begin.down != 0 || begin.height != begin.width || begin.height % (2 * limits.side) != 0) return;
    if (channels == 16 && (plan_.input.height != 2 * begin.height || plan_.input.width != 2 * begin.width)) return;
    const std::int32_t second = only_reader(c->y);
    const plan_convolution* const d = convolution(second);
    if (!residual(d, channels, channels, 1, joining::same)) return;
    const std::int32_t third = only_reader(d->y);
    const plan_convolution* const e = convolution(third);
    if (!residual(e, channels, 2 * channels, 2, joining::pooled) || map(e->y).channels != 2 * channels) return;

    use.x = channels == 16 ? -1 : c->x;
    use.y = e->y;
    use.side = begin.height;
    if (channels == 16) {
        const plan_convolution& f = *convolution(made.steps.front());
        use.first_weights = pack_first(f, 16);
        use.first_bias = pack_bias(f.bias, 16);
        use.first_slopes = store_.add(slopes(f, 16));
    }
    use.blocks = {pack(*c, channels, channels, input_order::by_fours),
                  pack(*d, channels, channels, input_order::by_fours),
                  pack(*e, channels, 2 * channels, input_order::by_fours)};
    made.steps.insert(made.steps.end(), {first, second, third});
    made.inner_maps.insert(made.inner_maps.end(), {c->y, d->y});
    made.add = [channels, use](const binding_memory& m, std::int32_t pictures, std::vector<launch>& to) {
        launch_stage_of(channels, use, m, pictures, to);
    };
    accept(std::move(made));
}

bool builder::fits(const plan_convolution& c, const shape& s) const {
    if (c.x < 0 || c.kernel != 1 || c.inputs != s.inputs || c.outputs != s.outputs || c.into != 0 || c.pool_first ||
        map(c.y).channels != s.outputs || map(c.x).channels != s.inputs)
        return false;
    const plan_map &x = map(c.x), &y = map(c.y);
    if (x.down != 0 || x.height != s.side || x.width != s.side || y.down != 0) return false;
    switch (s.join) {
        case chain_join::none: return !c.depthwise && s.stride == 0 && c.join == joining::none;
        case chain_join::same: return residual(&c, s.inputs, s.outputs, 1, joining::same);
        case chain_join::pooled: return residual(&c, s.inputs, s.outputs, 2, joining::pooled);
    }
    return false;
}

std::vector<std::int32_t> builder::follow(std::int32_t first, const std::vector<shape>& shapes) const {
    std::vector<std::int32_t> steps;
    for (const shape& s : shapes) {
        const std::int32_t step = steps.empty() ? first : only_reader(convolution(steps.back())->y);
        const plan_convolution* const c = convolution(step);
        if (c == nullptr || !fits(*c, s)) return {};
        steps.push_back(step);
    }
    return steps;
}

std::size_t builder::pack_chain(const std::vector<std::int32_t>& steps, const std::vector<shape>& shapes) {
    std::vector<std::byte> all;
    for (std::size_t i = 0; i < steps.size(); ++i) {
        const plan_convolution& c = *convolution(steps[i]);
        weight_store of_step;  // aligns its pieces as the kernel expects
        if (c.depthwise) {
            of_step.add(to_halves(plan_.at(c.depthwise_weights)));
            of_step.add(padded(plan_.at(c.depthwise_bias), c.inputs));
        }
        of_step.add(pack_product(plan_.at(c.weights), c.inputs, c.outputs));
        of_step.add(padded(plan_.at(c.bias), c.outputs));
        of_step.add(slopes(c, c.outputs));
        std::vector<std::byte> bytes = of_step.take();
        bytes.resize(static_cast<std::size_t>(shapes[i].bytes));
        all.insert(all.end(), bytes.begin(), bytes.end());
    }
    return store_.add(all);
}

void builder::claim_body(std::int32_t first) {
    const plan_convolution* const c = convolution(first);
    if (c == nullptr || body_chain::shared_bytes > card_.shared_bytes) return;
    const std::vector<shape> shapes = shapes_of(body_chain::all{});
    claim made;
    made.steps = follow(first, shapes);
    if (made.steps.empty()) return;
    for (const std::int32_t s : made.steps)
        if (s != made.steps.back()) made.inner_maps.push_back(convolution(s)->y);
    const std::size_t weights = pack_chain(made.steps, shapes);
    made.add = [x = c->x, y = convolution(made.steps.back())->y, weights](
                   const binding_memory& m, std::int32_t pictures, std::vector<launch>& to) {
        chain_parameters p{};
        p.branches[0].x = m.map(x);
        p.branches[0].y = m.map(y);
        p.branches[0].weights = m.weights<std::byte>(weights);
        add_launch<body_chain>(to, pictures, 1, body_chain::shared_bytes, p);
    };
    accept(std::move(made));
}

void builder::claim_looks(std::int32_t attention) {
    const auto* const a = std::get_if<plan_attention>(&plan_.steps[static_cast<std::size_t>(attention)]);
    if (a == nullptr || look_chain::shared_bytes > card_.shared_bytes || a->heads.size() > max_heads ||
        a->side != look_chain::first::side || map(a->x).channels != look_chain::first::inputs)
        return;
    const std::vector<shape> shapes = shapes_of(look_chain::all{});
    claim made;
    made.steps.push_back(attention);
    std::vector<std::size_t> weights;
    std::vector<tensor_index> maps;
    std::vector<std::vector<std::int32_t>> branches;
    for (const plan_attention::head& h : a->heads) {
        branches.push_back(follow(only_reader(h.y), shapes));
        if (branches.back().empty()) return;
    }
    for (std::size_t i = 0; i < branches.size(); ++i) {
        made.inner_maps.push_back(a->heads[i].y);
        for (const std::int32_t s : branches[i])
            if (s != branches[i].back()) made.inner_maps.push_back(convolution(s)->y);
        weights.push_back(pack_chain(branches[i], shapes));
        maps.push_back(convolution(branches[i].back())->y);
        made.steps.insert(made.steps.end(), branches[i].begin(), branches[i].end());
    }
    const attention_numbers numbers = pack_attention(store_, plan_, *a);
    made.add = [a = *a, numbers, weights, maps](const binding_memory& m, std::int32_t pictures,
                                                std::vector<launch>& to) {
        chain_parameters p{};
        p.attention = attention_of(a, numbers, m);
        for (std::size_t i = 0; i < maps.size(); ++i) {
            p.branches[i].y = m.map(maps[i]);
            p.branches[i].weights = m.weights<std::byte>(weights[i]);
        }
        add_launch<look_chain>(to, pictures, static_cast<std::int32_t>(maps.size()), look_chain::shared_bytes, p);
    };
    accept(std::move(made));
}

}  // namespace faceflow::internal::inference::kernels
