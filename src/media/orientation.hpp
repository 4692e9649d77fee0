// SPDX-License-Identifier: Apache-2.0
// Which way up a picture is, from the bytes of its file, where libavcodec does not pass that on.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "media/pixel_format.hpp"

namespace faceflow::media {

using file_bytes = std::span<const std::uint8_t>;

// Of EXIF's number, 1 to 8; of any other, upright.
[[nodiscard]] turn_and_flip turn_of_orientation(int number) noexcept;

// A display matrix that read_display_matrix() reads as `turn`.
void set_display_matrix(std::int32_t* matrix, const turn_and_flip& turn) noexcept;

// All of these take any bytes. nullopt: nothing is said, or what is said makes no sense.

// Of a TIFF header and the first directory behind it, which is what EXIF data is, too, with or without "Exif\0\0" before it.
[[nodiscard]] std::optional<turn_and_flip> exif_turn(file_bytes bytes) noexcept;

// Of the eXIf chunk of a PNG, with or without its signature (an APNG's chunks come without from libavformat).
[[nodiscard]] std::optional<turn_and_flip> png_turn(file_bytes bytes) noexcept;

// Of the bytes that a decoder of `codec` is given, if it is one that says nothing itself.
[[nodiscard]] std::optional<turn_and_flip> coded_turn(AVCodecID codec, file_bytes bytes) noexcept;

}  // namespace faceflow::media
