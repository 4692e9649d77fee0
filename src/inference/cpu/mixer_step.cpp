// SPDX-License-Identifier: Apache-2.0
// An MLP-Mixer over points (plan_mixer), all of it in scratch memory: the products are those of 1 x 1 convolutions, with
// tokens or, after a transposition, channels as their pixels.
#include <algorithm>
#include <cmath>

#include "inference/cpu/step.hpp"

namespace faceflow::internal::inference::cpu {
namespace {

struct mixer_layer {
    std::size_t token_norm = 0, channel_norm = 0;
    packed_product token_in, token_out, channel_in, channel_out;
};

struct mixer {
    plan_mixer of;
    packed_product embed_points, embed_channels, head;
    std::size_t first = 0;
    std::vector<mixer_layer> layers;
    kernel_set kernels;
};

// Rows of floats; a row has room for a multiple of channel_step.
struct matrix {
    float* data = nullptr;
    std::int32_t rows = 0, columns = 0;

    [[nodiscard]] std::ptrdiff_t step() const { return stored_channels(columns); }
    [[nodiscard]] float* row(std::int32_t r) const { return data + r * step(); }
};

void transpose(const matrix& from, const matrix& to) {
    for (std::int32_t r = 0; r < from.rows; ++r) {
        for (std::int32_t c = 0; c < from.columns; ++c)
            to.row(c)[r] = from.row(r)[c];
    }
}

class bound_mixer final : public bound_step {
public:
    bound_mixer(const mixer& m, const tensor_places& places, const weight_store& weights)
        : m_(m),
          places_(places),
          weights_(weights) {}

    std::int32_t parts() const override { return 1; }

    std::size_t scratch() const override {
        return static_cast<std::size_t>(2 * map_floats() + turned_floats()) + hidden_floats();
    }

    void run(std::int32_t picture, std::int32_t, std::int32_t, float* scratch) const override {
        const auto [x_at, normed_at, turned_at, hidden_at] = areas(scratch);
        const plan_mixer& of = m_.of;
        const matrix x{x_at, of.tokens, of.channels}, normed{normed_at, of.tokens, of.channels};
        const matrix turned{turned_at, of.channels, of.tokens};
        embed(places_.input_of(picture), x, turned_at, hidden_at);
        for (const mixer_layer& l : m_.layers) {
            normalise(x, l.token_norm, normed);
            transpose(normed, turned);
            mix(l.token_in, l.token_out, turned, hidden_at, turned);
            for (std::int32_t t = 0; t < of.tokens; ++t) {
                for (std::int32_t c = 0; c < of.channels; ++c)
                    x.row(t)[c] += turned.row(c)[t];
            }
            normalise(x, l.channel_norm, normed);
            mix(l.channel_in, l.channel_out, normed, hidden_at, normed);
            for (std::int32_t t = 0; t < of.tokens; ++t) {
                for (std::int32_t c = 0; c < of.channels; ++c)
                    x.row(t)[c] += normed.row(t)[c];
            }
        }
        const matrix head{hidden_at, 1, of.outputs};
        multiply(m_.head, {x.data, 1, of.channels}, head);
        float* const y = places_.vector(of.y).of(picture);
        for (std::int32_t i = 0; i < of.outputs; ++i)
            y[i] = 1 / (1 + std::exp(-head.data[i]));
    }

    step_cost cost() const override {
        const plan_mixer& of = m_.of;
        const double layer = 2.0 * of.tokens * of.channels * (of.token_hidden + of.channel_hidden);
        const double embed = 2.0 * of.points * (of.tokens - 1) + 2.0 * of.channels * (of.tokens - 1);
        const double layers = static_cast<double>(m_.layers.size());
        return {2 * (layers * layer + embed + 1.0 * of.channels * of.outputs),
                4 * (2.0 * of.points + of.outputs) + static_cast<double>(weights_.bytes())};
    }

private:
    [[nodiscard]] std::ptrdiff_t map_floats() const {
        return std::ptrdiff_t{m_.of.tokens} * stored_channels(m_.of.channels);
    }
    [[nodiscard]] std::ptrdiff_t turned_floats() const {
        return std::ptrdiff_t{m_.of.channels} * stored_channels(m_.of.tokens);
    }
    struct area {
        float *x, *normed, *turned, *hidden;
    };
    [[nodiscard]] area areas(float* scratch) const {
        const std::ptrdiff_t map = map_floats();
        return {scratch, scratch + map, scratch + 2 * map, scratch + 2 * map + turned_floats()};
    }
    // Also holds the points on their way to tokens.
    [[nodiscard]] std::size_t hidden_floats() const {
        const plan_mixer& of = m_.of;
        const std::int64_t hidden =
            std::max({std::int64_t{of.tokens} * stored_channels(of.channel_hidden),
                      std::int64_t{of.channels} * stored_channels(of.token_hidden),
                      std::int64_t{2} * stored_channels(of.points) + std::int64_t{of.tokens} * channel_step,
                      std::int64_t{stored_channels(of.outputs)}});
        return static_cast<std::size_t>(hidden);
    }

