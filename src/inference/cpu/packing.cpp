// SPDX-License-Identifier: Apache-2.0
#include "inference/cpu/packing.hpp"

#include <algorithm>
#include <bit>

#include "core/bfloat16.hpp"

namespace faceflow::internal::inference::cpu {
namespace {

float pair_of(float first, float second) {
    return std::bit_cast<float>(std::uint32_t{bfloat16_bits(first)} | std::uint32_t{bfloat16_bits(second)} << 16);
}

}  // namespace

weight_store::place weight_store::add(std::size_t count) {
    const std::size_t before = lines_.size();
    lines_.resize(before + (count + channel_step - 1) / channel_step);
    return {before * channel_step, {reinterpret_cast<float*>(lines_.data() + before), count}};
}

std::size_t weight_store::add(std::span<const float> values) {
    const place there = add(values.size());
    std::copy(values.begin(), values.end(), there.at.begin());
    return there.offset;
}

product packed_product::in(const weight_store& from) const {
    product p;
    p.segments = segments;
    p.length = length;
    p.weights = from.at(weights);
    p.bias = from.at(bias);
    p.slopes = from.at(slopes);
    p.act = act;
    p.outputs = outputs;
    p.widest = widest;
    return p;
}

packed_product pack_product(weight_store& to, const plain_product& from, std::int32_t lanes, std::int32_t widest,
                            host_precision in_what) {
    const std::int32_t together = in_what == host_precision::bf16 ? 2 : 1;  // inputs per float
    packed_product packed;
    packed.segments = from.segments;
    packed.length = from.length / together;
    packed.outputs = from.outputs;
    packed.widest = widest;
    packed.act = from.act;
    packed.in_what = in_what;
    const std::int32_t vectors = (from.outputs + lanes - 1) / lanes, inputs = packed.segments * packed.length;
    const auto filled_up = static_cast<std::size_t>(vectors) * static_cast<std::size_t>(lanes);
    const auto there = to.add(filled_up * static_cast<std::size_t>(inputs));
    packed.weights = there.offset;
    auto next = there.at.begin();
    for (std::int32_t b = 0, first = 0; b < block_count(vectors, widest); ++b) {
        const std::int32_t width = block_vectors(vectors, widest, b) * lanes;
        const std::int32_t real = std::min(width, from.outputs - first);
        for (std::int32_t k = 0; k < inputs; ++k, next += width) {
            const auto row = from.weights.begin() + std::ptrdiff_t{k} * together * from.outputs + first;
            if (together == 1) {
                std::copy_n(row, real, next);
            } else {
                std::transform(row, row + real, row + from.outputs, next, pair_of);
            }
        }
        first += width;
    }
    const auto fill_up = [&](std::span<const float> values) {
        const auto place = to.add(filled_up);
        std::copy(values.begin(), values.end(), place.at.begin());
        return place.offset;
    };
    packed.bias = fill_up(from.bias);
    packed.slopes = from.act == activation_kind::prelu ? fill_up(from.slopes) : packed.bias;
    return packed;
}

plain_product product_of(const plan& p, const plan_convolution& c) {
    plain_product from;
    from.weights = p.at(c.weights);
    from.bias = p.at(c.bias);
    from.act = c.act == activation::none   ? activation_kind::none
               : c.act == activation::relu ? activation_kind::relu
                                           : activation_kind::prelu;
    if (c.act == activation::prelu) from.slopes = p.at(c.slopes);
    from.segments = c.kernel * c.kernel;
    from.length = c.inputs;
    from.outputs = c.outputs;
    return from;
}

packed_depthwise pack_depthwise(weight_store& to, const plan& p, const plan_convolution& c) {
    const std::int32_t stored = stored_channels(c.inputs);
    const auto there = to.add(std::size_t{9} * static_cast<std::size_t>(stored));
    const auto weights = p.at(c.depthwise_weights);
    for (std::int32_t i = 0; i < 9; ++i)
        std::copy_n(weights.begin() + i * c.inputs, c.inputs, there.at.begin() + i * stored);
    const auto bias = to.add(static_cast<std::size_t>(stored));
    std::copy_n(p.at(c.depthwise_bias).begin(), c.inputs, bias.at.begin());
    return {there.offset, bias.offset};
}

std::vector<float> winograd_weights(std::span<const float> weights, std::int32_t inputs, std::int32_t outputs) {
    constexpr double g[6][3] = {{1 / 4.0, 0, 0},
                                {-1 / 6.0, -1 / 6.0, -1 / 6.0},
                                {-1 / 6.0, 1 / 6.0, -1 / 6.0},
                                {1 / 24.0, 1 / 12.0, 1 / 6.0},
                                {1 / 24.0, -1 / 12.0, 1 / 6.0},
                                {0, 0, 1}};
    const auto count = static_cast<std::size_t>(inputs) * static_cast<std::size_t>(outputs);
    std::vector<float> all(36 * count);
    for (std::size_t i = 0; i < count; ++i) {
        double rows[6][3];  // G g
        for (std::size_t y = 0; y < 6; ++y)
            for (std::size_t x = 0; x < 3; ++x)
                rows[y][x] = g[y][0] * weights[x * count + i] + g[y][1] * weights[(3 + x) * count + i] +
                             g[y][2] * weights[(6 + x) * count + i];
        for (std::size_t y = 0; y < 6; ++y)
            for (std::size_t x = 0; x < 6; ++x)
                all[(y * 6 + x) * count + i] =
                    static_cast<float>(rows[y][0] * g[x][0] + rows[y][1] * g[x][1] + rows[y][2] * g[x][2]);
    }
    return all;
}

}  // namespace faceflow::internal::inference::cpu
