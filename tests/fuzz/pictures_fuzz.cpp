// SPDX-License-Identifier: Apache-2.0
// What a picture's file says of itself beside its pixels: no bytes make the readers of it read outside, run on or overflow.
#include <cstdint>
#include <string>

#include "media/heif.hpp"
#include "media/orientation.hpp"
#include "media/picture_size.hpp"
#include "media/tiff_directory.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace faceflow::internal::media;
    const file_bytes bytes(data, size);
    [[maybe_unused]] const auto exif = exif_turn(bytes);
    [[maybe_unused]] const auto png = png_turn(bytes);
    if (const auto directories = tiff_directories::open(bytes); directories && directories->pages() > 65'535)
        __builtin_trap();
    [[maybe_unused]] const bool heif = is_heif_still(bytes);
    [[maybe_unused]] const heif_picture meta = read_heif_meta(bytes);
    for (const AVCodecID codec : {AV_CODEC_ID_PNG, AV_CODEC_ID_BMP, AV_CODEC_ID_MJPEG, AV_CODEC_ID_TIFF})
        [[maybe_unused]] const auto stated = size_in_header(codec, bytes);
    [[maybe_unused]] const bool arithmetic = is_arithmetic_jpeg(bytes);
    return 0;
}