    void multiply(const packed_product& by, const matrix& in, const matrix& out) const {
        product p = by.in(weights_);
        const float* const inputs = in.data;
        p.inputs = &inputs;
        p.input_step = in.step();
        p.pixels = in.rows;
        p.out = out.data;
        p.out_step = out.step();
        p.stored = stored_channels(out.columns);
        m_.kernels.multiply(p);
    }

    // `out` may be `in`.
    void mix(const packed_product& first, const packed_product& second, const matrix& in, float* hidden,
             const matrix& out) const {
        const matrix between{hidden, in.rows, first.outputs};
        multiply(first, in, between);
        multiply(second, between, out);
    }

    // Points centred, divided by their mean length and scaled; their two coordinates as rows; tokens as columns; turned.
    void embed(const float* points, const matrix& x, float* turned, float* hidden) const {
        const plan_mixer& of = m_.of;
        float centre[2] = {};
        for (std::int32_t i = 0; i < of.points; ++i) {
            for (std::int32_t k = 0; k < 2; ++k)
                centre[k] += points[2 * i + k];
        }
        for (float& c : centre)
            c /= static_cast<float>(of.points);
        const matrix rows{hidden, 2, of.points}, tokens{turned, 2, of.tokens - 1};
        const matrix pairs{hidden + 2 * rows.step(), of.tokens - 1, 2};
        float length = 0;
        for (std::int32_t i = 0; i < of.points; ++i) {
            for (std::int32_t k = 0; k < 2; ++k)
                rows.row(k)[i] = points[2 * i + k] - centre[k];
            length += std::sqrt(rows.row(0)[i] * rows.row(0)[i] + rows.row(1)[i] * rows.row(1)[i]);
        }
        const float by = of.scale / (length / static_cast<float>(of.points));
        for (std::int32_t k = 0; k < 2; ++k) {
            for (std::int32_t i = 0; i < of.points; ++i)
                rows.row(k)[i] *= by;
        }
        multiply(m_.embed_points, rows, tokens);
        transpose(tokens, pairs);
        std::copy_n(weights_.at(m_.first), of.channels, x.data);
        multiply(m_.embed_channels, pairs, {x.row(1), of.tokens - 1, of.channels});
    }

    void normalise(const matrix& x, std::size_t factors, const matrix& out) const {
        const float* const factor = weights_.at(factors);
        const auto count = static_cast<float>(x.columns);
        for (std::int32_t t = 0; t < x.rows; ++t) {
            const float* const in = x.row(t);
            float mean = 0, variance = 0;
            for (std::int32_t c = 0; c < x.columns; ++c)
                mean += in[c];
            mean /= count;
            for (std::int32_t c = 0; c < x.columns; ++c)
                variance += (in[c] - mean) * (in[c] - mean);
            const float by = 1 / std::sqrt(variance / count + m_.of.epsilon);
            for (std::int32_t c = 0; c < x.columns; ++c)
                out.row(t)[c] = (in[c] - mean) * by * factor[c];
        }
    }

    const mixer& m_;
    const tensor_places& places_;
    const weight_store& weights_;
};

class packed_mixer final : public packed_step {
public:
    explicit packed_mixer(mixer m) : m_(std::move(m)) {}
    std::unique_ptr<bound_step> bind(const tensor_places& places, const weight_store& weights) const override {
        return std::make_unique<bound_mixer>(m_, places, weights);
    }

private:
    const mixer m_;
};

}  // namespace

std::unique_ptr<packed_step> pack_mixer(const packing& with, const plan_mixer& m) {
    const auto pack = [&](const plan_mixer::product& p, std::int32_t inputs, std::int32_t outputs,
                          activation_kind act = activation_kind::none) {
        const plain_product from{with.of.at(p.weights), with.of.at(p.bias), {}, act, 1, inputs, outputs};
        return pack_product(with.to, from, with.kernels.lanes, with.kernels.widest);
    };
    mixer made{m, {}, {}, {}, 0, {}, with.kernels};
    made.embed_points = pack(m.embed_points, m.points, m.tokens - 1);
    made.embed_channels = pack(m.embed_channels, 2, m.channels);
    made.first = with.to.add(with.of.at(m.first));
    for (const plan_mixer::layer& l : m.layers) {
        mixer_layer& to = made.layers.emplace_back();
        to.token_norm = with.to.add(with.of.at(l.token_norm));
        to.token_in = pack(l.token_in, m.tokens, m.token_hidden, activation_kind::relu);
        to.token_out = pack(l.token_out, m.token_hidden, m.tokens);
        to.channel_norm = with.to.add(with.of.at(l.channel_norm));
        to.channel_in = pack(l.channel_in, m.channels, m.channel_hidden, activation_kind::relu);
        to.channel_out = pack(l.channel_out, m.channel_hidden, m.channels);
    }
    made.head = pack(m.head, m.channels, m.outputs);
    return std::make_unique<packed_mixer>(std::move(made));
}

}  // namespace faceflow::internal::inference::cpu
