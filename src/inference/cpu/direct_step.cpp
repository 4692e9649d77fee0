// SPDX-License-Identifier: Apache-2.0
// Convolutions of the input, and 3 x 3 convolutions for which Winograd is not worth it. Rows are copied with zeros
// around them, so that a pixel's neighbours are contiguous.
#include <algorithm>

#include "inference/cpu/joined_rows.hpp"
#include "inference/cpu/step.hpp"

namespace faceflow::internal::inference::cpu {
namespace {

struct direct {
    plan_convolution c;
    packed_product of;
    kernel_set kernels;
};

constexpr std::int32_t max_kernel = 5;
// Rows per part; rows shared with the next part are copied twice.
constexpr std::int32_t rows_at_once = 8;
constexpr float not_laid = -max_kernel - 1;

class bound_direct final : public row_step {
public:
    bound_direct(const direct& d, const tensor_places& places, const weight_store& weights)
        : d_(d),
          places_(places),
          y_(places.map(d.c.y)),
          x_size_(d.c.x < 0 ? places.input_size : places.map(d.c.x).size),
          step_(d.c.x < 0 ? 3 : places.map(d.c.x).stored),
          joined_(d.c, places, d.kernels),
          product_(d.of.in(weights)) {
        width_ = (y_.size.width - 1) * d.c.stride + d.c.kernel;
        product_.input_step = step_ * d.c.stride;
        product_.pixels = y_.size.width;
        product_.out_step = y_.stored;
        product_.stored = channels_to_store(y_, d.c.into, d.c.outputs);
        // Without padding channels, a row of the kernel is one run of inputs.
        if (step_ == d.c.inputs) {
            product_.segments = d.c.kernel;
            product_.length = d.c.kernel * d.c.inputs;
        }
    }

    std::int32_t parts() const override { return (y_.size.height + rows_at_once - 1) / rows_at_once; }
    // Space for the row numbers, the copied rows, and the joined map.
    std::size_t scratch() const override {
        return channel_step + static_cast<std::size_t>(d_.c.kernel) * row_floats() + joined_.scratch(1);
    }

    void run(std::int32_t picture, std::int32_t from, std::int32_t to, float* scratch) const override {
        begin(scratch);
        const std::int32_t end = std::min(to * rows_at_once, y_.size.height);
        for (std::int32_t y = from * rows_at_once; y < end; ++y)
            run_row(picture, y, scratch);
    }

    std::int32_t rows() const override { return y_.size.height; }
    span needs(std::int32_t y) const override {
        const std::int32_t first = y * d_.c.stride - d_.c.pad;
        return {std::max(first, 0), std::min(first + d_.c.kernel, x_size_.height)};
    }
    void begin(float* scratch) const override { std::fill_n(scratch, max_kernel, not_laid); }

    void run_row(std::int32_t picture, std::int32_t y, float* scratch) const override {
        const std::int32_t kernel = d_.c.kernel;
        float* const rows = scratch + channel_step;
        product now = product_;
        const float* inputs[max_kernel * max_kernel];
        for (std::int32_t k = 0; k < kernel; ++k) {
            // Row r is in slot r % kernel; its number is stored as a float.
            const std::int32_t r = y * d_.c.stride - d_.c.pad + k, slot = (r + kernel) % kernel;
            float* const row = rows + static_cast<std::size_t>(slot) * row_floats();
            if (scratch[slot] != static_cast<float>(r)) lay_out(picture, r, row);
            scratch[slot] = static_cast<float>(r);
            if (now.segments == kernel) {
                inputs[k] = row;
            } else {
                for (std::int32_t kx = 0; kx < kernel; ++kx)
                    inputs[k * kernel + kx] = row + kx * step_;
            }
        }
        now.inputs = inputs;
        now.joined = joined_.rows(y, 1, rows + static_cast<std::size_t>(kernel) * row_floats());
        now.out = y_.row(y) + d_.c.into;
        d_.kernels.multiply(now);
    }

    step_cost cost() const override {
        const double pixels = double{1} * y_.size.height * y_.size.width;
        const double weights = double{1} * d_.c.kernel * d_.c.kernel * d_.c.inputs * d_.c.outputs;
        return {2 * pixels * weights, 4.0 * x_size_.height * x_size_.width * d_.c.inputs + 4 * pixels * d_.c.outputs +
                                          joined_.bytes() + 4 * weights};
    }

private:
    [[nodiscard]] std::size_t row_floats() const { return static_cast<std::size_t>(stored_channels(width_ * step_)); }

