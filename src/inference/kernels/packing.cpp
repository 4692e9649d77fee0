// SPDX-License-Identifier: Apache-2.0
#include "inference/kernels/packing.hpp"

#include "inference/kernels/fragments.hpp"

namespace faceflow::internal::inference::kernels {
namespace {

constexpr std::size_t alignment = 256;

// Which of 16 inputs thread `lane` holds in half `i` (of 4): two pairs, the second 8 further on.
int input_of(int lane, int i, input_order order) {
    const int k = lane % 4 * 2 + i / 2 * 8 + i % 2;
    return order == input_order::as_loaded ? k : k % 8 / 2 * 4 + k / 8 * 2 + k % 2;
}

// Which of 16 outputs thread `lane` holds for the first or second 8 columns.
int output_of(int lane, int second) {
    const int column = lane / 4;
    return column / 2 * 4 + second * 2 + column % 2;
}

}  // namespace

std::vector<std::uint16_t> pack_product(std::span<const float> weights, int inputs, int outputs, input_order order) {
    const int steps = divide_up(inputs, channel_step), groups = divide_up(outputs, channel_step);
    std::vector<std::uint16_t> packed;
    packed.reserve(static_cast<std::size_t>(groups) * static_cast<std::size_t>(steps) * warp_threads * 8);
    for (int g = 0; g < groups; ++g)
        for (int s = 0; s < steps; ++s)
            for (int lane = 0; lane < warp_threads; ++lane)
                for (int i = 0; i < 8; ++i) {
                    const int k = s * channel_step + input_of(lane, i % 4, order);
                    const int n = g * channel_step + output_of(lane, i / 4);
                    const bool there = k < inputs && n < outputs;
                    packed.push_back(
                        there ? half_bits(weights[static_cast<std::size_t>(k) * static_cast<std::size_t>(outputs) +
                                                  static_cast<std::size_t>(n)])
                              : std::uint16_t{0});
                }
    return packed;
}

std::vector<float> pad_weights(std::span<const float> weights, int taps, int inputs, int outputs, int padded_inputs,
                               int padded_outputs) {
    std::vector<float> out(static_cast<std::size_t>(taps) * static_cast<std::size_t>(padded_inputs) *
                           static_cast<std::size_t>(padded_outputs));
    std::size_t from = 0;
    for (int t = 0; t < taps; ++t)
        for (int i = 0; i < inputs; ++i)
            for (int o = 0; o < outputs; ++o) {
                const std::ptrdiff_t at = (std::ptrdiff_t{t} * padded_inputs + i) * padded_outputs + o;
                out[static_cast<std::size_t>(at)] = weights[from++];
            }
    return out;
}

std::vector<std::uint16_t> to_halves(std::span<const float> values) {
    std::vector<std::uint16_t> out;
    out.reserve(values.size());
    for (const float v : values)
        out.push_back(half_bits(v));
    return out;
}

std::vector<float> padded(std::span<const float> values, int length) {
    std::vector<float> out(values.begin(), values.end());
    if (out.size() < static_cast<std::size_t>(length)) out.resize(static_cast<std::size_t>(length));
    return out;
}

std::size_t weight_store::add(std::span<const std::byte> piece) {
    const std::size_t at = (bytes_.size() + alignment - 1) / alignment * alignment;
    bytes_.resize(at);
    bytes_.insert(bytes_.end(), piece.begin(), piece.end());
    return at;
}

}  // namespace faceflow::internal::inference::kernels
