// SPDX-License-Identifier: Apache-2.0
#include "media/pixel_format.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <string>

#include "core/try.hpp"
#include "frame/layout.hpp"
#include "media/orientation.hpp"

namespace faceflow::internal::media {

namespace {

struct format_pair {
    AVPixelFormat av;
    pixel_format ours;
};

// The first entry for each of our formats is the target of conversions.
constexpr std::array format_pairs = {
    format_pair{AV_PIX_FMT_GRAY8, pixel_format::gray8},
    format_pair{AV_PIX_FMT_GRAY10LE, pixel_format::gray10le},
    format_pair{AV_PIX_FMT_GRAY12LE, pixel_format::gray12le},
    format_pair{AV_PIX_FMT_GRAY16LE, pixel_format::gray16le},
    format_pair{AV_PIX_FMT_YUV420P, pixel_format::i420},
    format_pair{AV_PIX_FMT_YUVJ420P, pixel_format::i420},
    format_pair{AV_PIX_FMT_YUVA420P, pixel_format::i420},
    format_pair{AV_PIX_FMT_YUV422P, pixel_format::i422},
    format_pair{AV_PIX_FMT_YUVJ422P, pixel_format::i422},
    format_pair{AV_PIX_FMT_YUVA422P, pixel_format::i422},
    format_pair{AV_PIX_FMT_YUV440P, pixel_format::i440},
    format_pair{AV_PIX_FMT_YUVJ440P, pixel_format::i440},
    format_pair{AV_PIX_FMT_YUV444P, pixel_format::i444},
    format_pair{AV_PIX_FMT_YUVJ444P, pixel_format::i444},
    format_pair{AV_PIX_FMT_YUVA444P, pixel_format::i444},
    format_pair{AV_PIX_FMT_YUV411P, pixel_format::i411},
    format_pair{AV_PIX_FMT_YUVJ411P, pixel_format::i411},
    format_pair{AV_PIX_FMT_YUV420P10LE, pixel_format::i420_10le},
    format_pair{AV_PIX_FMT_YUV422P10LE, pixel_format::i422_10le},
    format_pair{AV_PIX_FMT_YUV444P10LE, pixel_format::i444_10le},
    format_pair{AV_PIX_FMT_YUV420P12LE, pixel_format::i420_12le},
    format_pair{AV_PIX_FMT_YUV422P12LE, pixel_format::i422_12le},
    format_pair{AV_PIX_FMT_YUV444P12LE, pixel_format::i444_12le},
    format_pair{AV_PIX_FMT_NV12, pixel_format::nv12},
    format_pair{AV_PIX_FMT_NV21, pixel_format::nv21},
    format_pair{AV_PIX_FMT_NV16, pixel_format::nv16},
    format_pair{AV_PIX_FMT_P010LE, pixel_format::p010le},
#ifdef AV_PIX_FMT_P012  // FFmpeg 6 and later
    format_pair{AV_PIX_FMT_P012LE, pixel_format::p012le},
#endif
    format_pair{AV_PIX_FMT_YUYV422, pixel_format::yuyv422},
    format_pair{AV_PIX_FMT_UYVY422, pixel_format::uyvy422},
    format_pair{AV_PIX_FMT_RGB24, pixel_format::rgb24},
    format_pair{AV_PIX_FMT_BGR24, pixel_format::bgr24},
    format_pair{AV_PIX_FMT_RGBA, pixel_format::rgba32},
    format_pair{AV_PIX_FMT_RGB0, pixel_format::rgba32},
    format_pair{AV_PIX_FMT_BGRA, pixel_format::bgra32},
    format_pair{AV_PIX_FMT_BGR0, pixel_format::bgra32},
    format_pair{AV_PIX_FMT_ARGB, pixel_format::argb32},
    format_pair{AV_PIX_FMT_0RGB, pixel_format::argb32},
    format_pair{AV_PIX_FMT_ABGR, pixel_format::abgr32},
    format_pair{AV_PIX_FMT_0BGR, pixel_format::abgr32},
    format_pair{AV_PIX_FMT_GBRP, pixel_format::gbrp},
    format_pair{AV_PIX_FMT_GBRAP, pixel_format::gbrp},
    format_pair{AV_PIX_FMT_GBRP10LE, pixel_format::gbrp10le},
    format_pair{AV_PIX_FMT_GBRAP10LE, pixel_format::gbrp10le},
    format_pair{AV_PIX_FMT_PAL8, pixel_format::pal8},
};

bool is_jpeg_variant(AVPixelFormat format) noexcept {
    return format == AV_PIX_FMT_YUVJ420P || format == AV_PIX_FMT_YUVJ422P || format == AV_PIX_FMT_YUVJ440P ||
           format == AV_PIX_FMT_YUVJ444P || format == AV_PIX_FMT_YUVJ411P;
}

bool is_rgb(AVPixelFormat format) noexcept {
    const AVPixFmtDescriptor* about = av_pix_fmt_desc_get(format);
    return about && (about->flags & (AV_PIX_FMT_FLAG_RGB | AV_PIX_FMT_FLAG_PAL)) != 0;
}

bool is_gray(AVPixelFormat format) noexcept {
    const AVPixFmtDescriptor* about = av_pix_fmt_desc_get(format);
    return about && about->nb_components <= 2 && !is_rgb(format);
}

// Broadcast codecs define unspecified range as limited, also for monochrome; elsewhere gray means 0..max.
bool limited_by_definition(AVCodecID codec) noexcept {
    return codec == AV_CODEC_ID_H264 || codec == AV_CODEC_ID_HEVC || codec == AV_CODEC_ID_AV1 ||
           codec == AV_CODEC_ID_VP9;
}

colour_matrix matrix_of(const AVFrame& frame) noexcept {
    if (is_rgb(static_cast<AVPixelFormat>(frame.format))) return colour_matrix::rgb;
    switch (frame.colorspace) {
        case AVCOL_SPC_BT709:
        case AVCOL_SPC_SMPTE240M: return colour_matrix::bt709;  // 240M differs from 709 by less than 1 %
        case AVCOL_SPC_BT470BG:
        case AVCOL_SPC_SMPTE170M:
        case AVCOL_SPC_FCC: return colour_matrix::bt601;
        case AVCOL_SPC_BT2020_NCL:
        case AVCOL_SPC_BT2020_CL: return colour_matrix::bt2020;
        default: return frame.height >= 720 ? colour_matrix::bt709 : colour_matrix::bt601;
    }
}

void read_colour(const AVFrame& frame, AVCodecID codec, image& picture) noexcept {
    const auto format = static_cast<AVPixelFormat>(frame.format);
    const bool jpeg = is_jpeg_variant(format) || codec == AV_CODEC_ID_MJPEG;
    picture.matrix = jpeg && frame.colorspace == AVCOL_SPC_UNSPECIFIED ? colour_matrix::bt601 : matrix_of(frame);
    if (is_rgb(format) || is_jpeg_variant(format)) {
        picture.range = colour_range::full;
    } else if (frame.color_range != AVCOL_RANGE_UNSPECIFIED) {
        picture.range = frame.color_range == AVCOL_RANGE_JPEG ? colour_range::full : colour_range::limited;
    } else {
        const bool full = jpeg || (is_gray(format) && !limited_by_definition(codec));
        picture.range = full ? colour_range::full : colour_range::limited;
    }
    picture.transfer = frame.color_trc == AVCOL_TRC_SMPTE2084      ? colour_transfer::pq
                       : frame.color_trc == AVCOL_TRC_ARIB_STD_B67 ? colour_transfer::hlg
                                                                   : colour_transfer::sdr;
    switch (frame.chroma_location) {
        case AVCHROMA_LOC_CENTER:
        case AVCHROMA_LOC_TOP:
        case AVCHROMA_LOC_BOTTOM: picture.site = chroma_site::centre; break;
        case AVCHROMA_LOC_UNSPECIFIED: picture.site = jpeg ? chroma_site::centre : chroma_site::left; break;
        default: picture.site = chroma_site::left;
    }
}

// Some decoders read EXIF without making a display matrix of it, and leave the number 1..8 in the metadata.
std::optional<turn_and_flip> read_orientation_tag(const AVFrame& frame) noexcept {
    const AVDictionaryEntry* tag = av_dict_get(frame.metadata, "Orientation", nullptr, 0);
    if (!tag) return std::nullopt;
    return turn_of_orientation(std::atoi(tag->value));
}

turn_and_flip turn_of(const AVFrame& frame, const stream_traits& traits) noexcept {
    const AVFrameSideData* matrix = av_frame_get_side_data(&frame, AV_FRAME_DATA_DISPLAYMATRIX);
    if (matrix && matrix->size >= 9 * sizeof(std::int32_t)) {
        return read_display_matrix(static_cast<const std::int32_t*>(static_cast<const void*>(matrix->data)));
    }
    if (const auto tagged = read_orientation_tag(frame)) return *tagged;
    return traits.turn.value_or(turn_and_flip{});
}

}  // namespace

pixel_format to_pixel_format(AVPixelFormat format) noexcept {
    for (const format_pair& pair : format_pairs) {
        if (pair.av == format) return pair.ours;
    }
    return pixel_format::none;
}

AVPixelFormat to_libav_format(pixel_format format) noexcept {
    for (const format_pair& pair : format_pairs) {
        if (pair.ours == format) return pair.av;
    }
    return AV_PIX_FMT_NONE;
}

// Stay within the colour model: converting between RGB and YUV costs more than a few bits.
AVPixelFormat nearest_supported(AVPixelFormat format) noexcept {
    const AVPixFmtDescriptor* about = av_pix_fmt_desc_get(format);
    if (!about) return AV_PIX_FMT_NONE;
    const bool deep = about->comp[0].depth > 8 && (about->flags & AV_PIX_FMT_FLAG_BAYER) == 0;
    if (format == AV_PIX_FMT_XYZ12LE || format == AV_PIX_FMT_XYZ12BE) return AV_PIX_FMT_RGB24;
    if (is_rgb(format)) return deep ? AV_PIX_FMT_GBRP10LE : AV_PIX_FMT_RGB24;
    if (is_gray(format)) return deep ? AV_PIX_FMT_GRAY16LE : AV_PIX_FMT_GRAY8;
    std::array<AVPixelFormat, format_pairs.size() + 1> candidates{};
    std::size_t count = 0;
    for (const format_pair& pair : format_pairs) {
        if (!is_rgb(pair.av) && !is_gray(pair.av) && !is_jpeg_variant(pair.av)) candidates[count++] = pair.av;
    }
    candidates[count] = AV_PIX_FMT_NONE;
    return avcodec_find_best_pix_fmt_of_list(candidates.data(), format, 0, nullptr);
}

turn_and_flip read_display_matrix(const std::int32_t* matrix) noexcept {
    std::array<std::int32_t, 9> upright{};
    std::copy_n(matrix, upright.size(), upright.begin());
    turn_and_flip found;
    const auto product = [&](int a, int b) { return std::int64_t{upright[a]} * upright[b]; };
    if (product(0, 4) - product(1, 3) < 0) {
        found.flipped = true;
        av_display_matrix_flip(upright.data(), 1, 0);
    }
    const double counterclockwise = av_display_rotation_get(upright.data());
    if (!std::isfinite(counterclockwise)) return found;
    const long quarters = std::lround(-counterclockwise / 90.0);
    constexpr std::array turns = {rotation::none, rotation::cw90, rotation::cw180, rotation::cw270};
    found.turn = turns[static_cast<std::size_t>((quarters % 4 + 4) % 4)];
    return found;
}

std::int32_t square_width_of(std::int32_t width, AVRational aspect) noexcept {
    constexpr double widest = 8;  // anamorphic film has 2, half frames side by side 2, an odd capture card 4
    if (aspect.num <= 0 || aspect.den <= 0) return 0;
    const double ratio = av_q2d(aspect);
    if (ratio > widest || ratio < 1 / widest) return 0;
    const auto square = static_cast<std::int32_t>(std::lround(width * ratio));
    return square < 1 || square > max_dimension || square == width ? 0 : square;
}

void turn_further(image& picture, const turn_and_flip& by) noexcept {
    const turn_and_flip both = followed_by({picture.turn, picture.mirrored}, by);
    picture.turn = both.turn;
    picture.mirrored = both.flipped;
}

result<mapped_frame> frame_mapper::describe(const AVFrame& frame, AVPixelFormat layout) const {
    if (frame.width <= 0 || frame.height <= 0) return fail(errc::corrupt, "a decoded frame has no size");
    mapped_frame described;
    const turn_and_flip turn = turn_of(frame, traits_);
    described.picture.format = to_pixel_format(layout);
    described.picture.width = frame.width;
    described.picture.height = frame.height;
    described.picture.turn = turn.turn;
    described.picture.mirrored = turn.flipped;
    if (traits_.aspect) {
        const bool by_container = traits_.aspect->num > 0 && traits_.aspect->den > 0;
        described.picture.square_width =
            square_width_of(frame.width, by_container ? *traits_.aspect : frame.sample_aspect_ratio);
    }
    read_colour(frame, traits_.codec, described.picture);
    return described;
}

result<mapped_frame> frame_mapper::map(frame_ptr frame) {
    bool converted = false;
    if (to_pixel_format(static_cast<AVPixelFormat>(frame->format)) == pixel_format::none) {
        if (frame->width <= 0 || frame->height <= 0) return fail(errc::corrupt, "a decoded frame has no size");
        FACEFLOW_ASSIGN(frame, convert(*frame, nearest_supported(static_cast<AVPixelFormat>(frame->format))));
        converted = true;
    }
    // Some encoders store G, B and R as 4:4:4 planes and say so only in the matrix.
    if (frame->format == AV_PIX_FMT_YUV444P && frame->colorspace == AVCOL_SPC_RGB) frame->format = AV_PIX_FMT_GBRP;
    auto mapped = describe(*frame, static_cast<AVPixelFormat>(frame->format));
    if (!mapped) return mapped;
    mapped->converted = converted;
    image& picture = mapped->picture;
    const int planes =
        picture.format == pixel_format::pal8 ? 2 : av_pix_fmt_count_planes(static_cast<AVPixelFormat>(frame->format));
    for (int i = 0; i < std::min(planes, 4); ++i)
        picture.planes[i] = {frame->data[i], frame->linesize[i]};
    mapped->owner = std::shared_ptr<const AVFrame>(std::move(frame));
    return mapped;
}

result<frame_ptr> frame_mapper::convert(const AVFrame& frame, AVPixelFormat target) {
    const auto from = static_cast<AVPixelFormat>(frame.format);
    const char* from_name = av_get_pix_fmt_name(from);
    const std::string what = std::string("pixel format ") + (from_name ? from_name : "of an unknown number");
    if (target == AV_PIX_FMT_NONE || !sws_isSupportedInput(from)) {
        return fail(errc::unsupported, what + " cannot be read; re-encode the input as yuv420p");
    }
    scaler_.reset(sws_getCachedContext(scaler_.release(), frame.width, frame.height, from, frame.width, frame.height,
                                       target, SWS_POINT | SWS_ACCURATE_RND, nullptr, nullptr, nullptr));
    if (!scaler_) return fail(errc::unsupported, what + " cannot be converted; re-encode the input as yuv420p");
    // Same range and matrix on both sides: only the layout changes.
    const int full = frame.color_range == AVCOL_RANGE_JPEG ? 1 : 0;
    const int* matrix = sws_getCoefficients(frame.colorspace);
    if (!is_rgb(from) && !is_rgb(target) && !is_gray(from)) {
        sws_setColorspaceDetails(scaler_.get(), matrix, full, matrix, full, 0, 1 << 16, 1 << 16);
    }
    frame_ptr converted(av_frame_alloc());
    if (!converted) return fail(errc::out_of_memory, "no memory for a converted frame");
    converted->format = target;
    converted->width = frame.width;
    converted->height = frame.height;
    if (av_frame_get_buffer(converted.get(), 0) < 0 || av_frame_copy_props(converted.get(), &frame) < 0) {
        return fail(errc::out_of_memory, "no memory for a converted frame");
    }
    const int rows =
        sws_scale(scaler_.get(), frame.data, frame.linesize, 0, frame.height, converted->data, converted->linesize);
    if (rows < 0) return fail(errc::unsupported, what + " could not be converted: " + libav_message(rows));
    return converted;
}

int libav_matrix(colour_matrix matrix) noexcept {
    switch (matrix) {
        case colour_matrix::bt601: return SWS_CS_ITU601;
        case colour_matrix::bt2020: return SWS_CS_BT2020;
        default: return SWS_CS_ITU709;
    }
}

}  // namespace faceflow::internal::media
