// SPDX-License-Identifier: Apache-2.0
// The map that a convolution adds to its product, as pixels beside those of the output.
#pragma once

#include <algorithm>

#include "inference/cpu/step.hpp"

namespace faceflow::internal::inference::cpu {

class joined_rows {
public:
    joined_rows() = default;
    joined_rows(const plan_convolution& c, const tensor_places& places, const kernel_set& kernels)
        : kernels_(&kernels),
          how_(c.join),
          first_(c.joined_first) {
        if (how_ == joining::none) return;
        from_ = &places.map(c.joined);
        width_ = places.map(c.y).size.width;
    }

    // Floats of scratch memory for `rows` rows of the output.
    [[nodiscard]] std::size_t scratch(std::int32_t rows) const {
        if (how_ == joining::none || how_ == joining::same) return 0;
        return static_cast<std::size_t>(rows) * static_cast<std::size_t>(width_) *
               static_cast<std::size_t>(from_->stored);
    }

    // The joined pixels for rows `y` to `y` + `rows` - 1 of the output.
    [[nodiscard]] joined_pixels rows(std::int32_t y, std::int32_t rows, float* scratch) const {
        if (how_ == joining::none) return {};
        if (how_ == joining::same) return {from_->row(y), from_->stored, from_->channels, first_};
        const std::ptrdiff_t row = std::ptrdiff_t{width_} * from_->stored;
        for (std::int32_t r = 0; r < rows; ++r)
            make(y + r, scratch + r * row);
        return {scratch, from_->stored, from_->channels, first_};
    }

    [[nodiscard]] double bytes() const { return how_ == joining::none ? 0 : bytes_of(*from_); }

private:
    void make(std::int32_t y, float* to) const {
        const std::int32_t channels = from_->stored, width = from_->size.width;
        if (how_ == joining::pooled) {
            kernels_->pool(from_->row(2 * y), from_->row(2 * y + 1), width_, channels, to);
        } else if (how_ == joining::doubled) {
            kernels_->repeat(from_->row(y / 2), width, channels, to);
        } else {
            // At 2 y the centre is a quarter before that of row y, at 2 y + 1 a quarter after it.
            const std::int32_t other =
                y % 2 != 0 ? std::min(y / 2 + 1, from_->size.height - 1) : std::max(y / 2 - 1, 0);
            kernels_->smooth(from_->row(y / 2), from_->row(other), width, channels, to);
        }
    }

    const kernel_set* kernels_ = nullptr;
    const tensor_places::map_place* from_ = nullptr;
    joining how_ = joining::none;
    bool first_ = false;
    std::int32_t width_ = 0;
};

// The number of channels of `y`, from `into` on, that a step with `outputs` may write: padding channels included if no
// other step's channels follow and vectors are aligned.
[[nodiscard]] inline std::int32_t channels_to_store(const tensor_places::map_place& y, std::int32_t into,
                                                    std::int32_t outputs) {
    return into + outputs == y.channels && into % channel_step == 0 ? stored_channels(outputs) : outputs;
}

}  // namespace faceflow::internal::inference::cpu
