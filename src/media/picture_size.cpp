// SPDX-License-Identifier: Apache-2.0
#include "media/picture_size.hpp"

#include <fmt/format.h>

#include "frame/layout.hpp"
#include "media/byte_reader.hpp"
#include "media/tiff_directory.hpp"

namespace faceflow::internal::media {

namespace {

std::optional<stated_size> numbers(file_bytes bytes, std::uint64_t width_at, std::uint64_t height_at, unsigned size,
                                   byte_order order) noexcept {
    const auto width = number_at(bytes, width_at, size, order), height = number_at(bytes, height_at, size, order);
    if (!width || !height) return std::nullopt;
    return stated_size{*width, *height};
}

// The first frame header, after any number of other segments.
std::optional<std::uint64_t> jpeg_frame(file_bytes bytes) noexcept {
    for (std::uint64_t at = 2;;) {
        const auto marker = number_at(bytes, at, 2, byte_order::big),
                   length = number_at(bytes, at + 2, 2, byte_order::big);
        if (!length || *marker < 0xFFC0) return std::nullopt;
        if (*marker <= 0xFFCF && *marker != 0xFFC4 && *marker != 0xFFC8 && *marker != 0xFFCC) return at;
        at += *marker == 0xFFFF ? 1 : 2 + *length;
    }
}

std::optional<stated_size> jpeg_size(file_bytes bytes) noexcept {
    const auto at = jpeg_frame(bytes);
    return at ? numbers(bytes, *at + 7, *at + 5, 2, byte_order::big) : std::nullopt;
}

std::optional<stated_size> tiff_size(file_bytes bytes) noexcept {
    constexpr std::uint16_t width_tag = 256, height_tag = 257;
    const auto directories = tiff_directories::open(bytes);
    if (!directories) return std::nullopt;
    const auto width = directories->first(width_tag), height = directories->first(height_tag);
    if (!width || !height) return std::nullopt;
    return stated_size{*width, *height};
}

}  // namespace

std::optional<stated_size> size_in_header(AVCodecID codec, file_bytes bytes) noexcept {
    switch (codec) {
        case AV_CODEC_ID_PNG: return numbers(bytes, 16, 20, 4, byte_order::big);
        case AV_CODEC_ID_BMP: {
            auto size = numbers(bytes, 18, 22, 4, byte_order::little);
            // Bottom-up, or top-down if the height is negative.
            if (size && size->height > INT32_MAX) size->height = (std::uint64_t{1} << 32) - size->height;
            return size;
        }
        case AV_CODEC_ID_MJPEG: return jpeg_size(bytes);
        case AV_CODEC_ID_TIFF: return tiff_size(bytes);
        default: return std::nullopt;
    }
}

bool is_arithmetic_jpeg(file_bytes bytes) noexcept {
    const auto at = jpeg_frame(bytes);
    return at && number_at(bytes, *at, 2, byte_order::big).value_or(0) > 0xFFC8;
}

result<void> check_size(const std::string& what, std::uint64_t width, std::uint64_t height) {
    constexpr auto most = static_cast<std::uint64_t>(max_dimension);
    if (width <= most && height <= most) return {};
    return fail(errc::unsupported, fmt::format("{} has {}x{} pixels, and faceflow takes at most {}x{}: scale it down",
                                               what, width, height, most, most));
}

}  // namespace faceflow::internal::media
