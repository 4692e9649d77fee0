// SPDX-License-Identifier: Apache-2.0
#include "media/to_bgr.hpp"

#include <array>
#include <string>

#include "frame/layout.hpp"
#include "media/pixel_format.hpp"

namespace faceflow::internal::media {

image bgr_converter::target_of(const image& picture) noexcept {
    image bgr;
    bgr.format = pixel_format::bgr24;
    bgr.matrix = colour_matrix::rgb;
    bgr.range = colour_range::full;
    bgr.turn = picture.turn;
    bgr.mirrored = picture.mirrored;
    bgr.square_width = picture.square_width;
    bgr.width = picture.width;
    bgr.height = picture.height;
    return bgr;
}

result<void> bgr_converter::convert(const image& picture, std::span<std::byte> into) {
    const image target = target_of(picture);
    if (into.size() < native_bytes(target.format, target.width, target.height))
        return fail(errc::internal, "too little memory for a picture in BGR");
    const AVPixelFormat from = to_libav_format(picture.format);
    scaler_.reset(from == AV_PIX_FMT_NONE ? nullptr
                                          : sws_getCachedContext(scaler_.release(), picture.width, picture.height, from,
                                                                 picture.width, picture.height, AV_PIX_FMT_BGR24,
                                                                 SWS_BILINEAR, nullptr, nullptr, nullptr));
    if (!scaler_)
        return fail(errc::unsupported, "pictures of format " + std::string(name(picture.format)) +
                                           " cannot be turned into BGR, which --flow copied passes on");
    const int* matrix = sws_getCoefficients(libav_matrix(picture.matrix));
    const bool full = picture.matrix == colour_matrix::rgb || picture.range == colour_range::full;
    sws_setColorspaceDetails(scaler_.get(), matrix, full ? 1 : 0, matrix, 1, 0, 1 << 16, 1 << 16);
    std::array<const std::uint8_t*, 4> data{};
    std::array<int, 4> strides{};
    for (std::size_t i = 0; i < data.size(); ++i) {
        data[i] = picture.planes[i].data;
        strides[i] = picture.planes[i].stride;
    }
    std::uint8_t* out[4] = {reinterpret_cast<std::uint8_t*>(into.data())};
    const int stride[4] = {3 * picture.width};
    const int rows = sws_scale(scaler_.get(), data.data(), strides.data(), 0, picture.height, out, stride);
    if (rows < 0) return fail(errc::unsupported, "a picture could not be turned into BGR: " + libav_message(rows));
    return {};
}

}  // namespace faceflow::internal::media
