// SPDX-License-Identifier: Apache-2.0
// Fused steps of detectors: their first steps, and those common to all levels.
#include <algorithm>
#include <array>

#include "inference/kernels/builder.hpp"

namespace faceflow::internal::inference::kernels {
namespace {

bool plain_relu(const plan_convolution& c) {
    return c.act == activation::relu && c.join == joining::none && !c.pool_first;
}

bool is_dense(const plan_convolution* c, int inputs, int outputs) {
    return c != nullptr && c->kernel == 3 && c->stride == 1 && c->pad == 1 && plain_relu(*c) && c->inputs == inputs &&
           c->outputs == outputs;
}

// The arguments of a convolution of levels, except its tiles.
struct level_use {
    tensor_index x = -1, first = -1, second = -1;
    std::int32_t into = 0;  // of the first
    std::size_t weights = 0, bias = 0;
    // With heads:
    tensor_index context = -1;
    std::size_t head_weights = 0, head_bias = 0;
    std::array<tensor_index, 3> vectors{-1, -1, -1};
};

template <class Kernel>
void launch_levels(const std::vector<level_use>& uses, int split, const binding_memory& m, std::int32_t pictures,
                   std::vector<launch>& to) {
    levels_parameters p{};
    for (const level_use& u : uses) {
        level& l = p.levels[p.count++];
        const plan::extent e = m.size(u.x);
        l.x = m.map(u.x);
        l.weights = m.weights<half8>(u.weights);
        l.bias = m.weights<float>(u.bias);
        l.height = e.height;
        l.width = e.width;
        l.tiles_x = divide_up(e.width, level_tile_width);
        l.tiles_y = divide_up(e.height, Kernel::tile_rows);
        l.first_tile = p.tiles;
        p.tiles += l.tiles_x * l.tiles_y * pictures;
        if (u.first >= 0) {
            l.first = m.map(u.first) + u.into;
            p.first_channels = m.channels(u.first);
        }
        if (u.second >= 0) {
            l.second = m.map(u.second);
            p.second_channels = m.channels(u.second);
        }
        if (u.context >= 0)
            l.heads = {m.map(u.context),       m.weights<half8>(u.head_weights), m.weights<float>(u.head_bias),
                       m.vector(u.vectors[0]), m.vector(u.vectors[1]),           m.vector(u.vectors[2])};
    }
    p.split = split;
    // As many blocks as fit the card at once; each then takes the next tile, keeping its weights.
    const card& d = m.target();
    constexpr std::size_t reserved = 1024;  // of a multiprocessor's shared memory, per block of threads
    const std::size_t room =
        std::max<std::size_t>(1, std::min(d.shared_of_multiprocessor / (Kernel::shared_bytes + reserved),
                                          static_cast<std::size_t>(d.threads_of_multiprocessor / Kernel::threads)));
    const int grid = smaller_of(p.tiles, d.multiprocessors * static_cast<int>(room));
    add_launch<Kernel>(to, grid, 1, Kernel::shared_bytes, p);
}

// Tiles of 16 rows if there is enough work for them, else of 8.
template <int Outputs>
void launch_wide_levels(const std::vector<level_use>& uses, int split, const binding_memory& m, std::int32_t pictures,
                        std::vector<launch>& to) {
    using tall = levels_kernel<64, Outputs, 16, false>;
    std::int64_t pixels = 0;
    for (const level_use& u : uses)
        pixels += std::int64_t{pixels_of(m.size(u.x))} * pictures;
    const bool many = pixels / tall::pixels >= 4 * std::int64_t{m.target().multiprocessors};
    if (many && tall::shared_bytes <= m.target().shared_bytes)
        launch_levels<tall>(uses, split, m, pictures, to);
    else
        launch_levels<levels_kernel<64, Outputs, 8, false>>(uses, split, m, pictures, to);
}

bool usual_parts(const plan_head& h) {
    constexpr std::int32_t channels[] = {head_scores, head_boxes, head_keypoints};
    if (h.inputs != head_inputs || h.outputs != head_outputs || h.parts.size() != 3) return false;
    for (std::size_t i = 0; i < 3; ++i)
        if (h.parts[i].channels != channels[i] || h.parts[i].interleaved || h.parts[i].pairs != (i == 0)) return false;
    return true;
}

}  // namespace

void builder::claim_stem(std::int32_t first) {
    const plan_convolution* const a = convolution(first);
    if (a == nullptr || a->x >= 0 || a->kernel != 3 || a->stride != 2 || a->pad != 1 || a->outputs != 16 ||
        !plain_relu(*a) || a->inputs != 3)
        return;
    const bool even = plan_.input.height > 0 ? plan_.input.height % 4 == 0 && plan_.input.width % 4 == 0
                                             : plan_.input.multiple % 4 == 0;
    const std::int32_t second = only_reader(a->y);
    const plan_convolution* const b = convolution(second);
    if (!even || b == nullptr || b->kernel != 1 || b->depthwise || b->inputs != 16 || b->outputs != 32 ||
        !plain_relu(*b))
        return;
    const std::int32_t third = only_reader(b->y);
    const plan_convolution* const c = convolution(third);
    if (c == nullptr || !c->depthwise || !c->depthwise_relu || c->stride != 2 || c->pad != 1 || c->inputs != 32 ||
        c->outputs != 32 || !plain_relu(*c) || c->into != 0 || map(c->y).channels != 32 ||
        stem_kernel::shared_bytes > card_.shared_bytes)
        return;
    const std::size_t weights = pack_first(*a, 16), bias = pack_bias(a->bias, 16);
    const packed_weights w2 = pack(*b, 16, 32, input_order::by_fours), w3 = pack(*c, 32, 32, input_order::as_loaded);
    const tensor_index y = c->y;
    accept({{first, second, third}, {a->y, b->y}, {}, [=](const binding_memory& m, std::int32_t pictures, auto& to) {
                const plan::extent in = m.size(-1);
                stem_parameters p{};
                p.x = m.map(-1);
                p.y = m.map(y);
                p.first_weights = m.weights<half8>(weights);
                p.second_weights = m.weights<half8>(w2.weights);
                p.third_weights = m.weights<half8>(w3.weights);
                p.first_bias = m.weights<float>(bias);
                p.second_bias = m.weights<float>(w2.bias);
                p.third_bias = m.weights<float>(w3.bias);
                p.depthwise_weights = m.weights<half>(w3.depthwise);
                p.depthwise_bias = m.weights<float>(w3.depthwise_bias);
                p.height = in.height;
                p.width = in.width;
                const int tiles =
                    divide_up(in.height / 4, stem_kernel::side) * divide_up(in.width / 4, stem_kernel::side);
                add_launch<stem_kernel>(to, pictures * tiles, 1, stem_kernel::shared_bytes, p);
            }});
}

bool builder::add_single_level(std::int32_t step, const plan_convolution& c) {
    if (!is_dense(&c, 64, 64) || levels_kernel<64, 64, 8, false>::shared_bytes > card_.shared_bytes) return false;
    const packed_weights w = pack(c, 64, 64, input_order::as_loaded);
    std::vector<level_use> uses(1);
    uses[0].x = c.x;
    uses[0].first = c.y;
    uses[0].into = c.into;
    uses[0].weights = w.weights;
    uses[0].bias = w.bias;
    accept({{step}, {}, {}, [uses](const binding_memory& m, std::int32_t pictures, auto& to) {
                launch_wide_levels<64>(uses, 64, m, pictures, to);
            }});
    return true;
}

void builder::claim_levels() {
    using wide = levels_kernel<64, 48, 8, false>;
    using context_kernel = levels_kernel<16, 32, 8, false>;
    using last_kernel = levels_kernel<16, 16, 8, true>;
    if (std::max({wide::shared_bytes, context_kernel::shared_bytes, last_kernel::shared_bytes}) > card_.shared_bytes)
        return;
    std::vector<level_module> modules;
    for (std::int32_t i = 0; i < static_cast<std::int32_t>(plan_.steps.size()); ++i) {
        const auto* const head = std::get_if<plan_head>(&plan_.steps[static_cast<std::size_t>(i)]);
        if (head == nullptr || !usual_parts(*head) || readers(head->x).size() != 1) continue;
        level_module found;
        found.head = i;
        for (const std::int32_t w : writers(head->x)) {
            const plan_convolution* const c = convolution(w);
            if (is_dense(c, 64, 32) && c->into == 0) found.direct = w;
            if (is_dense(c, 16, 16) && c->into == 32) found.near = w;
            if (is_dense(c, 16, 16) && c->into == 48) found.far = w;
        }
        if (found.direct < 0 || found.near < 0 || found.far < 0) continue;
        const plan_convolution &near = *convolution(found.near), &far = *convolution(found.far);
        if (writers(near.x).size() != 1 || writers(far.x).size() != 1) continue;
        found.context = writers(near.x).front();
        found.middle = writers(far.x).front();
        const plan_convolution *const context = convolution(found.context), *const middle = convolution(found.middle);
        const bool joined = is_dense(context, 64, 16) && is_dense(middle, 16, 16) && middle->x == near.x &&
                            context->x == convolution(found.direct)->x && readers(near.x).size() == 2 &&
                            readers(far.x).size() == 1 && map(near.x).channels == 16 && map(far.x).channels == 16;
        if (joined) modules.push_back(found);
    }
    const std::span<const level_module> all(modules);
    for (std::size_t i = 0; i < all.size(); i += max_levels)
        claim_modules(all.subspan(i, std::min<std::size_t>(max_levels, all.size() - i)));
}

packed_weights builder::pack_joined(const plan_convolution& a, const plan_convolution& b) {
    const auto side_by_side = [](std::span<const float> x, int x_length, std::span<const float> y, int y_length) {
        std::vector<float> both;
        for (; !x.empty();
             x = x.subspan(static_cast<std::size_t>(x_length)), y = y.subspan(static_cast<std::size_t>(y_length))) {
            both.insert(both.end(), x.begin(), x.begin() + x_length);
            both.insert(both.end(), y.begin(), y.begin() + y_length);
        }
        return both;
    };
    packed_weights w;
    w.weights = store_.add(pack_product(side_by_side(plan_.at(a.weights), a.outputs, plan_.at(b.weights), b.outputs),
                                        9 * a.inputs, a.outputs + b.outputs));
    w.bias = store_.add(side_by_side(plan_.at(a.bias), a.outputs, plan_.at(b.bias), b.outputs));
    return w;
}

void builder::claim_modules(std::span<const level_module> modules) {
    std::vector<level_use> firsts, seconds, lasts;
    claim one, two, three;
    for (const level_module& l : modules) {
        const plan_convolution &direct = *convolution(l.direct), &context = *convolution(l.context);
        const plan_convolution &near = *convolution(l.near), &middle = *convolution(l.middle),
                               &far = *convolution(l.far);
        const auto& head = std::get<plan_head>(plan_.steps[static_cast<std::size_t>(l.head)]);
        const packed_weights w1 = pack_joined(direct, context), w2 = pack_joined(near, middle);
        const packed_weights w3 = pack(far, 16, 16, input_order::as_loaded);
        level_use use;
        use.x = direct.x;
        use.first = direct.y;
        use.second = context.y;
        use.weights = w1.weights;
        use.bias = w1.bias;
        firsts.push_back(use);
        use.x = near.x;
        use.second = middle.y;
        use.into = near.into;
        use.weights = w2.weights;
        use.bias = w2.bias;
        seconds.push_back(use);
        use = {};
        use.x = far.x;
        use.weights = w3.weights;
        use.bias = w3.bias;
        use.context = head.x;
        use.head_weights = store_.add(pack_product(plan_.at(head.weights), head_inputs, head_outputs));
        use.head_bias = pack_bias(head.bias, head_outputs);
        for (std::size_t i = 0; i < 3; ++i)
            use.vectors[i] = head.parts[i].y;
        lasts.push_back(use);
        one.steps.insert(one.steps.end(), {l.direct, l.context});
        two.steps.insert(two.steps.end(), {l.near, l.middle});
        three.steps.insert(three.steps.end(), {l.far, l.head});
    }
    one.add = [firsts](const binding_memory& m, std::int32_t pictures, auto& to) {
        launch_wide_levels<48>(firsts, 32, m, pictures, to);
    };
    two.add = [seconds](const binding_memory& m, std::int32_t pictures, auto& to) {
        launch_levels<levels_kernel<16, 32, 8, false>>(seconds, 16, m, pictures, to);
    };
    three.add = [lasts](const binding_memory& m, std::int32_t pictures, auto& to) {
        launch_levels<levels_kernel<16, 16, 8, true>>(lasts, 0, m, pictures, to);
    };
    accept(std::move(one));
    accept(std::move(two));
    accept(std::move(three));
}

}  // namespace faceflow::internal::inference::kernels