    // Copies row `r` of the map from pixel -pad on, with zeros outside the map.
    void lay_out(std::int32_t picture, std::int32_t r, float* to) const {
        const std::int32_t pad = d_.c.pad, there = std::min(x_size_.width, width_ - pad);
        if (r < 0 || r >= x_size_.height) {
            std::fill_n(to, std::ptrdiff_t{width_} * step_, 0.0f);
            return;
        }
        std::fill_n(to, pad * step_, 0.0f);
        float* const pixels = to + std::ptrdiff_t{pad} * step_;
        if (d_.c.x < 0) {
            const std::ptrdiff_t plane = std::ptrdiff_t{x_size_.height} * x_size_.width;
            const float* const red = places_.input_of(picture) + std::ptrdiff_t{r} * x_size_.width;
            const float* const planes[3] = {red, red + plane, red + 2 * plane};
            d_.kernels.interleave(planes, there, step_, pixels);
        } else {
            std::copy_n(places_.map(d_.c.x).row(r), std::ptrdiff_t{there} * step_, pixels);
        }
        std::fill(pixels + std::ptrdiff_t{there} * step_, to + std::ptrdiff_t{width_} * step_, 0.0f);
    }

    const direct& d_;
    const tensor_places& places_;
    const tensor_places::map_place y_;
    const plan::extent x_size_;
    const std::int32_t step_;  // floats per pixel
    const joined_rows joined_;
    product product_;
    std::int32_t width_ = 0;  // pixels of a copied row
};

class packed_direct final : public packed_step {
public:
    explicit packed_direct(const direct& d) : d_(d) {
        if (d_.c.x >= 0) maps_read = {d_.c.x};
        if (d_.c.joined >= 0) maps_read.push_back(d_.c.joined);
        maps_written = {d_.c.y};
        by_rows = true;
        rows_from = d_.c.x;
    }
    std::unique_ptr<bound_step> bind(const tensor_places& places, const weight_store& weights) const override {
        return std::make_unique<bound_direct>(d_, places, weights);
    }

private:
    const direct d_;
};

// Converts the input's pixels to a map, for steps that only read maps.
class bound_input final : public bound_step {
public:
    bound_input(tensor_index y, const kernel_set& kernels, const tensor_places& places)
        : places_(places),
          y_(places.map(y)),
          interleave_(kernels.interleave) {}
    std::int32_t parts() const override { return y_.size.height; }
    void run(std::int32_t picture, std::int32_t from, std::int32_t to, float* /*scratch*/) const override {
        const std::ptrdiff_t width = y_.size.width, plane = width * y_.size.height;
        for (std::int32_t y = from; y < to; ++y) {
            const float* const red = places_.input_of(picture) + y * width;
            const float* const planes[3] = {red, red + plane, red + 2 * plane};
            interleave_(planes, y_.size.width, y_.stored, y_.row(y));
        }
    }
    step_cost cost() const override { return {0, 2 * bytes_of(y_)}; }

private:
    const tensor_places& places_;
    const tensor_places::map_place y_;
    void (*const interleave_)(const float* const*, std::int32_t, std::ptrdiff_t, float*);
};

class packed_input final : public packed_step {
public:
    packed_input(tensor_index y, kernel_set kernels) : y_(y), kernels_(kernels) { maps_written = {y}; }
    std::unique_ptr<bound_step> bind(const tensor_places& places, const weight_store& /*weights*/) const override {
        return std::make_unique<bound_input>(y_, kernels_, places);
    }

private:
    const tensor_index y_;
    const kernel_set kernels_;
};

}  // namespace

std::unique_ptr<packed_step> pack_direct(const packing& with, const plan_convolution& c) {
    const auto of = pack_product(with.to, product_of(with.of, c), with.kernels.lanes, with.kernels.widest);
    return std::make_unique<packed_direct>(direct{c, of, with.kernels});
}

std::unique_ptr<packed_step> pack_input(const packing& with, tensor_index y) {
    return std::make_unique<packed_input>(y, with.kernels);
}

}  // namespace faceflow::internal::inference::cpu
