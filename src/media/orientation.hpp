// SPDX-License-Identifier: Apache-2.0
// The orientation of a picture from its file's bytes, where libavcodec does not pass it on.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "media/pixel_format.hpp"

namespace faceflow::internal::media {

using file_bytes = std::span<const std::uint8_t>;

// The turn for EXIF's orientation, 1 to 8; upright for any other number.
[[nodiscard]] turn_and_flip turn_of_orientation(int number) noexcept;

// Writes a display matrix that read_display_matrix() reads as `turn`.
void set_display_matrix(std::int32_t* matrix, const turn_and_flip& turn) noexcept;

// These are safe on any bytes. nullopt: no orientation, or an invalid one.

// From a TIFF header and its first directory, which is also the format of EXIF data, with or without "Exif\0\0" before
// it.
[[nodiscard]] std::optional<turn_and_flip> exif_turn(file_bytes bytes) noexcept;

// From the eXIf chunk of a PNG, with or without its signature (libavformat omits it for an APNG's chunks).
[[nodiscard]] std::optional<turn_and_flip> png_turn(file_bytes bytes) noexcept;

// From the bytes for a decoder of `codec`, if that decoder does not pass orientation on.
[[nodiscard]] std::optional<turn_and_flip> coded_turn(AVCodecID codec, file_bytes bytes) noexcept;

}  // namespace faceflow::internal::media
