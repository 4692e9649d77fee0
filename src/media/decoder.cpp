// SPDX-License-Identifier: Apache-2.0
#include "media/decoder.hpp"

#include <algorithm>
#include <string>

#include "core/thread.hpp"
#include "core/try.hpp"
#include "media/entry_packet.hpp"
#include "media/orientation.hpp"

namespace faceflow::internal::media {

result<decoder> decoder::open(const AVCodecParameters& parameters, AVRational time_base, const decoder_options& options,
                              const hardware* hw) {
    const AVCodec* codec = avcodec_find_decoder(parameters.codec_id);
    const std::string name = avcodec_get_name(parameters.codec_id);
    if (!codec) return fail(errc::unsupported, "this FFmpeg has no decoder for " + name + "; re-encode it as H.264");
    decoder opened;
    opened.codec_.reset(avcodec_alloc_context3(codec));
    opened.packet_.reset(av_packet_alloc());
    opened.on_ = hw;
    if (!opened.codec_ || !opened.packet_) return fail(errc::out_of_memory, "no memory for a " + name + " decoder");
    AVCodecContext& context = *opened.codec_;
    if (avcodec_parameters_to_context(&context, &parameters) < 0) {
        return fail(errc::corrupt, "the header of its " + name + " stream makes no sense");
    }
    context.pkt_timebase = time_base;
    context.thread_count = options.threads;
    context.max_pixels = most_pixels;
    context.thread_type = options.low_delay ? FF_THREAD_SLICE : FF_THREAD_FRAME | FF_THREAD_SLICE;
    if (hw != nullptr) hw->prepare(context);
    int code = 0;
    const auto open = [&] { code = avcodec_open2(&context, codec, nullptr); };
    if (options.gives_way) {
        call_giving_way(open);  // the codec's threads start here
    } else {
        open();
    }
    if (code < 0) {
        return fail(libav_errc(code), "the " + name + " decoder does not open: " + libav_message(code));
    }
    return opened;
}

void decoder::flush() noexcept {
    avcodec_flush_buffers(codec_.get());
    if (std::exchange(going_over_, false)) av_packet_unref(packet_.get());
    ended_with_ = 0;
}

result<void> decoder::warm_up(const AVPacket& first) {
    const frame_ptr frame(av_frame_alloc());
    if (!frame) return fail(errc::out_of_memory, "no memory for a frame");
    int code = avcodec_send_packet(codec_.get(), &first);
    if (code >= 0) code = avcodec_send_packet(codec_.get(), nullptr);
    while (code >= 0)
        code = avcodec_receive_frame(codec_.get(), frame.get());
    avcodec_flush_buffers(codec_.get());
    if (code == AVERROR_EOF) return {};
    return fail(libav_errc(code), "the decoder cannot begin: " + libav_message(code));
}

void decoder::hand_over(decoder other) {
    next_codec_ = std::move(other.codec_);
    next_on_ = other.on_;
}

bool decoder::can_go_over() const noexcept {
    if (!next_codec_) return false;
    const file_bytes extradata(codec_->extradata, static_cast<std::size_t>(std::max(codec_->extradata_size, 0)));
    return is_entry_packet(codec_->codec_id, extradata,
                           {packet_->data, static_cast<std::size_t>(std::max(packet_->size, 0))});
}

// Switches codecs, once all frames of the old one have come out.
result<void> decoder::go_over() {
    going_over_ = false;
    codec_ = std::move(next_codec_);
    on_ = std::exchange(next_on_, nullptr);
    return send();
}

result<frame_ptr> decoder::next(const packet_source& packets) {
    frame_ptr frame(av_frame_alloc());
    if (!frame) return fail(errc::out_of_memory, "no memory for a frame");
    for (;;) {
        const int code = avcodec_receive_frame(codec_.get(), frame.get());
        if (code == 0) return frame;
        if (code == AVERROR_EOF && going_over_) {
            FACEFLOW_TRY(go_over());
            continue;
        }
        if (code == AVERROR_EOF) return frame_ptr();
        if (code == AVERROR(ENOMEM)) return fail(errc::out_of_memory, "no memory to decode a frame");
        if (code != AVERROR(EAGAIN)) {
            ++corrupt_;
            last_failure_ = code;
            continue;
        }
        FACEFLOW_TRY(feed(packets));
    }
}

// Stores the turn as side data of the packet, which stays with its frame even if several threads decode.
void decoder::state_turn() noexcept {
    const bool animated = codec_->codec_id == AV_CODEC_ID_APNG;  // what all pictures share is in the header
    const file_bytes bytes = animated && codec_->extradata_size > 0
                                 ? file_bytes(codec_->extradata, static_cast<std::size_t>(codec_->extradata_size))
                                 : file_bytes(packet_->data, static_cast<std::size_t>(packet_->size));
    const auto turn = coded_turn(codec_->codec_id, bytes);
    if (!turn || av_packet_get_side_data(packet_.get(), AV_PKT_DATA_DISPLAYMATRIX, nullptr) != nullptr) return;
    constexpr std::size_t matrix_bytes = 9 * sizeof(std::int32_t);
    auto* matrix = av_packet_new_side_data(packet_.get(), AV_PKT_DATA_DISPLAYMATRIX, matrix_bytes);
    if (matrix) set_display_matrix(static_cast<std::int32_t*>(static_cast<void*>(matrix)), *turn);
}

result<void> decoder::feed(const packet_source& packets) {
    if (ended_with_ == 0) ended_with_ = packets(*packet_);
    if (ended_with_ != 0) {
        // Without a null packet, the decoder would keep its delayed frames.
        avcodec_send_packet(codec_.get(), nullptr);
        return {};
    }
    if (can_go_over()) {
        going_over_ = true;
        avcodec_send_packet(codec_.get(), nullptr);
        return {};
    }
    return send();
}

result<void> decoder::send() {
    state_turn();
    const bool damaged = (packet_->flags & AV_PKT_FLAG_CORRUPT) != 0;
    const int code = avcodec_send_packet(codec_.get(), packet_.get());
    av_packet_unref(packet_.get());
    if (code == AVERROR(ENOMEM)) return fail(errc::out_of_memory, "no memory to decode a frame");
    if (code < 0) last_failure_ = code;
    if (code < 0 || damaged) ++corrupt_;
    return {};
}

}  // namespace faceflow::internal::media
