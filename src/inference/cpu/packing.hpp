// SPDX-License-Identifier: Apache-2.0
// Packs a plan's weights in the order that the kernels need.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "inference/cpu/kernels.hpp"
#include "inference/host_precision.hpp"
#include "inference/plan.hpp"

namespace faceflow::internal::inference::cpu {

// Stores floats aligned to cache lines. Steps keep the offsets of theirs: addresses are final only once everything is
// added.
class weight_store {
public:
    // Zeros to fill in; `at` is valid until the next call.
    struct place {
        std::size_t offset;
        std::span<float> at;
    };
    [[nodiscard]] place add(std::size_t count);
    [[nodiscard]] std::size_t add(std::span<const float> values);
    [[nodiscard]] const float* at(std::size_t offset) const { return floats() + offset; }
    [[nodiscard]] std::size_t bytes() const { return lines_.size() * sizeof(line); }

private:
    struct alignas(64) line {
        float values[channel_step] = {};
    };
    static_assert(sizeof(line) == channel_step * sizeof(float));
    [[nodiscard]] const float* floats() const { return reinterpret_cast<const float*>(lines_.data()); }
    std::vector<line> lines_;
};

// The offsets of a product's numbers in a store, and its dimensions.
struct packed_product {
    std::size_t weights = 0, bias = 0, slopes = 0;
    std::int32_t segments = 1, length = 0, outputs = 0, widest = 1;
    activation_kind act = activation_kind::none;
    host_precision in_what = host_precision::fp32;

    // The kernel for which it is packed.
    [[nodiscard]] auto kernel_of(const kernel_set& kernels) const {
        return in_what == host_precision::bf16 ? kernels.multiply_bf16 : kernels.multiply;
    }
    [[nodiscard]] std::int32_t bytes_of_weight() const { return in_what == host_precision::bf16 ? 2 : 4; }
    // A product with its numbers, but neither inputs nor outputs.
    [[nodiscard]] product in(const weight_store& from) const;
};

struct plain_product {
    std::span<const float> weights;  // [segments * length][outputs]
    std::span<const float> bias;     // [outputs]; empty: none
    std::span<const float> slopes;   // [outputs], with prelu
    activation_kind act = activation_kind::none;
    std::int32_t segments = 1, length = 0, outputs = 0;
};

// Packs in blocks of `widest` vectors of `lanes` (block_vectors()): per block, its outputs for each input. Outputs that
// pad the last vector have zero weights and no bias. For bfloat16, which needs an even `length`, the weights of inputs
// 2 k and 2 k + 1 to an output share one float.
[[nodiscard]] packed_product pack_product(weight_store& to, const plain_product& from, std::int32_t lanes,
                                          std::int32_t widest, host_precision in_what = host_precision::fp32);

[[nodiscard]] plain_product product_of(const plan& p, const plan_convolution& c);

// A depthwise 3 x 3 with padded channels: [9][stored] and [stored].
struct packed_depthwise {
    std::size_t weights = 0, bias = 0;
};
[[nodiscard]] packed_depthwise pack_depthwise(weight_store& to, const plan& p, const plan_convolution& c);

// The 36 matrices G g G' of a dense 3 x 3 [3][3][inputs][outputs] for Winograd's F(4 x 4, 3 x 3):
// [36][inputs][outputs].
[[nodiscard]] std::vector<float> winograd_weights(std::span<const float> weights, std::int32_t inputs,
                                                  std::int32_t outputs);

}  // namespace faceflow::internal::inference::cpu
