// SPDX-License-Identifier: Apache-2.0
#include "media/tiff_directory.hpp"

namespace faceflow::internal::media {

namespace {

constexpr std::uint64_t entry_bytes = 12;
constexpr std::size_t max_directories = 65'535;

}  // namespace

std::optional<tiff_directories> tiff_directories::open(std::span<const std::uint8_t> bytes) noexcept {
    byte_order order;
    if (starts_with(bytes, {"II*\0", 4})) {
        order = byte_order::little;
    } else if (starts_with(bytes, {"MM\0*", 4})) {
        order = byte_order::big;
    } else {
        return std::nullopt;
    }
    const auto begin = number_at(bytes, 4, 4, order);
    if (!begin) return std::nullopt;
    return tiff_directories(bytes, order, *begin);
}

std::optional<std::uint64_t> tiff_directories::find(std::uint64_t directory, std::uint16_t tag) const noexcept {
    constexpr std::uint64_t type_short = 3, type_long = 4;
    const std::uint64_t entries = number_at(bytes_, directory, 2, order_).value_or(0);
    for (std::uint64_t i = 0; i < entries; ++i) {
        const std::uint64_t at = directory + 2 + i * entry_bytes;
        const auto found = number_at(bytes_, at, 2, order_);
        if (!found) return std::nullopt;  // the directory is cut off
        if (*found != tag) continue;
        const auto type = number_at(bytes_, at + 2, 2, order_), count = number_at(bytes_, at + 4, 4, order_);
        if (!count || *count < 1 || (*type != type_short && *type != type_long)) return std::nullopt;
        if (*count * (*type == type_short ? 2 : 4) > 4) return std::nullopt;  // stored elsewhere: not a single number
        return number_at(bytes_, at + 8, *type == type_short ? 2 : 4, order_);
    }
    return std::nullopt;
}

std::size_t tiff_directories::pages() const noexcept {
    constexpr std::uint16_t subfile_tag = 254;
    constexpr std::uint64_t thumbnail = 1, mask = 4;
    std::size_t pages = 0;
    std::uint64_t slow = begin_;  // advances at half speed: detects a cycle
    const auto next = [&](std::uint64_t directory) {
        const std::uint64_t entries = number_at(bytes_, directory, 2, order_).value_or(0);
        return number_at(bytes_, directory + 2 + entries * entry_bytes, 4, order_).value_or(0);
    };
    std::uint64_t directory = begin_;
    for (std::size_t i = 0; i < max_directories && number_at(bytes_, directory, 2, order_); ++i) {
        if ((find(directory, subfile_tag).value_or(0) & (thumbnail | mask)) == 0) ++pages;
        directory = next(directory);
        if (i % 2 == 1) slow = next(slow);
        if (directory == 0) return pages;
        if (directory == slow) return 1;  // a cycle has no page count
    }
    return pages;
}

}  // namespace faceflow::internal::media
