// SPDX-License-Identifier: Apache-2.0
// Dense 3 x 3 convolutions of stride 1 by Winograd's F(4 x 4, 3 x 3): several tiles at a time are transformed into 36
// planes, each plane goes through a product, and the results are transformed back to channels of the maps.
#include <algorithm>

#include "inference/cpu/joined_rows.hpp"
#include "inference/cpu/step.hpp"

namespace faceflow::internal::inference::cpu {
namespace {

constexpr std::int32_t side = 4, patch = 6, planes = patch * patch;
// The planes on both sides of the products must stay in the second-level cache, beside part of the weights.
constexpr std::int32_t plane_bytes = 448 * 1024, max_tiles = 48;
// With fewer channels, vectors are partly empty, or the transforms cost more than they save.
constexpr std::int32_t least_channels = 16;

// One convolution's share of the channels.
struct share {
    plan_convolution c;
    std::int32_t first = 0;
    std::size_t bias = 0, slopes = 0;
    activation_kind act = activation_kind::none;
};

struct winograd {
    tensor_index x = -1;
    std::int32_t inputs = 0, outputs = 0;  // outputs: stored channels of all shares
    std::vector<share> shares;
    std::vector<packed_product> of;  // [planes]
    kernel_set kernels;
};

class bound_winograd final : public bound_step {
public:
    bound_winograd(const winograd& w, const tensor_places& places, const weight_store& weights)
        : w_(w),
          x_(places.map(w.x)),
          zeros_(places.zeros),
          columns_((x_.size.width + side - 1) / side),
          tiles_(columns_ * ((x_.size.height + side - 1) / side)) {
        const std::int64_t each = std::int64_t{4} * planes * (x_.stored + w.outputs);
        const auto most = static_cast<std::int32_t>(std::clamp<std::int64_t>(plane_bytes / each, 1, max_tiles));
        parts_ = (tiles_ + most - 1) / most;
        at_once_ = (tiles_ + parts_ - 1) / parts_;
        for (const packed_product& p : w.of) {
            products_.push_back(p.in(weights));
            product& made = products_.back();
            made.input_step = x_.stored;
            made.out_step = made.stored = w.outputs;
        }
        for (const share& s : w.shares) {
            const auto& y = places.map(s.c.y);
            winograd_result r;
            r.bias = weights.at(s.bias);
            r.slopes = weights.at(s.slopes);
            r.act = s.act;
            r.row_step = y.row_step();
            r.step = y.stored;
            r.stored = channels_to_store(y, s.c.into, s.c.outputs);
            sinks_.push_back({r, y.data + s.c.into, s.first});
        }
    }

    std::int32_t parts() const override { return parts_; }
    std::size_t scratch() const override {
        const auto tiles = static_cast<std::size_t>(at_once_), channels = static_cast<std::size_t>(x_.stored);
        return planes * (tiles * (channels + static_cast<std::size_t>(w_.outputs)) + channels);
    }

    void run(std::int32_t /*picture*/, std::int32_t from, std::int32_t to, float* scratch) const override {
        for (std::int32_t i = from; i < to; ++i)
            run_tiles(i * at_once_, std::min(at_once_, tiles_ - i * at_once_), scratch);
    }

    step_cost cost() const override {
        const double pixels = double{1} * x_.size.height * x_.size.width;
        double outputs = 0;
        for (const share& s : w_.shares)
            outputs += s.c.outputs;
        return {2 * 9 * pixels * outputs * w_.inputs,
                bytes_of(x_) + 4 * pixels * outputs + 4.0 * planes * outputs * w_.inputs};
    }

private:
    struct sink {
        winograd_result how;
        float* out;  // of the map's first pixel
        std::int32_t first;
    };

    void run_tiles(std::int32_t first, std::int32_t count, float* scratch) const {
        float* const in = scratch;
        float* const out = in + std::ptrdiff_t{planes} * at_once_ * x_.stored;
        float* const edge = out + std::ptrdiff_t{planes} * at_once_ * w_.outputs;
        for (std::int32_t t = 0; t < count; ++t)
            take(first + t, count, in + std::ptrdiff_t{t} * x_.stored, edge);
        for (std::int32_t i = 0; i < planes; ++i) {
            product p = products_[static_cast<std::size_t>(i)];
            const float* const inputs = in + std::ptrdiff_t{i} * count * x_.stored;
            p.inputs = &inputs;
            p.pixels = count;
            p.out = out + std::ptrdiff_t{i} * count * w_.outputs;
            w_.kernels.multiply(p);
        }
        for (std::int32_t t = 0; t < count; ++t)
            give(first + t, count, out + std::ptrdiff_t{t} * w_.outputs);
    }

