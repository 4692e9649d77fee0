// SPDX-License-Identifier: Apache-2.0
// Plans with random weights, and what they compute, step by step in single precision.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "inference/plan.hpp"

namespace faceflow::internal::test {

// Sizes are fractions of the input's, which is any multiple of 4.
class plan_maker {
public:
    explicit plan_maker(std::uint32_t seed = 1) : random_(seed) {
        made_.input.name = "input";
        made_.input.multiple = 4;
    }

    inference::tensor_index map(std::int32_t channels, std::int32_t down) {
        made_.maps.push_back({"map" + std::to_string(made_.maps.size()), channels, down, 0, 0});
        return static_cast<inference::tensor_index>(made_.maps.size() - 1);
    }
    inference::tensor_index vector(std::int32_t length) {
        made_.vectors.push_back({"vector" + std::to_string(made_.vectors.size()), length});
        return static_cast<inference::tensor_index>(made_.vectors.size() - 1);
    }

    // Fills in channels and weights, and adds it.
    void add(inference::plan_convolution c, std::int32_t outputs = 0) {
        c.inputs = c.x < 0 ? 3 : made_.maps[static_cast<std::size_t>(c.x)].channels;
        c.outputs = outputs > 0 ? outputs : made_.maps[static_cast<std::size_t>(c.y)].channels;
        const std::int64_t taps = std::int64_t{c.kernel} * c.kernel;
        if (c.depthwise) {
            c.depthwise_weights = weights(std::int64_t{9} * c.inputs, 9);
            c.depthwise_bias = weights(c.inputs, 25);
        }
        c.weights = weights(taps * c.inputs * c.outputs, taps * c.inputs);
        c.bias = weights(c.outputs, 25);
        if (c.act == inference::activation::prelu) c.slopes = weights(c.outputs, 10);
        made_.steps.emplace_back(std::move(c));
    }
    // A map from the input: of its size, or of half of it.
    inference::tensor_index first(std::int32_t channels, std::int32_t down) {
        inference::plan_convolution c;
        c.y = map(channels, down);
        c.kernel = 3;
        c.stride = down;
        c.pad = 1;
        add(c);
        return c.y;
    }
    // By a depthwise convolution.
    inference::tensor_index block(inference::tensor_index x, std::int32_t channels, std::int32_t stride) {
        inference::plan_convolution c;
        c.x = x;
        c.y = map(channels, made_.maps[static_cast<std::size_t>(x)].down * stride);
        c.depthwise = true;
        c.stride = stride;
        c.pad = 1;
        add(c);
        return c.y;
    }
    void add(inference::plan_head h) {
        h.inputs = made_.maps[static_cast<std::size_t>(h.x)].channels;
        h.outputs = 0;
        for (auto& part : h.parts) {
            h.outputs += part.channels;
            part.y = vector(part.channels);
            part.name = made_.vectors.back().name;
        }
        h.weights = weights(std::int64_t{h.inputs} * h.outputs, h.inputs);
        h.bias = weights(h.outputs, 25);
        made_.steps.emplace_back(std::move(h));
    }

    [[nodiscard]] inference::plan_slice weights(std::int64_t count, std::int64_t of_sum) {
        // As large as keeps a sum of so many products near 1.
        std::normal_distribution<float> spread(0.f, 1.f / std::sqrt(static_cast<float>(of_sum)));
        made_.weights.resize((made_.weights.size() + 15) / 16 * 16);
        const inference::plan_slice s{static_cast<std::int64_t>(made_.weights.size()), count};
        for (std::int64_t i = 0; i < count; ++i)
            made_.weights.push_back(spread(random_));
        return s;
    }

