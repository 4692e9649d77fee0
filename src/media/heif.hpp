// SPDX-License-Identifier: Apache-2.0
// Stills in the box format of HEIC and AVIF: what the file says of its picture beside the coded pixels.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "media/orientation.hpp"

namespace faceflow::media {

struct heif_picture {
    std::string kind;  // of the primary item, four letters: av01, hvc1, grid …; empty where the file does not say
    std::optional<turn_and_flip> turn;  // of irot and imir, in their order; nullopt: neither is there
    std::uint64_t width = 0;            // as stored; 0 unknown
    std::uint64_t height = 0;
};

// Whether the file begins like a still of this family (avif, heic, mif1 …; sequences are videos).
[[nodiscard]] bool is_heif_still(file_bytes head) noexcept;

// Of the contents of the top-level box `meta`. Any bytes will do; what makes no sense is passed over.
[[nodiscard]] heif_picture read_heif_meta(file_bytes meta);

// Of an open file of `size` bytes, wherever in it the box is.
[[nodiscard]] heif_picture read_heif(int descriptor, std::uint64_t size);

}  // namespace faceflow::media
