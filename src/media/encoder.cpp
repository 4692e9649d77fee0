// SPDX-License-Identifier: Apache-2.0
#include "media/encoder.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "media/stream_facts.hpp"

namespace faceflow::internal::media {

namespace {

AVColorSpace libav_space(colour_matrix matrix) {
    switch (matrix) {
        case colour_matrix::bt601: return AVCOL_SPC_SMPTE170M;
        case colour_matrix::bt2020: return AVCOL_SPC_BT2020_NCL;
        default: return AVCOL_SPC_BT709;
    }
}

void set_colour(AVCodecContext& codec, const canvas_format& format) {
    codec.colorspace = libav_space(format.matrix);
    codec.color_range = format.range == colour_range::full ? AVCOL_RANGE_JPEG : AVCOL_RANGE_MPEG;
    const bool sd = format.matrix == colour_matrix::bt601;
    codec.color_primaries = sd ? AVCOL_PRI_SMPTE170M : AVCOL_PRI_BT709;
    codec.color_trc = sd ? AVCOL_TRC_SMPTE170M : AVCOL_TRC_BT709;
    if (format.transfer == colour_transfer::pq) codec.color_trc = AVCOL_TRC_SMPTE2084;
    if (format.transfer == colour_transfer::hlg) codec.color_trc = AVCOL_TRC_ARIB_STD_B67;
    if (format.matrix == colour_matrix::bt2020) codec.color_primaries = AVCOL_PRI_BT2020;
}

}  // namespace

result<encoder> encoder::open(const canvas_format& format, double frames_per_second, int threads) {
    const AVCodec* codec = avcodec_find_encoder_by_name("libx264");
    const bool h264 = codec != nullptr;
    if (!h264) codec = avcodec_find_encoder(AV_CODEC_ID_MPEG4);
    if (!codec) return fail(errc::unavailable, "this FFmpeg encodes neither H.264 nor MPEG-4: install one that does");
    encoder made;
    made.codec_.reset(avcodec_alloc_context3(codec));
    made.packet_.reset(av_packet_alloc());
    if (!made.codec_ || !made.packet_) return fail(errc::out_of_memory, "no memory for the video encoder");
    AVCodecContext& context = *made.codec_;
    context.width = format.width;
    context.height = format.height;
    context.pix_fmt = AV_PIX_FMT_YUV420P;
    const double rate = std::isfinite(frames_per_second) && frames_per_second > 0 ? frames_per_second : 30.0;
    // MP4 stores a frame's duration in 31 bits, and its display offset in 28.
    const bool lapse = rate < 1;
    context.time_base = {1, !h264 ? 60'000 : lapse ? 1000 : 90'000};  // MPEG-4 has a 16-bit time base
    if (lapse) context.max_b_frames = 0;
    made.longest_gap_ns_ = std::int64_t{lapse && h264 ? 20 * 24 * 60 : 10} * 60 * 1'000'000'000;
    context.framerate = av_d2q(rate, 60'000);
    context.thread_count = threads;
    context.flags |= AV_CODEC_FLAG_GLOBAL_HEADER;  // MP4 stores headers separately from frames
    set_colour(context, format);
    dictionary settings;
    if (h264) {
        settings.set("preset", "veryfast");
        settings.set("crf", "20");
    } else {
        context.flags |= AV_CODEC_FLAG_QSCALE;
        context.global_quality = 3 * FF_QP2LAMBDA;
    }
    made.nominal_ = std::max<std::int64_t>(1, std::llround(context.time_base.den / rate));
    if (const int code = avcodec_open2(&context, codec, settings.out()); code < 0) {
        return fail(errc::unsupported, "video of " + std::to_string(format.width) + "x" +
                                           std::to_string(format.height) +
                                           " cannot be encoded: " + libav_message(code));
    }
    return made;
}

std::int64_t encoder::in_video(std::int64_t pts_ns) {
    const std::int64_t gap = pts_ns - std::exchange(last_ns_, pts_ns);
    if (gap > longest_gap_ns_) cuts_.push_back({pts_ns, cut() + gap - longest_gap_ns_});
    return pts_ns - cut();
}

std::int64_t encoder::shown_at(std::int64_t pts_ns) const noexcept {
    std::int64_t before = 0;
    for (const gap_cut& c : cuts_) {
        // Times inside the gap map to its shortened end.
        if (pts_ns < c.from_ns) return std::min(pts_ns - before, c.from_ns - c.cut_ns);
        before = c.cut_ns;
    }
    return pts_ns - before;
}

int encoder::encode(AVFrame* frame, std::int64_t pts_ns, const std::function<int(AVPacket&)>& sink) {
    if (frame) {
        frame->pts = av_rescale_q(in_video(pts_ns), nanoseconds_base, codec_->time_base);
        // Times a few nanoseconds apart may fall on the same tick.
        if (last_pts_ != AV_NOPTS_VALUE) frame->pts = std::max(frame->pts, last_pts_ + 1);
        last_pts_ = frame->pts;
    }
    int code = avcodec_send_frame(codec_.get(), frame);
    while (code >= 0) {
        code = avcodec_receive_packet(codec_.get(), packet_.get());
        if (code == AVERROR(EAGAIN) || code == AVERROR_EOF) return 0;
        if (code < 0) return code;
        if (packet_->duration == 0) packet_->duration = nominal_;
        code = sink(*packet_);
        av_packet_unref(packet_.get());
    }
    return code;
}

}  // namespace faceflow::internal::media