    inference::plan& made() { return made_; }
    [[nodiscard]] const inference::plan& made() const { return made_; }

private:
    inference::plan made_;
    std::mt19937 random_;
};

// A mixer of any sizes.
inline plan_maker plan_of_mixer(inference::plan_mixer m, std::size_t layers, std::uint32_t seed = 1) {
    plan_maker p(seed);
    inference::plan& of = p.made();
    of.input = {"points", m.points, 2, 1, 1, 0};
    const auto product = [&](std::int32_t inputs, std::int32_t outputs) {
        return inference::plan_mixer::product{p.weights(std::int64_t{inputs} * outputs, inputs),
                                              p.weights(outputs, 25)};
    };
    m.epsilon = 1e-6f;
    m.scale = 0.5f;
    m.embed_points = product(m.points, m.tokens - 1);
    m.embed_channels = product(2, m.channels);
    m.first = p.weights(m.channels, 1);
    for (std::size_t i = 0; i < layers; ++i) {
        inference::plan_mixer::layer& l = m.layers.emplace_back();
        l.token_norm = p.weights(m.channels, 1);
        l.token_in = product(m.tokens, m.token_hidden);
        l.token_out = product(m.token_hidden, m.tokens);
        l.channel_norm = p.weights(m.channels, 1);
        l.channel_in = product(m.channels, m.channel_hidden);
        l.channel_out = product(m.channel_hidden, m.channels);
    }
    m.head = product(m.channels, m.outputs);
    m.y = p.vector(m.outputs);
    of.steps.emplace_back(m);
    return p;
}

// Of 6 x 10 pixels: a map of a fixed size, and numbers of it by dense layers of few and of many outputs.
inline plan_maker plan_of_dense_layers(std::int32_t channels) {
    plan_maker p;
    inference::plan& of = p.made();
    of.input.height = 6;
    of.input.width = 10;
    inference::plan_convolution c;
    c.y = p.map(channels, 0);
    of.maps.back().height = 3;
    of.maps.back().width = 5;
    c.kernel = 3;
    c.stride = 2;
    c.pad = 1;
    p.add(c);
    for (const std::int32_t outputs : {1, 15, 70}) {
        inference::plan_dense d;
        d.x = c.y;
        d.y = p.vector(outputs);
        d.inputs = 15 * channels;
        d.outputs = outputs;
        d.weights = p.weights(std::int64_t{d.inputs} * outputs, d.inputs);
        d.bias = p.weights(outputs, 25);
        of.steps.emplace_back(d);
    }
    return p;
}

// Rows, columns, channels.
struct plain_map {
    std::int32_t height = 0, width = 0, channels = 0;
    std::vector<float> values;
    [[nodiscard]] std::size_t index(std::int32_t y, std::int32_t x, std::int32_t c) const {
        return static_cast<std::size_t>((y * width + x) * channels + c);
    }
    [[nodiscard]] float at(std::int32_t y, std::int32_t x, std::int32_t c) const { return values[index(y, x, c)]; }
    // Zero outside.
    [[nodiscard]] float around(std::int32_t y, std::int32_t x, std::int32_t c) const {
        return y >= 0 && y < height && x >= 0 && x < width ? at(y, x, c) : 0.f;
    }
};

[[nodiscard]] inline plain_map blank(std::int32_t height, std::int32_t width, std::int32_t channels) {
    return {height, width, channels, std::vector<float>(static_cast<std::size_t>(height * width * channels))};
}

// Noise around zero, a little smooth.
[[nodiscard]] inline plain_map noise(std::int32_t height, std::int32_t width, std::int32_t channels,
                                     std::uint32_t seed) {
    plain_map m = blank(height, width, channels);
    std::mt19937 random(seed);
    std::normal_distribution<float> spread;
    for (float& v : m.values)
        v = spread(random);
    return m;
}

class plan_reference {
public:
    // `round`: what operands of products are rounded by that the CPU has in bfloat16s; null: none is.
    using rounding = float (*)(float);
    plan_reference(const inference::plan& p, plain_map input, rounding round = nullptr)
        : plan_(p),
          input_(std::move(input)),
          round_(round) {
        for (const auto& m : p.maps) {
            const auto e = p.size_of(m, input_.height, input_.width);
            maps.push_back(blank(e.height, e.width, m.channels));
        }
        vectors.resize(p.vectors.size());
        for (const auto& s : p.steps)
            std::visit([this](const auto& step) { run(step); }, s);
    }

