// SPDX-License-Identifier: Apache-2.0
#include "media/canvas.hpp"

#include <algorithm>
#include <array>
#include <opencv2/imgproc.hpp>

#include "core/try.hpp"
#include "media/pixel_format.hpp"

namespace faceflow::internal::media {

namespace {

int half(int size) {
    return (size + 1) / 2;
}

// OpenCV has no read-only view; sources are only ever copied from. Bottom-up pictures (negative stride) never come
// here.
cv::Mat view(const std::uint8_t* data, int width, int height, int stride, int channels = 1) {
    return {height, width, CV_8UC(channels), const_cast<std::uint8_t*>(data), static_cast<std::size_t>(stride)};
}

struct three_planes {
    std::array<cv::Mat, 3> planes;
};

bool copied_by_planes(const image& picture) {
    const bool known = picture.format == pixel_format::i420 || picture.format == pixel_format::nv12 ||
                       picture.format == pixel_format::nv21 || picture.format == pixel_format::gray8;
    return known && picture.planes[0].stride > 0 && picture.planes[1].stride >= 0 && picture.planes[2].stride >= 0;
}

bool stored_as(const canvas_format& format, const image& picture) {
    return picture.turn == rotation::none && !picture.mirrored && picture.width == format.width &&
           picture.height == format.height;
}

three_planes split(const image& picture) {
    const int w = picture.width;
    const int h = picture.height;
    three_planes parts;
    parts.planes[0] = view(picture.planes[0].data, w, h, picture.planes[0].stride);
    if (picture.format == pixel_format::gray8) {
        parts.planes[1] = cv::Mat(half(h), half(w), CV_8U, cv::Scalar(128));
        parts.planes[2] = parts.planes[1];
    } else if (picture.format == pixel_format::i420) {
        for (int i : {1, 2}) {
            parts.planes[i] = view(picture.planes[i].data, half(w), half(h), picture.planes[i].stride);
        }
    } else {
        const cv::Mat pairs = view(picture.planes[1].data, half(w), half(h), picture.planes[1].stride, 2);
        const bool u_first = picture.format == pixel_format::nv12;
        cv::extractChannel(pairs, parts.planes[1], u_first ? 0 : 1);
        cv::extractChannel(pairs, parts.planes[2], u_first ? 1 : 0);
    }
    return parts;
}

// Copies into a plane that may be one column or row larger (an odd picture), or scales into one of another size.
void fill(const cv::Mat& from, cv::Mat to) {
    const int right = to.cols - from.cols;
    const int bottom = to.rows - from.rows;
    if (right < 0 || bottom < 0 || right > 1 || bottom > 1) {
        const bool smaller = right <= 0 && bottom <= 0;
        cv::resize(from, to, to.size(), 0, 0, smaller ? cv::INTER_AREA : cv::INTER_LINEAR);
    } else {
        cv::copyMakeBorder(from, to, 0, bottom, 0, right, cv::BORDER_REPLICATE);
    }
}

// swscale always converts palettes to YUV by BT.601, so palettes are looked up here.
cv::Mat expand_palette(const image& picture) {
    cv::Mat pixels(picture.height, picture.width, CV_8UC4);
    const std::uint8_t* palette = picture.planes[1].data;
    for (int y = 0; y < picture.height; ++y) {
        const std::uint8_t* indices = picture.planes[0].data + std::ptrdiff_t{y} * picture.planes[0].stride;
        std::uint8_t* row = pixels.ptr(y);
        for (int x = 0; x < picture.width; ++x)
            std::copy_n(palette + 4 * indices[x], 4, row + 4 * x);
    }
    return pixels;
}

}  // namespace

cv::Mat upright(const cv::Mat& plane, const image& picture) {
    if (picture.mirrored) {
        // Mirroring after a turn equals the opposite turn after mirroring.
        image mirrored_first = picture;
        mirrored_first.mirrored = false;
        if (picture.sideways()) mirrored_first.turn = picture.turn == rotation::cw90 ? rotation::cw270 : rotation::cw90;
        cv::Mat mirrored;
        cv::flip(plane, mirrored, 1);
        return upright(mirrored, mirrored_first);
    }
    cv::Mat turned;
    switch (picture.turn) {
        case rotation::cw90: cv::rotate(plane, turned, cv::ROTATE_90_CLOCKWISE); break;
        case rotation::cw180: cv::rotate(plane, turned, cv::ROTATE_180); break;
        case rotation::cw270: cv::rotate(plane, turned, cv::ROTATE_90_COUNTERCLOCKWISE); break;
        case rotation::none: return plane;
    }
    return turned;
}

canvas_format canvas_format_of(const image& picture) noexcept {
    canvas_format format;
    format.width = 2 * half(picture.upright_width());
    format.height = 2 * half(picture.upright_height());
    format.transfer = picture.transfer;
    if (picture.matrix != colour_matrix::rgb) {
        format.matrix = picture.matrix;
        format.range = picture.range;
    }
    return format;
}

result<frame_ptr> canvas_maker::allocate(int width, int height) const {
    frame_ptr frame(av_frame_alloc());
    if (!frame) return fail(errc::out_of_memory, "no memory for a frame to draw on");
    frame->format = AV_PIX_FMT_YUV420P;
    frame->width = width;
    frame->height = height;
    if (av_frame_get_buffer(frame.get(), 0) < 0) return fail(errc::out_of_memory, "no memory for a frame to draw on");
    return frame;
}

result<void> canvas_maker::convert(const image& picture, AVFrame& to) {
    if (picture.format == pixel_format::pal8) {
        const cv::Mat pixels = expand_palette(picture);
        image expanded = picture;
        expanded.format = pixel_format::bgra32;
        expanded.planes = {plane{pixels.data, static_cast<std::int32_t>(pixels.step)}};
        return convert(expanded, to);
    }
    const AVPixelFormat from = to_libav_format(picture.format);
    if (from == AV_PIX_FMT_NONE) {
        return fail(errc::unsupported,
                    "pictures of format " + std::string(name(picture.format)) + " cannot be drawn on");
    }
    scaler_.reset(sws_getCachedContext(scaler_.release(), picture.width, picture.height, from, picture.width,
                                       picture.height, AV_PIX_FMT_YUV420P, SWS_BILINEAR | SWS_ACCURATE_RND, nullptr,
                                       nullptr, nullptr));
    if (!scaler_)
        return fail(errc::unsupported,
                    "pictures of format " + std::string(name(picture.format)) + " cannot be converted");
    const bool from_rgb = picture.matrix == colour_matrix::rgb;
    const int* matrix = sws_getCoefficients(libav_matrix(from_rgb ? format_.matrix : picture.matrix));
    const int full = format_.range == colour_range::full ? 1 : 0;
    const int from_full = from_rgb || picture.range == colour_range::full ? 1 : 0;
    sws_setColorspaceDetails(scaler_.get(), matrix, from_full, matrix, full, 0, 1 << 16, 1 << 16);
    std::array<const std::uint8_t*, 4> data{};
    std::array<int, 4> strides{};
    for (std::size_t i = 0; i < data.size(); ++i) {
        data[i] = picture.planes[i].data;
        strides[i] = picture.planes[i].stride;
    }
    const int rows = sws_scale(scaler_.get(), data.data(), strides.data(), 0, picture.height, to.data, to.linesize);
    if (rows < 0) return fail(errc::unsupported, "a picture could not be converted: " + libav_message(rows));
    return {};
}

result<frame_ptr> canvas_maker::make(const image& picture) {
    if (picture.width <= 0 || picture.height <= 0 || !picture.planes[0].data) {
        return fail(errc::invalid_argument, "a frame without pixels cannot be drawn on");
    }
    image stored = picture;
    frame_ptr converted;  // keeps `stored` alive
    if (!copied_by_planes(picture) || picture.range != format_.range) {
        FACEFLOW_ASSIGN(converted, allocate(picture.width, picture.height));
        FACEFLOW_TRY(convert(picture, *converted));
        if (stored_as(format_, picture)) return converted;
        stored.format = pixel_format::i420;
        for (int i = 0; i < 3; ++i)
            stored.planes[i] = {converted->data[i], converted->linesize[i]};
    }
    FACEFLOW_ASSIGN(auto canvas, allocate(format_.width, format_.height));
    three_planes parts = split(stored);
    yuv_planes target = planes_of(*canvas);
    fill(upright(parts.planes[0], picture), target.y);
    fill(upright(parts.planes[1], picture), target.u);
    fill(upright(parts.planes[2], picture), target.v);
    return canvas;
}

yuv_planes canvas_maker::planes_of(AVFrame& canvas) const {
    yuv_planes planes;
    planes.y = view(canvas.data[0], canvas.width, canvas.height, canvas.linesize[0]);
    planes.u = view(canvas.data[1], canvas.width / 2, canvas.height / 2, canvas.linesize[1]);
    planes.v = view(canvas.data[2], canvas.width / 2, canvas.height / 2, canvas.linesize[2]);
    planes.matrix = format_.matrix;
    planes.range = format_.range;
    return planes;
}

}  // namespace faceflow::internal::media
