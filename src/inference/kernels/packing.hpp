// SPDX-License-Identifier: Apache-2.0
// Weights as kernels take them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace faceflow::inference::kernels {

// In which order threads hold the 16 inputs of a product: as matrices are loaded from memory, or as a product, or a
// depthwise sum of four channels a thread, leaves them in registers.
enum class input_order : std::uint8_t { as_loaded, by_fours };

// [inputs][outputs] as tensor cores take them, with zeros up to multiples of 16: for each 16 outputs and each 16 inputs
// 32 threads' 8 halves. Outputs are permuted so that a thread's sums are of four channels side by side.
[[nodiscard]] std::vector<std::uint16_t> pack_product(std::span<const float> weights, int inputs, int outputs,
                                                      input_order order = input_order::as_loaded);

// [taps][inputs][outputs] with so many more inputs and outputs of zeros.
[[nodiscard]] std::vector<float> pad_weights(std::span<const float> weights, int taps, int inputs, int outputs,
                                             int padded_inputs, int padded_outputs);

[[nodiscard]] std::vector<std::uint16_t> to_halves(std::span<const float> values);
// With so many values at least, zeros at the end.
[[nodiscard]] std::vector<float> padded(std::span<const float> values, int length);

// Bytes to upload in one go, in which each piece begins at a multiple of 256.
class weight_store {
public:
    // Returns where it begins.
    std::size_t add(std::span<const std::byte> piece);
    template <class T>
    std::size_t add(const std::vector<T>& values) {
        return add(std::as_bytes(std::span<const T>(values)));
    }
    [[nodiscard]] std::vector<std::byte> take() { return std::move(bytes_); }

private:
    std::vector<std::byte> bytes_;
};

}  // namespace faceflow::inference::kernels
