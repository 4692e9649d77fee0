// SPDX-License-Identifier: Apache-2.0
// Half precision (IEEE 754 binary16) as bits, for memory read by a GPU's tensor cores. Host and device produce the same
// bits.
#pragma once

#include <cstdint>
#include <cstring>

#include "core/hd.hpp"
#ifdef __CUDA_ARCH__
#include <cuda_fp16.h>
#endif

namespace faceflow::internal {

// Rounds to nearest, ties to even; overflow becomes infinity.
FACEFLOW_HD inline std::uint16_t half_bits(float value) {
#ifdef __CUDA_ARCH__
    return __half_as_ushort(__float2half_rn(value));
#else
    std::uint32_t bits = 0;
    std::memcpy(&bits, &value, sizeof bits);
    const std::uint32_t sign = bits >> 16 & 0x8000u, magnitude = bits & 0x7fffffffu;
    if (magnitude > 0x7f800000u) return static_cast<std::uint16_t>(sign | 0x7fffu);   // NaN
    if (magnitude >= 0x477ff000u) return static_cast<std::uint16_t>(sign | 0x7c00u);  // 65520 and above
    // below the smallest normal number
    if (magnitude < 0x38800000u) {
        float small = 0;
        std::memcpy(&small, &magnitude, sizeof small);
        const float shifted = small + 0.5f;  // its last bits are then those of the rounded half
        std::memcpy(&bits, &shifted, sizeof bits);
        return static_cast<std::uint16_t>(sign | (bits - 0x3f000000u));
    }
    const std::uint32_t rounded = magnitude + 0xfffu + (magnitude >> 13 & 1u);
    return static_cast<std::uint16_t>(sign | ((rounded - 0x38000000u) >> 13));
#endif
}

[[nodiscard]] FACEFLOW_HD inline float float_of_half(std::uint16_t half) {
#ifdef __CUDA_ARCH__
    return __half2float(__ushort_as_half(half));
#else
    const std::uint32_t sign = (half & 0x8000u) << 16, exponent = half >> 10 & 0x1fu, fraction = half & 0x3ffu;
    float value = 0;
    if (exponent == 0) {
        value = static_cast<float>(fraction) * 0x1p-24f;
        return sign != 0 ? -value : value;
    }
    const std::uint32_t bits = sign | (exponent == 0x1f ? 0x7f800000u : (exponent + 112u) << 23) | fraction << 13;
    std::memcpy(&value, &bits, sizeof value);
    return value;
#endif
}

}  // namespace faceflow::internal
