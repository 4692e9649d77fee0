// SPDX-License-Identifier: Apache-2.0
// The directories of a TIFF, which is also the format of EXIF. Safe on any bytes: directories that form a cycle, lie
// outside or overlap end the walk without an error.
#pragma once

#include <cstddef>
#include <optional>
#include <span>

#include "media/byte_reader.hpp"

namespace faceflow::internal::media {

// BigTIFF, the variant for more than 4 GiB, which the class below does not read.
[[nodiscard]] inline bool is_big_tiff(std::span<const std::uint8_t> bytes) noexcept {
    return starts_with(bytes, {"II+\0", 4}) || starts_with(bytes, {"MM\0+", 4});
}

class tiff_directories {
public:
    // nullopt: no TIFF header at the start.
    [[nodiscard]] static std::optional<tiff_directories> open(std::span<const std::uint8_t> bytes) noexcept;

    // The first directory's value of `tag`, if there is a single number (SHORT or LONG).
    [[nodiscard]] std::optional<std::uint64_t> first(std::uint16_t tag) const noexcept { return find(begin_, tag); }

    // The number of pages, without thumbnails and masks. At most 65 535.
    [[nodiscard]] std::size_t pages() const noexcept;

private:
    tiff_directories(std::span<const std::uint8_t> bytes, byte_order order, std::uint64_t begin) noexcept
        : bytes_(bytes),
          order_(order),
          begin_(begin) {}
    [[nodiscard]] std::optional<std::uint64_t> find(std::uint64_t directory, std::uint16_t tag) const noexcept;

    std::span<const std::uint8_t> bytes_;
    byte_order order_;
    std::uint64_t begin_;  // of the first directory
};

}  // namespace faceflow::internal::media