    void take(std::int32_t tile, std::int32_t count, float* to, float* edge) const {
        const std::int32_t top = tile / columns_ * side - 1, left = tile % columns_ * side - 1;
        winograd_patch p;
        p.step = p.channels = x_.stored;
        p.out = to;
        p.out_step = std::ptrdiff_t{count} * x_.stored;
        const bool inside = left >= 0 && left + patch <= x_.size.width;
        for (std::int32_t r = 0; r < patch; ++r) {
            const std::int32_t y = top + r;
            const bool there = y >= 0 && y < x_.size.height;
            if (inside) {
                p.rows[r] = there ? x_.row(y) + std::ptrdiff_t{left} * x_.stored : zeros_;
            } else {
                float* const row = edge + std::ptrdiff_t{r} * patch * x_.stored;
                copy_row(there ? x_.row(y) : nullptr, left, row);
                p.rows[r] = row;
            }
        }
        w_.kernels.winograd_in(p);
    }

    // Copies the six pixels from `left` on, with zeros outside the map.
    void copy_row(const float* row, std::int32_t left, float* to) const {
        const std::int32_t begin = std::max(left, 0), end = std::min(left + patch, x_.size.width);
        std::fill_n(to, patch * x_.stored, 0.0f);
        if (row == nullptr) return;
        std::copy(row + std::ptrdiff_t{begin} * x_.stored, row + std::ptrdiff_t{end} * x_.stored,
                  to + std::ptrdiff_t{begin - left} * x_.stored);
    }

    void give(std::int32_t tile, std::int32_t count, const float* from) const {
        const std::int32_t y = tile / columns_ * side, x = tile % columns_ * side;
        for (const sink& s : sinks_) {
            winograd_result r = s.how;
            r.in = from + s.first;
            r.in_step = std::ptrdiff_t{count} * w_.outputs;
            r.out = s.out + y * r.row_step + x * r.step;
            r.height = std::min(side, x_.size.height - y);
            r.width = std::min(side, x_.size.width - x);
            w_.kernels.winograd_out(r);
        }
    }

    const winograd& w_;
    const tensor_places::map_place x_;
    const float* const zeros_;
    const std::int32_t columns_, tiles_;
    std::int32_t parts_ = 1, at_once_ = 1;
    std::vector<product> products_;
    std::vector<sink> sinks_;
};

class packed_winograd final : public packed_step {
public:
    explicit packed_winograd(winograd w) : w_(std::move(w)) {
        maps_read = {w_.x};
        for (const share& s : w_.shares)
            maps_written.push_back(s.c.y);
    }
    std::unique_ptr<bound_step> bind(const tensor_places& places, const weight_store& weights) const override {
        return std::make_unique<bound_winograd>(w_, places, weights);
    }

private:
    const winograd w_;
};

}  // namespace

bool fits_winograd(const plan_convolution& c) {
    return c.x >= 0 && c.kernel == 3 && c.stride == 1 && c.pad == 1 && c.join == joining::none &&
           c.inputs >= least_channels && c.outputs >= least_channels;
}

std::unique_ptr<packed_step> pack_winograd(const packing& with, const std::vector<const plan_convolution*>& together) {
    winograd w;
    w.x = together.front()->x;
    w.inputs = together.front()->inputs;
    w.kernels = with.kernels;
    for (const plan_convolution* c : together) {
        const plain_product of = product_of(with.of, *c);
        // Bias and slopes are applied in the inverse transform.
        const packed_product beside = pack_product(with.to, {{}, of.bias, of.slopes, of.act, 0, 0, of.outputs},
                                                   channel_step, with.kernels.widest);
        w.shares.push_back({*c, w.outputs, beside.bias, beside.slopes, of.act});
        w.outputs += stored_channels(c->outputs);
    }
    const auto inputs = static_cast<std::size_t>(w.inputs), outputs = static_cast<std::size_t>(w.outputs);
    std::vector<float> all(planes * inputs * outputs);
    for (const share& s : w.shares) {
        const auto own = winograd_weights(with.of.at(s.c.weights), s.c.inputs, s.c.outputs);
        const auto width = static_cast<std::size_t>(s.c.outputs);
        for (std::size_t row = 0; row < planes * inputs; ++row)
            std::copy_n(own.begin() + static_cast<std::ptrdiff_t>(row * width), width,
                        all.begin() + static_cast<std::ptrdiff_t>(row * outputs + static_cast<std::size_t>(s.first)));
    }
    for (std::size_t i = 0; i < planes; ++i) {
        const std::span<const float> plane{all.data() + i * inputs * outputs, inputs * outputs};
        w.of.push_back(pack_product(with.to, {plane, {}, {}, activation_kind::none, 1, w.inputs, w.outputs},
                                    with.kernels.lanes, with.kernels.widest));
    }
    return std::make_unique<packed_winograd>(std::move(w));
}

}  // namespace faceflow::internal::inference::cpu
