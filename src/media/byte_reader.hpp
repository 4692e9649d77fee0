// SPDX-License-Identifier: Apache-2.0
// Reads numbers from untrusted bytes: a read beyond the end returns nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace faceflow::internal::media {

enum class byte_order { little, big };

[[nodiscard]] inline std::optional<std::uint64_t> number_at(std::span<const std::uint8_t> bytes, std::uint64_t at,
                                                            unsigned size, byte_order order) noexcept {
    if (at > bytes.size() || bytes.size() - at < size) return std::nullopt;
    std::uint64_t value = 0;
    for (unsigned i = 0; i < size; ++i)
        value = value << 8 | bytes[static_cast<std::size_t>(at) + (order == byte_order::big ? i : size - 1 - i)];
    return value;
}

// Up to `size` bytes; fewer, or none, at the end.
[[nodiscard]] inline std::span<const std::uint8_t> part_of(std::span<const std::uint8_t> bytes, std::uint64_t at,
                                                           std::uint64_t size) noexcept {
    if (at >= bytes.size()) return {};
    const std::uint64_t left = bytes.size() - at;
    return bytes.subspan(static_cast<std::size_t>(at), static_cast<std::size_t>(size < left ? size : left));
}

[[nodiscard]] inline bool starts_with(std::span<const std::uint8_t> bytes, std::string_view with) noexcept {
    if (bytes.size() < with.size()) return false;
    for (std::size_t i = 0; i < with.size(); ++i) {
        if (bytes[i] != static_cast<std::uint8_t>(with[i])) return false;
    }
    return true;
}

}  // namespace faceflow::internal::media
