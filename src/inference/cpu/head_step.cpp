// SPDX-License-Identifier: Apache-2.0
// Steps whose outputs are vectors: heads of detectors, and products of a whole map.
#include <algorithm>

#include "inference/cpu/step.hpp"

namespace faceflow::internal::inference::cpu {
namespace {

struct head {
    plan_head h;
    packed_product of;
    kernel_set kernels;
};

class bound_head final : public bound_step {
public:
    bound_head(const head& h, const tensor_places& places, const weight_store& weights)
        : h_(h),
          x_(places.map(h.h.x)),
          cells_(x_.size.height * x_.size.width),
          product_(h.of.in(weights)) {
        product_.input_step = x_.stored;
        product_.out_step = product_.stored = stored_channels(h.h.outputs);
        for (const plan_head::part& p : h.h.parts)
            to_.push_back(places.vector(p.y));
    }

    std::int32_t parts() const override { return (cells_ + at_once - 1) / at_once; }
    std::size_t scratch() const override { return std::size_t{at_once} * static_cast<std::size_t>(product_.stored); }

    void run(std::int32_t picture, std::int32_t from, std::int32_t to, float* scratch) const override {
        product now = product_;
        now.out = scratch;
        for (std::int32_t i = from; i < to; ++i) {
            const std::int32_t first = i * at_once, cells = std::min(at_once, cells_ - first);
            const float* const inputs = x_.data + std::ptrdiff_t{first} * x_.stored;
            now.inputs = &inputs;
            now.pixels = cells;
            h_.kernels.multiply(now);
            std::int32_t channel = 0;
            for (std::size_t k = 0; k < to_.size(); ++k) {
                tell(h_.h.parts[k], scratch + channel, to_[k].of(picture), first, cells);
                channel += h_.h.parts[k].channels;
            }
        }
    }

    step_cost cost() const override {
        const double weights = double{1} * h_.h.inputs * h_.h.outputs;
        return {2 * weights * cells_, bytes_of(x_) + 4.0 * cells_ * h_.h.outputs + 4 * weights};
    }

private:
    static constexpr std::int32_t at_once = 96;  // cells

    // Writes a part's channels; `from` is the first cell's first channel.
    void tell(const plan_head::part& part, const float* from, float* to, std::int32_t first, std::int32_t cells) const {
        const std::ptrdiff_t step = product_.stored;
        if (part.interleaved) {
            for (std::int32_t i = 0; i < cells; ++i)
                std::copy_n(from + i * step, part.channels, to + std::ptrdiff_t{first + i} * part.channels);
            return;
        }
        h_.kernels.separate(from, step, cells, part.channels, to + first, cells_);
        if (!part.pairs) return;
        const std::ptrdiff_t half_way = std::ptrdiff_t{part.channels / 2} * cells_;
        for (std::int32_t c = 0; c < part.channels / 2; ++c) {
            float* const plane = to + std::ptrdiff_t{c} * cells_ + first;
            h_.kernels.softmax(plane, plane + half_way, cells);
        }
    }

    const head& h_;
    const tensor_places::map_place x_;
    const std::int32_t cells_;
    product product_;
    std::vector<tensor_places::vector_place> to_;
};

struct dense {
    plan_dense d;
    packed_product of;
    kernel_set kernels;
};

class bound_dense final : public bound_step {
public:
    bound_dense(const dense& d, const tensor_places& places, const weight_store& weights)
        : d_(d),
          x_(places.map(d.d.x)),
          y_(places.vector(d.d.y)),
          rounds_(d.of.in_what == host_precision::bf16),
          product_(d.of.in(weights)) {
        // With padding channels, pixels are not contiguous.
        if (!rounds_)
            for (std::int32_t i = 0; i < product_.segments; ++i)
                inputs_.push_back(x_.data + std::ptrdiff_t{i} * x_.stored);
        if (x_.stored == x_.channels) {
            product_.length *= product_.segments;
            product_.segments = 1;
        }
        product_.inputs = inputs_.data();
        product_.pixels = 1;
        product_.stored = d.d.outputs;
    }
    std::int32_t parts() const override { return 1; }
    std::size_t scratch() const override {
        return rounds_ ? static_cast<std::size_t>(stored_channels(d_.d.inputs)) / 2 : 0;
    }
    void run(std::int32_t picture, std::int32_t /*from*/, std::int32_t /*to*/, float* scratch) const override {
        product now = product_;
        const float* const rounded = scratch;
        if (rounds_) {
            d_.kernels.round(x_.data, d_.d.inputs, scratch);
            now.inputs = &rounded;
        }
        now.out = y_.of(picture);
        d_.of.kernel_of(d_.kernels)(now);
    }
    step_cost cost() const override {
        const double weights = double{1} * d_.d.inputs * d_.d.outputs;
        return {2 * weights, bytes_of(x_) + 4.0 * d_.d.outputs + d_.of.bytes_of_weight() * weights};
    }

private:
    const dense& d_;
    const tensor_places::map_place x_;
    const tensor_places::vector_place y_;
    const bool rounds_;
    product product_;
    std::vector<const float*> inputs_;
};

class packed_head final : public packed_step {
public:
    explicit packed_head(head h) : h_(std::move(h)) { maps_read = {h_.h.x}; }
    std::unique_ptr<bound_step> bind(const tensor_places& places, const weight_store& weights) const override {
        return std::make_unique<bound_head>(h_, places, weights);
    }

private:
    const head h_;
};

class packed_dense final : public packed_step {
public:
    explicit packed_dense(const dense& d) : d_(d) { maps_read = {d_.d.x}; }
    std::unique_ptr<bound_step> bind(const tensor_places& places, const weight_store& weights) const override {
        return std::make_unique<bound_dense>(d_, places, weights);
    }

private:
    const dense d_;
};

}  // namespace

std::unique_ptr<packed_step> pack_head(const packing& with, const plan_head& h) {
    const plain_product from{
        with.of.at(h.weights), with.of.at(h.bias), {}, activation_kind::none, 1, h.inputs, h.outputs};
    // Always in single precision: later steps cannot correct rounding here, and it is only a fortieth of a detector's
    // work.
    const auto of = pack_product(with.to, from, with.kernels.lanes, with.kernels.widest);
    return std::make_unique<packed_head>(head{h, of, with.kernels});
}

std::unique_ptr<packed_step> pack_dense(const packing& with, const plan_dense& d) {
    const std::int32_t channels = with.of.maps[static_cast<std::size_t>(d.x)].channels;
    const plain_product from{with.of.at(d.weights), with.of.at(d.bias), {},       activation_kind::none,
                             d.inputs / channels,   channels,           d.outputs};
    // A single pixel has few sums, and only this many in parallel hide one another's latency.
    constexpr std::int32_t widest = 4;
    // bf16 pairs need the whole map as one run of inputs, which it is without padding channels.
    const auto in_what = channels % channel_step == 0 ? with.in_what : host_precision::fp32;
    const auto of = pack_product(with.to, from, with.kernels.lanes, widest, in_what);
    return std::make_unique<packed_dense>(dense{d, of, with.kernels});
}

}  // namespace faceflow::internal::inference::cpu
