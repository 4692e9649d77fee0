// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "inference/kernels/builder.hpp"

namespace faceflow::internal::inference::kernels {
namespace {

// Offsets in the network's weights.
struct packed_mixer_product {
    std::size_t weights = 0, bias = 0;

    [[nodiscard]] mixer_product in(const binding_memory& m) const {
        return {m.weights<half8>(weights), m.weights<float>(bias)};
    }
};

struct packed_mixer_layer {
    std::size_t token_norm = 0, channel_norm = 0;
    packed_mixer_product token_in, token_out, channel_in, channel_out;
};

struct packed_mixer {
    std::size_t embed_points = 0, embed_points_bias = 0, embed_channels = 0, embed_channels_bias = 0;
    std::size_t first = 0, head = 0, head_bias = 0;
    std::vector<packed_mixer_layer> layers;
};

class mixer_packing {
public:
    mixer_packing(const plan& of, weight_store& to) : of_(of), to_(to) {}

    packed_mixer pack(const plan_mixer& m) {
        packed_mixer all;
        all.embed_points = floats(m.embed_points.weights);
        all.embed_points_bias = floats(m.embed_points.bias);
        all.embed_channels = floats(m.embed_channels.weights);
        all.embed_channels_bias = floats(m.embed_channels.bias);
        all.first = floats(m.first);
        all.head = floats(m.head.weights);
        all.head_bias = floats(m.head.bias);
        for (const plan_mixer::layer& l : m.layers) {
            all.layers.push_back(
                {floats(l.token_norm), floats(l.channel_norm), product(l.token_in, m.tokens, m.token_hidden),
                 product(l.token_out, m.token_hidden, m.tokens), product(l.channel_in, m.channels, m.channel_hidden),
                 product(l.channel_out, m.channel_hidden, m.channels)});
        }
        return all;
    }

private:
    std::size_t floats(const plan_slice& s) { return to_.add(std::as_bytes(of_.at(s))); }
    packed_mixer_product product(const plan_mixer::product& p, int inputs, int outputs) {
        return {to_.add(pack_product(of_.at(p.weights), inputs, outputs)),
                to_.add(padded(of_.at(p.bias), round_up(outputs, channel_step)))};
    }

    const plan& of_;
    weight_store& to_;
};

mixer_parameters parameters_of(const plan_mixer& of, const packed_mixer& packed, const binding_memory& m) {
    mixer_parameters p{};
    p.points = reinterpret_cast<const float*>(m.map(-1));
    p.y = m.vector(of.y);
    p.embed_points = m.weights<float>(packed.embed_points);
    p.embed_points_bias = m.weights<float>(packed.embed_points_bias);
    p.embed_channels = m.weights<float>(packed.embed_channels);
    p.embed_channels_bias = m.weights<float>(packed.embed_channels_bias);
    p.first = m.weights<float>(packed.first);
    p.head = m.weights<float>(packed.head);
    p.head_bias = m.weights<float>(packed.head_bias);
    for (const packed_mixer_layer& l : packed.layers) {
        p.layers[p.layer_count++] = {m.weights<float>(l.token_norm),
                                     m.weights<float>(l.channel_norm),
                                     l.token_in.in(m),
                                     l.token_out.in(m),
                                     l.channel_in.in(m),
                                     l.channel_out.in(m)};
    }
    p.point_count = of.points;
    p.tokens = of.tokens;
    p.channels = of.channels;
    p.token_hidden = of.token_hidden;
    p.channel_hidden = of.channel_hidden;
    p.outputs = of.outputs;
    p.length = m.length(of.y);
    p.scale = of.scale;
    p.epsilon = of.epsilon;
    return p;
}

}  // namespace

result<void> builder::add(std::int32_t step, const plan_mixer& m) {
    using kernel = mixer_kernel;
    const std::size_t shared = kernel::shared_bytes(m.points, m.tokens, m.channels);
    const bool whole =
        m.channels % channel_step == 0 && m.token_hidden % kernel::piece == 0 && m.channel_hidden % kernel::piece == 0;
    if (!whole || !kernel::fits(m.tokens, m.channels) || m.layers.size() > max_mixer_layers ||
        shared > card_.shared_bytes) {
        return fail(errc::unsupported, fmt::format("a mixer of {} layers with {} tokens and {} channels: more than the "
                                                   "kernel holds, or no multiples of 16",
                                                   m.layers.size(), m.tokens, m.channels));
    }
    const packed_mixer packed = mixer_packing(plan_, store_).pack(m);
    accept({{step}, {}, {}, [m, packed, shared](const binding_memory& memory, std::int32_t pictures, auto& to) {
                add_launch<kernel>(to, pictures, 1, shared, parameters_of(m, packed, memory));
            }});
    return {};
}

}  // namespace faceflow::internal::inference::kernels
