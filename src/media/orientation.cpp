// SPDX-License-Identifier: Apache-2.0
#include "media/orientation.hpp"

#include "media/byte_reader.hpp"
#include "media/tiff_directory.hpp"

namespace faceflow::internal::media {

turn_and_flip turn_of_orientation(int number) noexcept {
    switch (number) {
        case 2: return {rotation::none, true};
        case 3: return {rotation::cw180, false};
        case 4: return {rotation::cw180, true};
        case 5: return {rotation::cw90, true};
        case 6: return {rotation::cw90, false};
        case 7: return {rotation::cw270, true};
        case 8: return {rotation::cw270, false};
        default: return {};
    }
}

void set_display_matrix(std::int32_t* matrix, const turn_and_flip& turn) noexcept {
    const double clockwise = turn.turn == rotation::cw90    ? 90
                             : turn.turn == rotation::cw180 ? 180
                             : turn.turn == rotation::cw270 ? 270
                                                            : 0;
    av_display_rotation_set(matrix, clockwise);
    if (turn.flipped) av_display_matrix_flip(matrix, 1, 0);
}

std::optional<turn_and_flip> exif_turn(file_bytes bytes) noexcept {
    constexpr std::uint16_t orientation_tag = 274;
    if (starts_with(bytes, {"Exif\0\0", 6})) bytes = bytes.subspan(6);
    const auto directories = tiff_directories::open(bytes);
    if (!directories) return std::nullopt;
    const auto number = directories->first(orientation_tag);
    if (!number || *number < 1 || *number > 8) return std::nullopt;
    return turn_of_orientation(static_cast<int>(*number));
}

std::optional<turn_and_flip> png_turn(file_bytes bytes) noexcept {
    constexpr std::string_view signature("\x89PNG\r\n\x1a\n", 8);
    std::uint64_t at = starts_with(bytes, signature) ? signature.size() : 0;
    // Length, name, data, checksum. The chunk may be before or after the pixels.
    while (const auto size = number_at(bytes, at, 4, byte_order::big)) {
        const file_bytes chunk = part_of(bytes, at + 4, 4 + *size);
        if (starts_with(chunk, "IEND")) break;
        if (starts_with(chunk, "eXIf")) return exif_turn(chunk.subspan(4));
        at += 12 + *size;
    }
    return std::nullopt;
}

// JPEG and WebP pass theirs on with the frame, and libjxl turns pictures itself.
std::optional<turn_and_flip> coded_turn(AVCodecID codec, file_bytes bytes) noexcept {
    switch (codec) {
        case AV_CODEC_ID_PNG:
        case AV_CODEC_ID_APNG: return png_turn(bytes);
        case AV_CODEC_ID_TIFF: return exif_turn(bytes);
        default: return std::nullopt;
    }
}

}  // namespace faceflow::internal::media