    std::vector<plain_map> maps;
    std::vector<std::vector<float>> vectors;

private:
    [[nodiscard]] const plain_map& read(inference::tensor_index x) const {
        return x < 0 ? input_ : maps[static_cast<std::size_t>(x)];
    }

    void run(const inference::plan_convolution& c) {
        plain_map x = read(c.x);
        plain_map& y = maps[static_cast<std::size_t>(c.y)];
        if (c.pool_first) x = pooled(x);
        if (c.depthwise) x = depthwise(c, x, y);
        const int stride = c.depthwise ? 1 : c.stride, pad = c.depthwise ? 0 : c.pad;
        const bool alone = !c.depthwise && !c.pool_first;
        const bool rounds = c.kernel == 1 && c.inputs % 2 == 0 && (!alone || c.inputs >= 32);
        const auto w = rounded(plan_.at(c.weights), rounds);
        const auto bias = plan_.at(c.bias);
        x.values = rounded(x.values, rounds);
        for (std::int32_t i = 0; i < y.height; ++i)
            for (std::int32_t j = 0; j < y.width; ++j)
                for (std::int32_t o = 0; o < c.outputs; ++o) {
                    double sum = bias[static_cast<std::size_t>(o)];
                    for (std::int32_t k = 0; k < c.kernel * c.kernel; ++k)
                        for (std::int32_t n = 0; n < c.inputs; ++n)
                            sum +=
                                static_cast<double>(w[static_cast<std::size_t>((k * c.inputs + n) * c.outputs + o)]) *
                                x.around(i * stride - pad + k / c.kernel, j * stride - pad + k % c.kernel, n);
                    y.values[y.index(i, j, c.into + o)] = finish(c, static_cast<float>(sum), i, j, o);
                }
    }

    [[nodiscard]] std::vector<float> rounded(std::span<const float> values, bool in_this_step) const {
        std::vector<float> all(values.begin(), values.end());
        if (in_this_step && round_ != nullptr) std::transform(all.begin(), all.end(), all.begin(), round_);
        return all;
    }

    [[nodiscard]] float finish(const inference::plan_convolution& c, float v, std::int32_t i, std::int32_t j,
                               std::int32_t o) const {
        const float other = joined(c, i, j, o);
        if (c.joined_first) v += other;
        if (v < 0 && c.act == inference::activation::relu) v = 0;
        if (v < 0 && c.act == inference::activation::prelu) v *= plan_.at(c.slopes)[static_cast<std::size_t>(o)];
        return c.joined_first ? v : v + other;
    }

    [[nodiscard]] float joined(const inference::plan_convolution& c, std::int32_t i, std::int32_t j,
                               std::int32_t o) const {
        if (c.join == inference::joining::none) return 0;
        const plain_map& from = read(c.joined);
        if (o >= from.channels) return 0;
        switch (c.join) {
            case inference::joining::none: break;
            case inference::joining::same: return from.at(i, j, o);
            case inference::joining::pooled: return largest(from, i, j, o);
            case inference::joining::doubled: return from.at(i / 2, j / 2, o);
            case inference::joining::smoothed: return smooth(from, i, j, o);
        }
        return 0;
    }

