// SPDX-License-Identifier: Apache-2.0
// 1 x 1 convolutions: products of whole rows, which are those of the map or are first produced in a buffer.
#include <algorithm>

#include "inference/cpu/joined_rows.hpp"
#include "inference/cpu/step.hpp"

namespace faceflow::internal::inference::cpu {
namespace {

// A part has as many rows as keep their buffer in the first-level cache, but enough pixels to make loading the weights
// worthwhile.
constexpr std::int32_t buffer_bytes = 20 * 1024, least_pixels = 24;
// Fewest inputs of a bfloat16 product whose map is not in such a buffer.
constexpr std::int32_t least_rounded_alone = 32;

struct pointwise {
    plan_convolution c;
    packed_product of;
    packed_depthwise before;
    kernel_set kernels;
};

class bound_pointwise final : public row_step {
public:
    bound_pointwise(const pointwise& p, const tensor_places& places, const weight_store& weights)
        : p_(p),
          x_(places.map(p.c.x)),
          y_(places.map(p.c.y)),
          zeros_(places.zeros),
          joined_(p.c, places, p.kernels),
          makes_(p.c.depthwise || p.c.pool_first),
          rounds_(p.of.in_what == host_precision::bf16),
          product_(p.of.in(weights)) {
        depthwise_.width = x_.size.width;
        depthwise_.stride = p.c.stride;
        depthwise_.pad = p.c.pad;
        depthwise_.channels = x_.stored;
        depthwise_.weights = weights.at(p.before.weights);
        depthwise_.bias = weights.at(p.before.bias);
        depthwise_.relu = p.c.depthwise_relu;
        depthwise_.outputs = y_.size.width;
        product_.input_step = rounds_ ? x_.stored / 2 : x_.stored;
        product_.out_step = y_.stored;
        product_.stored = channels_to_store(y_, p.c.into, p.c.outputs);
        const std::int32_t width = y_.size.width;
        const std::int64_t rows = buffer_bytes / (std::int64_t{4} * width * x_.stored);
        rows_ =
            std::max(static_cast<std::int32_t>(std::max<std::int64_t>(rows, 1)), (least_pixels + width - 1) / width);
        rows_ = x_.whole() && y_.whole() ? std::min(rows_, y_.size.height) : 1;
    }

    std::int32_t parts() const override { return (y_.size.height + rows_ - 1) / rows_; }

    std::size_t scratch() const override { return made() + joined_.scratch(rows_); }

    void run(std::int32_t /*picture*/, std::int32_t from, std::int32_t to, float* scratch) const override {
        for (std::int32_t i = from; i < to; ++i)
            run_rows(i * rows_, std::min(rows_, y_.size.height - i * rows_), scratch);
    }

    std::int32_t rows() const override { return y_.size.height; }
    span needs(std::int32_t y) const override {
        if (p_.c.pool_first) return {2 * y, 2 * y + 2};
        if (!p_.c.depthwise) return {y, y + 1};
        const std::int32_t first = y * p_.c.stride - p_.c.pad;
        // The joined map may be the input.
        const std::int32_t joined = p_.c.join == joining::pooled ? 2 * y + 2 : y + 1;
        return {std::max(first, 0), std::min(std::max(first + 3, joined), x_.size.height)};
    }
    void begin(float* /*scratch*/) const override {}
    void run_row(std::int32_t /*picture*/, std::int32_t y, float* scratch) const override { run_rows(y, 1, scratch); }

    step_cost cost() const override {
        const double pixels = double{1} * y_.size.height * y_.size.width, depthwise = p_.c.depthwise ? 9 : 0;
        const double taps = depthwise * p_.c.inputs, weights = double{1} * p_.c.outputs * p_.c.inputs;
        return {2 * pixels * (taps + weights), bytes_of(x_) + 4 * pixels * p_.c.outputs + joined_.bytes() + 4 * taps +
                                                   p_.of.bytes_of_weight() * weights};
    }

private:
    void run_rows(std::int32_t y, std::int32_t rows, float* scratch) const {
        if (makes_) make(y, rows, scratch);
        const float* inputs = makes_ ? scratch : x_.row(y);
        if (rounds_) {
            p_.kernels.round(inputs, std::ptrdiff_t{rows} * y_.size.width * x_.stored, scratch);
            inputs = scratch;
        }
        product now = product_;
        now.inputs = &inputs;
        now.joined = joined_.rows(y, rows, scratch + made());
        now.pixels = rows * y_.size.width;
        now.out = y_.row(y) + p_.c.into;
        p_.of.kernel_of(p_.kernels)(now);
    }

    // Floats of the rows that are produced or rounded for the product.
    [[nodiscard]] std::size_t made() const {
        const auto floats = static_cast<std::size_t>(rows_) * static_cast<std::size_t>(y_.size.width) *
                            static_cast<std::size_t>(x_.stored);
        return makes_ ? floats : rounds_ ? floats / 2 : 0;
    }

    void make(std::int32_t y, std::int32_t rows, float* to) const {
        const std::int32_t width = y_.size.width;
        depthwise_row d = depthwise_;
        for (std::int32_t r = y; r < y + rows; ++r, to += std::ptrdiff_t{width} * x_.stored) {
            if (p_.c.pool_first) {
                p_.kernels.pool(x_.row(2 * r), x_.row(2 * r + 1), width, x_.stored, to);
                continue;
            }
            for (std::int32_t k = 0; k < 3; ++k) {
                const std::int32_t at = r * p_.c.stride - p_.c.pad + k;
                d.rows[k] = at >= 0 && at < x_.size.height ? x_.row(at) : zeros_;
            }
            d.out = to;
            p_.kernels.depthwise(d);
        }
    }

    const pointwise& p_;
    const tensor_places::map_place x_, y_;
    const float* const zeros_;
    const joined_rows joined_;
    const bool makes_, rounds_;
    product product_;
    depthwise_row depthwise_;
    std::int32_t rows_ = 1;
};

class packed_pointwise final : public packed_step {
public:
    explicit packed_pointwise(const pointwise& p) : p_(p) {
        maps_read = {p_.c.x};
        if (p_.c.joined >= 0) maps_read.push_back(p_.c.joined);
        maps_written = {p_.c.y};
        by_rows = true;
        rows_from = p_.c.x;
    }
    std::unique_ptr<bound_step> bind(const tensor_places& places, const weight_store& weights) const override {
        return std::make_unique<bound_pointwise>(p_, places, weights);
    }

private:
    const pointwise p_;
};

host_precision precision_of(const packing& with, const plan_convolution& c) {
    // bfloat16 inputs come in pairs. Rounding a map for few sums gains little: rounding RetinaFace's first map, from
    // which everything else derives, would add as much to the boxes' errors as all other rounding together.
    const bool worth = c.depthwise || c.pool_first || c.inputs >= least_rounded_alone;
    return c.inputs % 2 == 0 && worth ? with.in_what : host_precision::fp32;
}

}  // namespace

std::unique_ptr<packed_step> pack_pointwise(const packing& with, const plan_convolution& c) {
    const auto of =
        pack_product(with.to, product_of(with.of, c), with.kernels.lanes, with.kernels.widest, precision_of(with, c));
    const auto before = c.depthwise ? pack_depthwise(with.to, with.of, c) : packed_depthwise{};
    return std::make_unique<packed_pointwise>(pointwise{c, of, before, with.kernels});
}

}  // namespace faceflow::internal::inference::cpu
