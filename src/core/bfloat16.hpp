// SPDX-License-Identifier: Apache-2.0
// bfloat16 (the upper half of a single-precision number) as bits.
#pragma once

#include <bit>
#include <cstdint>

namespace faceflow::internal {

// Rounds to nearest, ties to even; overflow becomes infinity.
[[nodiscard]] constexpr std::uint16_t bfloat16_bits(float value) {
    const auto bits = std::bit_cast<std::uint32_t>(value);
    if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<std::uint16_t>(bits >> 16 | 0x40u);  // NaN
    return static_cast<std::uint16_t>((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

[[nodiscard]] constexpr float float_of_bfloat16(std::uint16_t bits) {
    return std::bit_cast<float>(std::uint32_t{bits} << 16);
}

}  // namespace faceflow::internal