    static float largest(const plain_map& from, std::int32_t i, std::int32_t j, std::int32_t o) {
        return std::max(std::max(from.at(2 * i, 2 * j, o), from.at(2 * i, 2 * j + 1, o)),
                        std::max(from.at(2 * i + 1, 2 * j, o), from.at(2 * i + 1, 2 * j + 1, o)));
    }
    static float smooth(const plain_map& from, std::int32_t i, std::int32_t j, std::int32_t o) {
        const float y = std::clamp((static_cast<float>(i) + 0.5f) / 2 - 0.5f, 0.f, static_cast<float>(from.height - 1));
        const float x = std::clamp((static_cast<float>(j) + 0.5f) / 2 - 0.5f, 0.f, static_cast<float>(from.width - 1));
        const auto top = static_cast<std::int32_t>(y), left = static_cast<std::int32_t>(x);
        const std::int32_t below = std::min(top + 1, from.height - 1), right = std::min(left + 1, from.width - 1);
        const float fy = y - static_cast<float>(top), fx = x - static_cast<float>(left);
        return (from.at(top, left, o) * (1 - fx) + from.at(top, right, o) * fx) * (1 - fy) +
               (from.at(below, left, o) * (1 - fx) + from.at(below, right, o) * fx) * fy;
    }
    static plain_map pooled(const plain_map& x) {
        plain_map y = blank(x.height / 2, x.width / 2, x.channels);
        for (std::int32_t i = 0; i < y.height; ++i)
            for (std::int32_t j = 0; j < y.width; ++j)
                for (std::int32_t o = 0; o < y.channels; ++o)
                    y.values[y.index(i, j, o)] = largest(x, i, j, o);
        return y;
    }
    [[nodiscard]] plain_map depthwise(const inference::plan_convolution& c, const plain_map& x,
                                      const plain_map& size) const {
        plain_map y = blank(size.height, size.width, c.inputs);
        const auto w = plan_.at(c.depthwise_weights), bias = plan_.at(c.depthwise_bias);
        for (std::int32_t i = 0; i < y.height; ++i)
            for (std::int32_t j = 0; j < y.width; ++j)
                for (std::int32_t o = 0; o < c.inputs; ++o) {
                    float sum = bias[static_cast<std::size_t>(o)];
                    for (std::int32_t k = 0; k < 9; ++k)
                        sum += w[static_cast<std::size_t>(k * c.inputs + o)] *
                               x.around(i * c.stride - c.pad + k / 3, j * c.stride - c.pad + k % 3, o);
                    y.values[y.index(i, j, o)] = c.depthwise_relu ? std::max(sum, 0.f) : sum;
                }
        return y;
    }

    void run(const inference::plan_head& h) {
        const plain_map& x = read(h.x);
        const std::int32_t cells = x.height * x.width;
        const auto w = plan_.at(h.weights), bias = plan_.at(h.bias);
        std::vector<float> all(static_cast<std::size_t>(cells * h.outputs));
        for (std::int32_t i = 0; i < cells; ++i)
            for (std::int32_t o = 0; o < h.outputs; ++o) {
                double sum = bias[static_cast<std::size_t>(o)];
                for (std::int32_t n = 0; n < h.inputs; ++n)
                    sum += static_cast<double>(w[static_cast<std::size_t>(n * h.outputs + o)]) *
                           x.values[static_cast<std::size_t>(i * h.inputs + n)];
                all[static_cast<std::size_t>(i * h.outputs + o)] = static_cast<float>(sum);
            }
        std::int32_t first = 0;
        for (const auto& part : h.parts) {
            auto& y = vectors[static_cast<std::size_t>(part.y)];
            y.resize(static_cast<std::size_t>(cells * part.channels));
            for (std::int32_t i = 0; i < cells; ++i)
                for (std::int32_t o = 0; o < part.channels; ++o) {
                    const auto value = [&](std::int32_t k) {
                        return all[static_cast<std::size_t>(i * h.outputs + first + k % part.channels)];
                    };
                    const float v = part.pairs ? 1 / (1 + std::exp(value(o + part.channels / 2) - value(o))) : value(o);
                    y[static_cast<std::size_t>(part.interleaved ? i * part.channels + o : o * cells + i)] = v;
                }
            first += part.channels;
        }
    }

