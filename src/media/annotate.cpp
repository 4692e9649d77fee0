// SPDX-License-Identifier: Apache-2.0
#include "media/annotate.hpp"

#include <algorithm>
#include <opencv2/imgproc.hpp>
#include <span>
#include <string>

#include "core/try.hpp"
#include "media/canvas.hpp"
#include "media/overlay.hpp"
#include "media/to_bgr.hpp"

namespace faceflow::internal::media {

namespace {

result<cv::Mat> to_bgr(const image& picture) {
    cv::Mat bgr(picture.height, picture.width, CV_8UC3);
    bgr_converter converter;
    const std::span<std::byte> into(static_cast<std::byte*>(static_cast<void*>(bgr.data)),
                                    bgr.total() * bgr.elemSize());
    FACEFLOW_TRY(converter.convert(picture, into));
    return bgr;
}

image image_of(const AVFrame& canvas, const canvas_format& format) {
    image picture;
    picture.format = pixel_format::i420;
    picture.matrix = format.matrix;
    picture.range = format.range;
    picture.width = canvas.width;
    picture.height = canvas.height;
    for (int i = 0; i < 3; ++i)
        picture.planes[static_cast<std::size_t>(i)] = {canvas.data[i], canvas.linesize[i]};
    return picture;
}

// A mask of the pixels that the drawing changed.
cv::Mat drawn_on(const yuv_planes& before, const yuv_planes& after) {
    cv::Mat y, u, v;
    cv::compare(before.y, after.y, y, cv::CMP_NE);
    cv::compare(before.u, after.u, u, cv::CMP_NE);
    cv::compare(before.v, after.v, v, cv::CMP_NE);
    cv::bitwise_or(u, v, u);
    cv::resize(u, v, y.size(), 0, 0, cv::INTER_NEAREST);
    cv::bitwise_or(y, v, y);
    return y;
}

frame_ptr frame_of(const cv::Mat& bgr, AVPixelFormat format) {
    frame_ptr frame(av_frame_alloc());
    if (!frame) return nullptr;
    frame->format = format;
    frame->width = bgr.cols;
    frame->height = bgr.rows;
    if (av_frame_get_buffer(frame.get(), 0) < 0) return nullptr;
    const scaler_ptr scaler(sws_getContext(bgr.cols, bgr.rows, AV_PIX_FMT_BGR24, bgr.cols, bgr.rows, format,
                                           SWS_BILINEAR | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INP, nullptr, nullptr,
                                           nullptr));
    const std::uint8_t* from[4] = {bgr.data};
    const int stride[4] = {static_cast<int>(bgr.step)};
    if (!scaler || sws_scale(scaler.get(), from, stride, 0, bgr.rows, frame->data, frame->linesize) < 0) return nullptr;
    return frame;
}

}  // namespace

// Draws in YUV, as videos do, and takes only the changed pixels from there: the others keep their exact colours.
result<cv::Mat> annotate(const image& picture, const frame_faces& faces) {
    auto bgr = to_bgr(picture);
    if (!bgr) return bgr;
    const cv::Mat plain = upright(*bgr, picture);
    if (faces.faces.empty()) return plain;
    canvas_maker canvases(canvas_format_of(picture));
    FACEFLOW_ASSIGN(auto canvas, canvases.make(picture));
    yuv_planes planes = canvases.planes_of(*canvas);
    const yuv_planes before{planes.y.clone(), planes.u.clone(), planes.v.clone(), planes.matrix, planes.range};
    draw_faces_on(planes, faces);
    auto drawn = to_bgr(image_of(*canvas, canvases.format()));
    if (!drawn) return drawn;
    // The canvas of a picture of odd size has an extra row or column.
    const cv::Rect area(0, 0, plain.cols, plain.rows);
    if (drawn->cols < area.width || drawn->rows < area.height || drawn->cols > area.width + 1 ||
        drawn->rows > area.height + 1) {
        return drawn;
    }
    cv::Mat both = plain.clone();
    (*drawn)(area).copyTo(both, drawn_on(before, planes)(area));
    return both;
}

result<cv::Mat> scaled_down(const image& picture, std::int32_t widest) {
    canvas_format format = canvas_format_of(picture);
    if (format.width > widest) {
        const auto even = [](std::int64_t n) { return static_cast<int>(std::max<std::int64_t>(n / 2 * 2, 2)); };
        format.height = even(std::int64_t{format.height} * widest / format.width);
        format.width = even(widest);
    }
    canvas_maker canvases(format);
    FACEFLOW_ASSIGN(const auto canvas, canvases.make(picture));
    return to_bgr(image_of(*canvas, format));
}

result<packet_ptr> encode_picture(const cv::Mat& bgr, bool png) {
    const AVCodec* codec = avcodec_find_encoder(png ? AV_CODEC_ID_PNG : AV_CODEC_ID_MJPEG);
    if (!codec) return fail(errc::unavailable, std::string("this FFmpeg writes no ") + (png ? "PNG" : "JPEG"));
    const AVPixelFormat format = png ? AV_PIX_FMT_RGB24 : AV_PIX_FMT_YUVJ444P;
    const frame_ptr frame = frame_of(bgr, format);
    const codec_ptr context(avcodec_alloc_context3(codec));
    packet_ptr packet(av_packet_alloc());
    if (!frame || !context || !packet) return fail(errc::out_of_memory, "no memory for a picture to write");
    context->width = bgr.cols;
    context->height = bgr.rows;
    context->pix_fmt = format;
    context->color_range = AVCOL_RANGE_JPEG;
    context->time_base = {1, 25};
    context->thread_count = 1;
    context->flags |= AV_CODEC_FLAG_BITEXACT | AV_CODEC_FLAG_QSCALE;
    context->global_quality = frame->quality = 2 * FF_QP2LAMBDA;  // the best quality of the JPEG encoder
    dictionary settings;
    if (png) settings.set("pred", "up");
    int code = avcodec_open2(context.get(), codec, settings.out());
    if (code >= 0) code = avcodec_send_frame(context.get(), frame.get());
    if (code >= 0) code = avcodec_send_frame(context.get(), nullptr);
    if (code >= 0) code = avcodec_receive_packet(context.get(), packet.get());
    if (code < 0) {
        return fail(errc::unsupported, "a picture of " + std::to_string(bgr.cols) + "x" + std::to_string(bgr.rows) +
                                           " cannot be encoded: " + libav_message(code));
    }
    return packet;
}

}  // namespace faceflow::internal::media
