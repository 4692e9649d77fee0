// SPDX-License-Identifier: Apache-2.0
// Packs weights in the order that the kernels need.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace faceflow::internal::inference::kernels {

// The order in which threads hold the 16 inputs of a product: as matrices are loaded from memory, or as a product, or a
// depthwise sum of four channels per thread, leaves them in registers.
enum class input_order : std::uint8_t { as_loaded, by_fours };

// Packs [inputs][outputs] for tensor cores, with zeros up to multiples of 16: for each 16 outputs and 16 inputs, 8
// halves for each of 32 threads. Outputs are permuted so that a thread's sums are of four adjacent channels.
[[nodiscard]] std::vector<std::uint16_t> pack_product(std::span<const float> weights, int inputs, int outputs,
                                                      input_order order = input_order::as_loaded);

// Pads [taps][inputs][outputs] with zero inputs and outputs.
[[nodiscard]] std::vector<float> pad_weights(std::span<const float> weights, int taps, int inputs, int outputs,
                                             int padded_inputs, int padded_outputs);

[[nodiscard]] std::vector<std::uint16_t> to_halves(std::span<const float> values);
// Pads with zeros to at least `length` values.
[[nodiscard]] std::vector<float> padded(std::span<const float> values, int length);

// Bytes to upload at once; each piece is aligned to 256.
class weight_store {
public:
    // Returns its offset.
    std::size_t add(std::span<const std::byte> piece);
    template <class T>
    std::size_t add(const std::vector<T>& values) {
        return add(std::as_bytes(std::span<const T>(values)));
    }
    [[nodiscard]] std::vector<std::byte> take() { return std::move(bytes_); }

private:
    std::vector<std::byte> bytes_;
};

}  // namespace faceflow::internal::inference::kernels
