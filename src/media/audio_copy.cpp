#include "media/audio_copy.hpp"

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "media/stream_facts.hpp"

namespace faceflow::media {

namespace {

// Frames' times count from the start of the video stream; sound has to count from there as well.
std::int64_t video_origin_ns(AVFormatContext& input) {
    const int video = av_find_best_stream(&input, AVMEDIA_TYPE_VIDEO, -1, -1, nullptr, 0);
    if (video < 0 || input.streams[video]->start_time == AV_NOPTS_VALUE) return 0;
    return av_rescale_q(input.streams[video]->start_time, input.streams[video]->time_base, nanoseconds_base);
}

}  // namespace

result<std::unique_ptr<audio_copy>> audio_copy::open(const std::string& path, std::int64_t start_ns) {
    prepare_libav();
    std::error_code ignored;
    if (!std::filesystem::is_regular_file(path, ignored)) {
        return fail(errc::unsupported, "sound is kept of files only, and " + path + " is none");
    }
    std::unique_ptr<audio_copy> made(new audio_copy());
    auto io = fd_io::open(path, made->guard_);
    if (!io) return tl::unexpected(io.error());
    made->io_ = std::move(*io);
    AVFormatContext* raw = avformat_alloc_context();
    made->ahead_.reset(av_packet_alloc());
    if (!raw || !made->ahead_) {
        avformat_free_context(raw);
        return fail(errc::out_of_memory, "no memory to read the sound of " + path);
    }
    raw->pb = made->io_->context();
    dictionary settings;
    settings.set("protocol_whitelist", local_protocols);
    const int code = avformat_open_input(&raw, "", nullptr, settings.out());
    made->input_.reset(raw);
    if (code < 0) return fail(libav_errc(code), "the sound of " + path + " cannot be read: " + libav_message(code));
    avformat_find_stream_info(raw, nullptr);
    const int best = av_find_best_stream(raw, AVMEDIA_TYPE_AUDIO, -1, -1, nullptr, 0);
    if (best < 0) return fail(errc::not_found, path + " has no sound");
    for (unsigned i = 0; i < raw->nb_streams; ++i) {
        raw->streams[i]->discard = static_cast<int>(i) == best ? AVDISCARD_DEFAULT : AVDISCARD_ALL;
    }
    made->audio_ = raw->streams[best];
    made->origin_ns_ = video_origin_ns(*raw);
    made->start_ns_ = start_ns;
    if (start_ns > 0) {
        const std::int64_t at = av_rescale_q(start_ns + made->origin_ns_, nanoseconds_base, made->audio_->time_base);
        av_seek_frame(raw, best, at, AVSEEK_FLAG_BACKWARD);  // where it cannot, everything before is read and dropped
    }
    return made;
}

result<void> audio_copy::add_to(AVFormatContext& output) {
    const AVCodecParameters& coded = *audio_->codecpar;
    if (avformat_query_codec(output.oformat, coded.codec_id, FF_COMPLIANCE_NORMAL) != 1) {
        return fail(errc::unsupported, std::string("the sound is ") + avcodec_get_name(coded.codec_id) +
                                           ", which MP4 does not hold; it was left out");
    }
    target_ = avformat_new_stream(&output, nullptr);
    if (!target_ || avcodec_parameters_copy(target_->codecpar, &coded) < 0) {
        return fail(errc::out_of_memory, "no memory for the sound");
    }
    target_->codecpar->codec_tag = 0;  // the source container's own number
    target_->time_base = audio_->time_base;
    return {};
}

bool audio_copy::read_ahead() {
    while (!has_ahead_ && !ended_) {
        if (av_read_frame(input_.get(), ahead_.get()) < 0) {
            ended_ = true;
        } else if (ahead_->stream_index == audio_->index && ahead_->pts != AV_NOPTS_VALUE) {
            has_ahead_ = true;
        } else {
            av_packet_unref(ahead_.get());
        }
    }
    return has_ahead_;
}

// Its time is its own, wherever in the file it lies.
int audio_copy::copy_first(AVFormatContext& output) {
    while (target_ && read_ahead() && raw_ns(*ahead_) - origin_ns_ < start_ns_) {
        av_packet_unref(ahead_.get());
        has_ahead_ = false;
    }
    return has_ahead_ ? write(output) : 0;
}

int audio_copy::copy_until(std::int64_t until_ns, AVFormatContext& output) {
    while (target_ && read_ahead()) {
        const std::int64_t at_ns = raw_ns(*ahead_) - origin_ns_;
        if (at_ns >= until_ns) return 0;
        if (at_ns < start_ns_) {
            av_packet_unref(ahead_.get());
            has_ahead_ = false;
        } else if (const int code = write(output); code < 0) {
            return code;
        }
    }
    return 0;
}

std::int64_t audio_copy::raw_ns(const AVPacket& packet) const {
    return av_rescale_q(packet.pts, audio_->time_base, nanoseconds_base);
}

// The packet that was read ahead.
int audio_copy::write(AVFormatContext& output) {
    AVPacket& packet = *ahead_;
    has_ahead_ = false;
    const std::int64_t offset = av_rescale_q(origin_ns_ + start_ns_, nanoseconds_base, audio_->time_base);
    packet.pts -= offset;
    packet.dts = packet.dts == AV_NOPTS_VALUE ? packet.pts : packet.dts - offset;
    packet.stream_index = target_->index;
    packet.pos = -1;
    av_packet_rescale_ts(&packet, audio_->time_base, target_->time_base);
    // Joined recordings count anew; MP4 takes ascending times alone.
    const bool ascends = !last_dts_ || packet.dts > *last_dts_;
    int code = 0;
    if (ascends) {
        last_dts_ = packet.dts;
        packet.pts = std::max(packet.pts, packet.dts);
        code = av_write_frame(&output, &packet);
    }
    av_packet_unref(&packet);
    const bool damaged = code == AVERROR(EINVAL) || code == AVERROR_INVALIDDATA;
    if (damaged) ended_ = true;
    return damaged ? 0 : code;
}

}  // namespace faceflow::media