    // Rows of numbers.
    using rows = std::vector<std::vector<double>>;
    static rows turned(const rows& x) {
        rows t(x.front().size(), std::vector<double>(x.size()));
        for (std::size_t i = 0; i < x.size(); ++i)
            for (std::size_t k = 0; k < t.size(); ++k)
                t[k][i] = x[i][k];
        return t;
    }
    [[nodiscard]] rows product(const rows& x, const inference::plan_mixer::product& by) const {
        const auto w = plan_.at(by.weights), bias = plan_.at(by.bias);
        rows y;
        for (const auto& row : x) {
            auto& out = y.emplace_back(bias.begin(), bias.end());
            for (std::size_t k = 0; k < row.size(); ++k)
                for (std::size_t o = 0; o < out.size(); ++o)
                    out[o] += row[k] * static_cast<double>(w[k * out.size() + o]);
        }
        return y;
    }
    [[nodiscard]] rows normed(const rows& x, const inference::plan_slice& factors, float epsilon) const {
        rows y = x;
        for (auto& row : y) {
            const auto count = static_cast<double>(row.size());
            const double mean = std::accumulate(row.begin(), row.end(), 0.0) / count;
            double variance = 0;
            for (const double v : row)
                variance += (v - mean) * (v - mean) / count;
            for (std::size_t c = 0; c < row.size(); ++c)
                row[c] = (row[c] - mean) / std::sqrt(variance + static_cast<double>(epsilon)) *
                         static_cast<double>(plan_.at(factors)[c]);
        }
        return y;
    }
    [[nodiscard]] rows mixed(const rows& x, const inference::plan_mixer::product& in,
                             const inference::plan_mixer::product& out) const {
        rows hidden = product(x, in);
        for (auto& row : hidden)
            for (double& v : row)
                v = std::max(v, 0.0);
        return product(hidden, out);
    }
    static void add(rows& x, const rows& y) {
        for (std::size_t i = 0; i < x.size(); ++i)
            for (std::size_t k = 0; k < x[i].size(); ++k)
                x[i][k] += y[i][k];
    }

    void run(const inference::plan_mixer& m) {
        rows p(2, std::vector<double>(static_cast<std::size_t>(m.points)));
        for (std::size_t i = 0; i < p[0].size(); ++i)
            for (std::size_t k = 0; k < 2; ++k)
                p[k][i] = static_cast<double>(input_.values[2 * i + k]);
        for (auto& row : p) {
            const double mean = std::accumulate(row.begin(), row.end(), 0.0) / m.points;
            for (double& v : row)
                v -= mean;
        }
        double length = 0;
        for (std::size_t i = 0; i < p[0].size(); ++i)
            length += std::hypot(p[0][i], p[1][i]) / m.points;
        for (auto& row : p)
            for (double& v : row)
                v *= static_cast<double>(m.scale) / length;
        const auto first = plan_.at(m.first);
        rows x = product(turned(product(p, m.embed_points)), m.embed_channels);
        x.insert(x.begin(), std::vector<double>(first.begin(), first.end()));
        for (const auto& l : m.layers) {
            add(x, turned(mixed(turned(normed(x, l.token_norm, m.epsilon)), l.token_in, l.token_out)));
            add(x, mixed(normed(x, l.channel_norm, m.epsilon), l.channel_in, l.channel_out));
        }
        const rows logits = product({x.front()}, m.head);
        for (const double v : logits.front())
            vectors[static_cast<std::size_t>(m.y)].push_back(static_cast<float>(1 / (1 + std::exp(-v))));
    }

    void run(const inference::plan_dense& d) {
        plain_map x = read(d.x);
        const auto w = rounded(plan_.at(d.weights), x.channels % 16 == 0);
        const auto bias = plan_.at(d.bias);
        x.values = rounded(x.values, x.channels % 16 == 0);
        auto& y = vectors[static_cast<std::size_t>(d.y)];
        for (std::int32_t o = 0; o < d.outputs; ++o) {
            double sum = bias[static_cast<std::size_t>(o)];
            for (std::int32_t n = 0; n < d.inputs; ++n)
                sum += static_cast<double>(w[static_cast<std::size_t>(n * d.outputs + o)]) *
                       x.values[static_cast<std::size_t>(n)];
            y.push_back(static_cast<float>(sum));
        }
    }

    // Of the mesh alone, which is held to its graph.
    void run(const inference::plan_attention&) { ADD_FAILURE() << "no reference of attention"; }
    void run(const inference::plan_landmarks&) { ADD_FAILURE() << "no reference of landmarks"; }

    const inference::plan& plan_;
    plain_map input_;
    const rounding round_;
};

}  // namespace faceflow::internal::test
