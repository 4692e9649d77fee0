// SPDX-License-Identifier: Apache-2.0
// Stills in the box format of HEIC and AVIF: the file's metadata about its picture.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "media/orientation.hpp"

namespace faceflow::internal::media {

struct heif_picture {
    std::string kind;  // of the primary item, four letters: av01, hvc1, grid …; empty if the file does not say
    std::optional<turn_and_flip> turn;  // from irot and imir, in their order; nullopt: neither is present
    std::uint64_t width = 0;            // as stored; 0: unknown
    std::uint64_t height = 0;
};

// Whether the file begins like a still of this family (avif, heic, mif1 …; sequences are videos).
[[nodiscard]] bool is_heif_still(file_bytes head) noexcept;

// Parses the content of the top-level box `meta`. Safe on any bytes; invalid parts are skipped.
[[nodiscard]] heif_picture read_heif_meta(file_bytes meta);

// Parses an open file of `size` bytes, wherever the box is.
[[nodiscard]] heif_picture read_heif(int descriptor, std::uint64_t size);

}  // namespace faceflow::internal::media
