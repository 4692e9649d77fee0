// SPDX-License-Identifier: Apache-2.0
#include "media/audio_copy.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <limits>
#include <system_error>

#include "core/try.hpp"
#include "media/stream_facts.hpp"

namespace faceflow::internal::media {

namespace {

// Limit for the difference between the begin, or the end, of sound and pictures in one recording.
constexpr std::int64_t longest_disagreement_ns = 1'500'000'000;
// A smaller step is no jump but a lost or late packet.
constexpr std::int64_t longest_step_ns = 250'000'000;

// The times of frames count from the start of the video stream; those of sound must, too.
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
    FACEFLOW_ASSIGN(made->io_, fd_io::open(path, made->guard_));
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
    return made;
}

result<void> audio_copy::add_to(AVFormatContext& output) {
    const AVCodecParameters& coded = *audio_->codecpar;
    if (avformat_query_codec(output.oformat, coded.codec_id, FF_COMPLIANCE_NORMAL) != 1) {
        return fail(errc::unsupported, std::string("the sound is ") + avcodec_get_name(coded.codec_id) +
                                           ", which MP4 does not hold; it was left out");
    }
    FACEFLOW_TRY(strip_headers(coded));
    target_ = avformat_new_stream(&output, nullptr);
    if (!target_ || avcodec_parameters_copy(target_->codecpar, &coded) < 0) {
        return fail(errc::out_of_memory, "no memory for the sound");
    }
    target_->codecpar->codec_tag = 0;  // the tag belongs to the source container
    target_->time_base = audio_->time_base;
    return {};
}

// AAC in transport streams has a header in each packet, where MP4 has one for the stream. libav would remove them by
// itself, but not when writing fragments.
result<void> audio_copy::strip_headers(const AVCodecParameters& coded) {
    if (coded.codec_id != AV_CODEC_ID_AAC || coded.extradata_size > 0) return {};
    const AVBitStreamFilter* filter = av_bsf_get_by_name("aac_adtstoasc");
    AVBSFContext* made = nullptr;
    if (!filter || av_bsf_alloc(filter, &made) < 0) {
        return fail(errc::unsupported,
                    "this FFmpeg cannot bring the sound (AAC with ADTS headers) into MP4; it was left out");
    }
    headers_off_.reset(made);
    made->time_base_in = audio_->time_base;
    if (avcodec_parameters_copy(made->par_in, &coded) < 0 || av_bsf_init(made) < 0) {
        return fail(errc::corrupt, "the sound (AAC with ADTS headers) makes no sense; it was left out");
    }
    return {};
}

// False if MP4 cannot hold the packet read ahead.
bool audio_copy::filter_ahead() {
    if (!headers_off_) return true;
    return av_bsf_send_packet(headers_off_.get(), ahead_.get()) >= 0 &&
           av_bsf_receive_packet(headers_off_.get(), ahead_.get()) >= 0;
}

bool audio_copy::read_ahead() {
    while (!has_ahead_ && !ended_) {
        if (av_read_frame(input_.get(), ahead_.get()) < 0) {
            ended_ = true;
        } else if (ahead_->stream_index == audio_->index && ahead_->pts != AV_NOPTS_VALUE && filter_ahead()) {
            has_ahead_ = true;
        } else {
            av_packet_unref(ahead_.get());
        }
    }
    return has_ahead_;
}

void audio_copy::begin(std::int64_t clock_ns) {
    clocks_ = {-origin_ns_};
    if (clock_ns != clocks_.front()) {
        // Recordings were joined before the start: its position in the file is found only by reading.
        clocks_.push_back(clock_ns);
    } else if (start_ns_ > 0) {
        const std::int64_t at = av_rescale_q(start_ns_ + origin_ns_, nanoseconds_base, audio_->time_base);
        av_seek_frame(input_.get(), audio_->index, at,
                      AVSEEK_FLAG_BACKWARD);  // if it cannot seek, everything before is read and dropped
    }
}

void audio_copy::drop_first() {
    expected_ns_ = *time_ns_ + av_rescale_q(ahead_->duration, audio_->time_base, nanoseconds_base);
    time_ns_.reset();
    av_packet_unref(ahead_.get());
    has_ahead_ = false;
}

// The time of the packet read ahead, by the pictures' clock at that point. When sound jumps, that is the next of the
// pictures' clocks by which the sound continues; until it is known, the packet waits. If the pictures continued without
// a new clock, they were not joined where the sound was: then the sound just continues.
std::optional<std::int64_t> audio_copy::time_of_first(std::int64_t pictures_ns) {
    if (time_ns_) return time_ns_;
    const std::int64_t raw = av_rescale_q(ahead_->pts, audio_->time_base, nanoseconds_base);
    const std::int64_t by_old_clock = av_sat_add64(raw, clocks_[clock_]);
    const auto off_by = [&](std::int64_t time) { return std::abs(av_sat_sub64(time, *expected_ns_)); };
    if (!expected_ns_ || off_by(by_old_clock) < longest_step_ns) return time_ns_ = by_old_clock;
    for (std::size_t next = clock_ + 1; next < clocks_.size(); ++next) {
        const std::int64_t by_next = av_sat_add64(raw, clocks_[next]);
        if (off_by(by_next) >= longest_disagreement_ns || off_by(by_next) >= off_by(by_old_clock)) continue;
        clock_ = next;
        return time_ns_ = by_next;
    }
    // A gap that the pictures have, too.
    if (by_old_clock > *expected_ns_ && by_old_clock <= pictures_ns) return time_ns_ = by_old_clock;
    if (pictures_ns < *expected_ns_ + 2 * longest_disagreement_ns) return std::nullopt;
    if (off_by(by_old_clock) < longest_disagreement_ns) return time_ns_ = by_old_clock;
    clocks_.insert(clocks_.begin() + static_cast<std::ptrdiff_t>(clock_) + 1, av_sat_sub64(*expected_ns_, raw));
    return time_ns_ = av_sat_add64(raw, clocks_[++clock_]);
}

// Skips sound before the start.
int audio_copy::copy_first(const time_in_video& shown_at, AVFormatContext& output) {
    while (target_ && read_ahead()) {
        const auto at = time_of_first(std::numeric_limits<std::int64_t>::max());
        if (!at || *at >= start_ns_) break;
        drop_first();
    }
    return has_ahead_ && time_ns_ ? write(shown_at, output) : 0;
}

int audio_copy::copy_until(std::int64_t until_ns, std::int64_t clock_ns, const time_in_video& shown_at,
                           AVFormatContext& output) {
    if (clocks_.back() != clock_ns) clocks_.push_back(clock_ns);
    while (target_ && read_ahead()) {
        const auto at = time_of_first(until_ns);
        if (!at || *at >= until_ns) return 0;
        if (*at < start_ns_) {
            drop_first();
        } else if (const int code = write(shown_at, output); code < 0) {
            return code;
        }
    }
    return 0;
}

// Writes the packet read ahead.
int audio_copy::write(const time_in_video& shown_at, AVFormatContext& output) {
    AVPacket& packet = *ahead_;
    const std::int64_t sounds = av_rescale_q(shown_at(*time_ns_ - start_ns_), nanoseconds_base, audio_->time_base);
    const std::int64_t ahead = packet.dts == AV_NOPTS_VALUE ? 0 : av_sat_sub64(packet.pts, packet.dts);
    packet.pts = sounds;
    packet.dts = av_sat_sub64(sounds, ahead);
    packet.stream_index = target_->index;
    packet.pos = -1;
    const AVRational own = audio_->time_base;
    expected_ns_ = *time_ns_ + av_rescale_q(packet.duration, own, nanoseconds_base);
    av_packet_rescale_ts(&packet, own, target_->time_base);
    // MP4 accepts only ascending times; where recordings were joined, the end of one may overlap the begin of the next.
    const bool ascends = !last_dts_ || packet.dts > *last_dts_;
    int code = 0;
    if (ascends) {
        last_dts_ = packet.dts;
        packet.pts = std::max(packet.pts, packet.dts);
        code = av_write_frame(&output, &packet);
    }
    time_ns_.reset();
    has_ahead_ = false;
    av_packet_unref(&packet);
    const bool damaged = code == AVERROR(EINVAL) || code == AVERROR_INVALIDDATA;
    if (damaged) ended_ = true;
    return damaged ? 0 : code;
}

}  // namespace faceflow::internal::media
