// SPDX-License-Identifier: Apache-2.0
// A network on the emulation, every tensor of it in memory of its own.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <span>
#include <vector>

#include "helpers/emulated_kernels.hpp"

namespace faceflow::internal::emulation {

class emulated_network {
public:
    // For up to `most` pictures. `keep`: maps do not share memory, and can be looked at afterwards.
    [[nodiscard]] static result<emulated_network> make(std::shared_ptr<const inference::kernels::network> of,
                                                       std::int32_t height, std::int32_t width, std::int32_t most,
                                                       bool keep = true) {
        auto places = inference::kernels::tensor_placement::make(*of, height, width, most, keep);
        if (!places) return tl::unexpected(places.error());
        emulated_network made;
        made.of_ = std::move(of);
        made.places_ = std::make_unique<inference::kernels::tensor_placement>(*std::move(places));
        made.weights_ = words(made.of_->weights.size());
        std::memcpy(made.weights_.data(), made.of_->weights.data(), made.of_->weights.size());
        made.memory_ = words(made.places_->bytes_to_keep());
        made.scratch_ = words(made.places_->scratch_bytes());
        made.forget();
        return made;
    }

    // What no kernel has written is not a number.
    void forget() {
        for (auto* memory : {&memory_, &scratch_})
            std::fill(memory->begin(), memory->end(), block{~0ull, ~0ull});
    }

    // [height][width] of red, green, blue as plan_input scales them.
    void set_input(std::int32_t picture, std::span<const float> rgb) {
        const std::size_t pixels = rgb.size() / 3;
        auto* to = reinterpret_cast<std::uint16_t*>(memory_.data()) + static_cast<std::size_t>(picture) * pixels * 4;
        for (std::size_t i = 0; i < pixels; ++i)
            for (std::size_t c = 0; c < 4; ++c)
                to[i * 4 + c] = c < 3 ? half_bits(rgb[i * 3 + c]) : std::uint16_t{0};
    }

    // Of a mixer.
    void set_points(std::int32_t picture, std::span<const float> points) {
        std::memcpy(
            reinterpret_cast<std::byte*>(memory_.data()) + static_cast<std::size_t>(picture) * points.size_bytes(),
            points.data(), points.size_bytes());
    }

    [[nodiscard]] std::vector<inference::kernels::launch> launches(std::int32_t pictures) {
        return bound().launches(pictures);
    }
    [[nodiscard]] result<void> run(std::int32_t pictures, order first = order::forwards) {
        return emulation::run(launches(pictures), first);
    }

    [[nodiscard]] bool has_map(inference::tensor_index i) const {
        return places_->map(i).at != inference::kernels::tensor_placement::nowhere;
    }
    [[nodiscard]] bool has_vector(inference::tensor_index i) const {
        return places_->vector(i).at != inference::kernels::tensor_placement::nowhere;
    }
    // [height][width][stored channels] of a picture.
    [[nodiscard]] std::vector<float> map(inference::tensor_index i, std::int32_t picture) {
        const auto e = places_->size(i);
        const std::size_t n = static_cast<std::size_t>(e.height) * static_cast<std::size_t>(e.width) *
                              static_cast<std::size_t>(bound().channels(i));
        const auto* from =
            reinterpret_cast<const std::uint16_t*>(bound().map(i)) + static_cast<std::size_t>(picture) * n;
        std::vector<float> out;
        for (std::size_t k = 0; k < n; ++k)
            out.push_back(float_of_half(from[k]));
        return out;
    }
    [[nodiscard]] std::vector<float> vector(inference::tensor_index i, std::int32_t picture) {
        const auto n = static_cast<std::size_t>(places_->length(i));
        const float* from = bound().vector(i) + static_cast<std::size_t>(picture) * n;
        return {from, from + n};
    }
    [[nodiscard]] std::size_t bytes() const { return places_->bytes(); }
    [[nodiscard]] const inference::plan& plan() const { return of_->of; }
    [[nodiscard]] const inference::kernels::tensor_placement& places() const { return *places_; }
    [[nodiscard]] const inference::kernels::network& network() const { return *of_; }

private:
    struct alignas(16) block {
        unsigned long long a, b;
    };
    static std::vector<block> words(std::size_t bytes) { return std::vector<block>(bytes / sizeof(block) + 1); }
    [[nodiscard]] inference::kernels::binding_memory bound() {
        return {*of_,
                *places_,
                reinterpret_cast<std::byte*>(weights_.data()),
                reinterpret_cast<std::byte*>(memory_.data()),
                nullptr,
                reinterpret_cast<std::byte*>(scratch_.data())};
    }

    std::shared_ptr<const inference::kernels::network> of_;
    std::unique_ptr<inference::kernels::tensor_placement> places_;
    std::vector<block> weights_, memory_, scratch_;
};

// An H100.
[[nodiscard]] inline inference::kernels::card large_card() {
    return {227 * 1024, 228 * 1024, 2048, 132, true};
}

}  // namespace faceflow::internal::emulation
