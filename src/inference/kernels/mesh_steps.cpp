// SPDX-License-Identifier: Apache-2.0
#include "inference/kernels/mesh_steps.hpp"

#include <fmt/format.h>

namespace faceflow::internal::inference::kernels {

attention_numbers pack_attention(weight_store& to, const plan& p, const plan_attention& a) {
    std::vector<std::int32_t> spans;
    for (const plan_attention::head& h : a.heads) {
        const auto span = p.numbers_at(h.spans);
        spans.insert(spans.end(), span.begin(), span.end());
    }
    return {to.add(std::as_bytes(p.at(a.grid))), to.add(spans)};
}

geometry_numbers pack_geometry(weight_store& to, const plan& p, const plan_landmarks& l) {
    geometry_numbers n;
    n.rest = to.add(std::as_bytes(p.numbers_at(l.rest)));
    for (std::size_t i = 0; i < 2; ++i)
        n.iris[i] = to.add(std::as_bytes(p.numbers_at(l.iris[i])));
    return n;
}

attention_parameters attention_of(const plan_attention& a, const attention_numbers& n, const binding_memory& m) {
    const plan::extent e = m.size(a.x);
    attention_parameters p{};
    p.x = m.map(a.x);
    p.base = m.vector(a.base);
    p.transforms = m.vector(a.transforms);
    p.grid = m.weights<float>(n.grid);
    const auto* next = m.weights<std::int32_t>(n.spans);
    for (const plan_attention::head& h : a.heads) {
        const auto count = static_cast<int>(h.spans.length);
        p.heads[p.count++] = {m.map(h.y), h.from, h.to, count, next};
        next += count;
    }
    p.side = a.side;
    p.base_length = m.length(a.base);
    p.height = e.height;
    p.width = e.width;
    p.channels = m.channels(a.x);
    p.scale = static_cast<float>(e.width) / static_cast<float>(m.size(-1).width);
    p.reach = a.margin;
    return p;
}

mesh_geometry geometry_of(const plan_landmarks& l, const geometry_numbers& n, tensor_index map,
                          const binding_memory& m) {
    mesh_geometry g{};
    g.base = m.vector(l.base);
    g.transforms = m.vector(l.transforms);
    g.rest = m.weights<std::int32_t>(n.rest);
    for (std::size_t i = 0; i < 2; ++i)
        g.iris[i] = m.weights<std::int32_t>(n.iris[i]);
    g.landmarks = m.vector(l.landmarks);
    g.score = m.vector(l.score);
    g.base_length = m.length(l.base);
    g.heads = m.length(l.transforms) / transform_floats;
    g.scale = static_cast<float>(m.size(-1).width) / static_cast<float>(m.size(map).width);
    return g;
}

const plan_attention* attention_for(const plan& p, tensor_index transforms) {
    for (const plan_step& s : p.steps)
        if (const auto* a = std::get_if<plan_attention>(&s); a != nullptr && a->transforms == transforms) return a;
    return nullptr;
}

static bool usual_irises(const plan_landmarks& l) {
    return l.iris[0].length == iris_depths && l.iris[1].length == iris_depths;
}

// Packs the dense layer of a branch's points for its kernel: [inputs / 8][160][8].
static std::vector<std::uint16_t> pack_points(std::span<const float> weights, int outputs) {
    std::vector<std::uint16_t> packed(static_cast<std::size_t>(point_inputs) * max_outputs);
    for (int k = 0; k < point_inputs; ++k)
        for (int o = 0; o < outputs; ++o) {
            const std::ptrdiff_t to = (std::ptrdiff_t{k} / 8 * max_outputs + o) * 8 + k % 8;
            const std::ptrdiff_t from = std::ptrdiff_t{k} * outputs + o;
            packed[static_cast<std::size_t>(to)] = half_bits(weights[static_cast<std::size_t>(from)]);
        }
    return packed;
}

void builder::claim_points(std::int32_t landmarks) {
    const auto* const l = std::get_if<plan_landmarks>(&plan_.steps[static_cast<std::size_t>(landmarks)]);
    const plan_attention* const a = l != nullptr ? attention_for(plan_, l->transforms) : nullptr;
    if (a == nullptr || point_chain::shared_bytes > card_.shared_bytes || l->heads.size() > max_branches ||
        l->heads.empty() || !usual_irises(*l))
        return;
    struct branch {
        tensor_index x = -1;
        int outputs = 0, head = 0;
        std::size_t weights = 0, point_weights = 0, point_bias = 0, targets = 0;
    };
    const std::vector<shape> shapes = shapes_of(point_chain::all{});
    claim made;
    made.steps.push_back(landmarks);
    std::vector<std::vector<std::int32_t>> chains;
    std::vector<const plan_dense*> layers;
    for (const plan_landmarks::refined& r : l->heads) {
        std::int32_t step = 0;
        const plan_dense* d = nullptr;
        for (; step < static_cast<std::int32_t>(plan_.steps.size()); ++step) {
            d = std::get_if<plan_dense>(&plan_.steps[static_cast<std::size_t>(step)]);
            if (d != nullptr && d->y == r.x) break;
            d = nullptr;
        }
        if (d == nullptr || d->inputs != point_inputs || d->outputs > max_outputs || d->outputs != 2 * r.targets.length)
            return;
        // Follow the chain back to its first step.
        std::int32_t first = -1;
        tensor_index x = d->x;
        for (std::size_t i = 0; i < shapes.size(); ++i) {
            const plan_convolution* const c =
                x >= 0 && writers(x).size() == 1 ? convolution(writers(x).front()) : nullptr;
            if (c == nullptr) return;
            first = writers(x).front();
            x = c->x;
        }
        chains.push_back(follow(first, shapes));
        if (chains.back().empty() || convolution(chains.back().back())->y != d->x || only_reader(d->x) != step) return;
        layers.push_back(d);
        made.steps.push_back(step);
    }
    std::vector<branch> branches;
    for (std::size_t i = 0; i < chains.size(); ++i) {
        const plan_landmarks::refined& r = l->heads[i];
        for (const std::int32_t s : chains[i])
            made.inner_maps.push_back(convolution(s)->y);
        made.inner_vectors.push_back(r.x);
        made.steps.insert(made.steps.end(), chains[i].begin(), chains[i].end());
        branches.push_back(
            {convolution(chains[i].front())->x, layers[i]->outputs, r.head, pack_chain(chains[i], shapes),
             store_.add(pack_points(plan_.at(layers[i]->weights), layers[i]->outputs)),
             pack_bias(layers[i]->bias, max_outputs), store_.add(std::as_bytes(plan_.numbers_at(r.targets)))});
    }
    const geometry_numbers numbers = pack_geometry(store_, plan_, *l);
    made.add = [l = *l, x = a->x, numbers, branches](const binding_memory& m, std::int32_t pictures,
                                                     std::vector<launch>& to) {
        chain_parameters p{};
        p.geometry = geometry_of(l, numbers, x, m);
        for (std::size_t i = 0; i < branches.size(); ++i) {
            const branch& b = branches[i];
            p.branches[i] = {m.map(b.x),
                             nullptr,
                             m.weights<std::byte>(b.weights),
                             m.weights<std::byte>(b.point_weights),
                             m.weights<float>(b.point_bias),
                             m.weights<std::int32_t>(b.targets),
                             b.outputs,
                             b.head};
        }
        add_launch<point_chain>(to, pictures, static_cast<std::int32_t>(branches.size()), point_chain::shared_bytes, p);
    };
    accept(std::move(made));
}

result<void> builder::add(std::int32_t step, const plan_attention& a) {
    if (a.heads.size() > max_heads)
        return fail(errc::unsupported,
                    fmt::format("attention with {} heads; kernels have {}", a.heads.size(), max_heads));
    const plan_map& x = map(a.x);
    if (x.down != 0 || x.width < 2 || x.height < 2)
        return fail(errc::unsupported, "attention to a map of no fixed size, or of less than 2 x 2");
    const attention_numbers numbers = pack_attention(store_, plan_, a);
    accept({{step}, {}, {}, [a, numbers](const binding_memory& m, std::int32_t pictures, std::vector<launch>& to) {
                add_launch<attention_kernel>(to, pictures, static_cast<std::int32_t>(a.heads.size()),
                                             attention_kernel::shared_bytes, attention_of(a, numbers, m));
            }});
    return {};
}

result<void> builder::add(std::int32_t step, const plan_landmarks& l) {
    const plan_attention* const a = attention_for(plan_, l.transforms);
    if (a == nullptr) return fail(errc::unsupported, "landmarks without the attention that refines them");
    if (l.heads.size() > max_branches)
        return fail(errc::unsupported, fmt::format("{} refined parts; kernels have {}", l.heads.size(), max_branches));
    if (!usual_irises(l)) return fail(errc::unsupported, "irises whose depth is not the mean of 16 landmarks");
    const geometry_numbers numbers = pack_geometry(store_, plan_, l);
    std::vector<std::size_t> targets;
    for (const plan_landmarks::refined& r : l.heads)
        targets.push_back(store_.add(std::as_bytes(plan_.numbers_at(r.targets))));
    accept({{step},
            {},
            {},
            [l, numbers, targets, x = a->x](const binding_memory& m, std::int32_t pictures, std::vector<launch>& to) {
                landmarks_parameters p{};
                p.geometry = geometry_of(l, numbers, x, m);
                for (std::size_t i = 0; i < l.heads.size(); ++i) {
                    const plan_landmarks::refined& r = l.heads[i];
                    p.heads[p.count++] = {m.vector(r.x), m.weights<std::int32_t>(targets[i]), m.length(r.x),
                                          static_cast<int>(r.targets.length), r.head};
                }
                add_launch<landmarks_kernel>(to, pictures, 1, landmarks_kernel::shared_bytes, p);
            }});
    return {};
}

}  // namespace faceflow::internal::inference::kernels
