// SPDX-License-Identifier: Apache-2.0
// A network on the CPU's kernels, and everything that lies in its memory.
#pragma once

#include <hwy/targets.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <new>
#include <string_view>
#include <utility>
#include <vector>

#include "inference/cpu/prepared_network.hpp"
#include "support.hpp"

namespace faceflow::internal::test {

// Those that this build has kernels for, and this machine runs: for hwy::SetSupportedTargetsForTest.
inline std::vector<std::int64_t> instruction_sets() {
    return hwy::SupportedAndGeneratedTargets();
}

// Just so much memory, aligned as a pool's: a sanitizer sees what goes beyond.
class exact_floats {
public:
    explicit exact_floats(std::size_t count) : count_(count), data_(new (alignment) float[count]()) {}
    exact_floats(const exact_floats&) = delete;
    ~exact_floats() { ::operator delete[](data_, alignment); }
    [[nodiscard]] float* data() const { return data_; }
    [[nodiscard]] std::size_t size() const { return count_; }

private:
    static constexpr std::align_val_t alignment{64};
    const std::size_t count_;
    float* const data_;
};

class host_network {
public:
    using maps = inference::cpu::memory_layout::maps;

    // Of a size that the network takes.
    host_network(inference::plan of, std::int32_t height, std::int32_t width, std::int32_t most,
                 maps how = maps::shared, inference::host_precision in_what = inference::host_precision::fp32)
        : network_(inference::cpu::prepared_network::make(std::move(of), in_what)),
          pixels_(static_cast<std::size_t>(height) * static_cast<std::size_t>(width)),
          input_(3 * pixels_ * static_cast<std::size_t>(most)),
          layout_(*inference::cpu::memory_layout::make(*network_, height, width, most, how)),
          memory_(layout_.bytes() / sizeof(float)),
          steps_(network_, layout_, memory_.data(), input_.data()),
          scratch_(std::max<std::size_t>(steps_.scratch(), 1)) {
        // What no step has written is no number: whoever takes it shows.
        std::fill_n(memory_.data(), memory_.size(), std::numeric_limits<float>::quiet_NaN());
        std::ptrdiff_t longest = 0;
        for (const auto& m : steps_.places().maps)
            longest = std::max(longest, m.row_step());
        std::fill_n(memory_.data() + (steps_.places().zeros - memory_.data()), longest, 0.0f);
    }

    [[nodiscard]] const inference::plan& plan() const { return network_->of(); }
    [[nodiscard]] const inference::cpu::prepared_network& network() const { return *network_; }
    [[nodiscard]] std::size_t bytes() const { return layout_.bytes(); }

    // Rows, columns, colours.
    void set_input(std::int32_t picture, const std::vector<float>& rgb) {
        float* const to = input_.data() + 3 * pixels_ * static_cast<std::size_t>(picture);
        for (std::size_t i = 0; i < pixels_; ++i)
            for (std::size_t c = 0; c < 3; ++c)
                to[c * pixels_ + i] = rgb[3 * i + c];
    }

    // Of a mixer.
    void set_points(std::int32_t picture, const std::vector<float>& points) {
        std::copy(points.begin(), points.end(), input_.data() + static_cast<std::size_t>(picture) * pixels_);
    }

    void run(std::int32_t first, std::int32_t n) { steps_.run(first, n, scratch_.data()); }
    // Each part of a step by itself, the last one first, with scratch memory full of what is no number.
    void run_backwards(std::int32_t picture) {
        for (const auto& s : steps_.steps()) {
            for (std::int32_t i = s->parts(); i-- > 0;) {
                std::fill_n(scratch_.data(), scratch_.size(), std::numeric_limits<float>::quiet_NaN());
                s->run(picture, i, i + 1, scratch_.data());
            }
        }
    }

    // Rows, columns, channels; of the picture that ran last.
    [[nodiscard]] std::vector<float> map(inference::tensor_index i) const {
        const auto& m = steps_.places().map(i);
        std::vector<float> all;
        for (std::int32_t p = 0; p < m.size.height * m.size.width; ++p)
            all.insert(all.end(), m.data + std::ptrdiff_t{p} * m.stored,
                       m.data + std::ptrdiff_t{p} * m.stored + m.channels);
        return all;
    }
    [[nodiscard]] std::vector<float> vector(inference::tensor_index i, std::int32_t picture) const {
        const auto& v = steps_.places().vector(i);
        return {v.of(picture), v.of(picture) + v.length};
    }
    // Empty for a name that is no vector's.
    [[nodiscard]] std::vector<float> vector(std::string_view name, std::int32_t picture) const {
        for (std::size_t i = 0; i < plan().vectors.size(); ++i)
            if (plan().vectors[i].name == name) return vector(static_cast<inference::tensor_index>(i), picture);
        return {};
    }

private:
    std::shared_ptr<const inference::cpu::prepared_network> network_;
    std::size_t pixels_;
    exact_floats input_;
    inference::cpu::memory_layout layout_;
    exact_floats memory_;
    inference::cpu::prepared_binding steps_;
    exact_floats scratch_;
};

}  // namespace faceflow::internal::test
