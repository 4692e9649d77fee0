// SPDX-License-Identifier: Apache-2.0
// demux_source: from packets to frames.
#include <algorithm>
#include <cstring>
#include <thread>

#include "core/try.hpp"
#include "media/demux_source.hpp"
#include "media/stream_facts.hpp"

namespace faceflow::internal::media {

namespace {

constexpr int max_bad_reads_in_a_row = 64;
constexpr auto longest_wait_for_room = std::chrono::seconds(10);
constexpr std::chrono::milliseconds longest_silence_of_playlists{30'000};  // segments of 10 s, requested three times
// libav polls for the next segment without a pause and never notices that a manifest became static: reopening it does.
constexpr std::chrono::milliseconds longest_silence_of_dash{10'000};
constexpr std::int64_t noticeable_gap_ns = 1'000'000'000;

// A camera's packets lie in buffers of the driver, which vanish with its descriptor. Frames may outlive that.
int make_own(AVPacket& packet) {
    const packet_ptr own(av_packet_alloc());
    int code = own ? av_new_packet(own.get(), packet.size) : AVERROR(ENOMEM);
    if (code >= 0) {
        std::memcpy(own->data, packet.data, static_cast<std::size_t>(packet.size));
        code = av_packet_copy_props(own.get(), &packet);
    }
    av_packet_unref(&packet);
    if (code >= 0) av_packet_move_ref(&packet, own.get());
    return std::min(code, 0);
}

}  // namespace

int demux_source::wait_for_packet(AVPacket& packet) {
    for (int bad = 0;;) {
        const int code = av_read_frame(demuxer_.format.get(), &packet);
        if (code >= 0) return kind_ == source_kind::camera ? make_own(packet) : 0;
        if (guard_.give_up()) return AVERROR_EXIT;
        if (code == AVERROR(EAGAIN)) {
            std::this_thread::sleep_for(std::chrono::milliseconds(1));  // a camera between two frames
        } else if (code == AVERROR_INVALIDDATA && ++bad < max_bad_reads_in_a_row) {
            survived_.add("corrupt_packet");
        } else {
            return code;
        }
    }
}

std::chrono::milliseconds demux_source::longest_silence() const {
    if (!demuxer_.playlist) return options_.read_timeout;
    return std::max(options_.read_timeout, is_dash(demuxer_) ? longest_silence_of_dash : longest_silence_of_playlists);
}

int demux_source::read_packet(AVPacket& packet) {
    const bool remote = demuxer_.live || kind_ == source_kind::stream;
    const bool dash = demuxer_.live && is_dash(demuxer_);
    for (;;) {
        if (guard_.interrupted()) return AVERROR_EXIT;
        if (remote) guard_.arm(longest_silence());
        if (const int code = wait_for_packet(packet); code < 0) return code;
        const bool repeated = dash && repeats_.contain(packet);
        if (packet.stream_index == demuxer_.video->index && !repeated) break;
        av_packet_unref(&packet);
    }
    state_when_shown(demuxer_, packet);
    if (packet.pos >= 0) last_byte_ = packet.pos + packet.size;
    const std::int64_t at = packet.pts != AV_NOPTS_VALUE ? packet.pts : packet.dts;
    if (at != AV_NOPTS_VALUE) {
        const std::int64_t stated = demuxer_.video->start_time;  // negative where the clock of a transport stream wraps
        const std::int64_t start = stated == AV_NOPTS_VALUE ? 0 : stated;
        const std::int64_t end = av_sat_add64(av_sat_sub64(at, start), packet.duration);
        packets_end_ns_ = std::max(packets_end_ns_, av_rescale_q(end, demuxer_.video->time_base, nanoseconds_base));
    }
    return 0;
}

std::int64_t demux_source::place(std::optional<std::int64_t> raw_ns) {
    const timeline& line = times_.line();
    const timeline::mended before = line.counts();
    const auto last = line.last();
    const std::int64_t pts_ns = times_.place(raw_ns, steady::now() - last_frame_at_);
    survived_.add("timestamp_order", line.counts().order - before.order);
    survived_.add("timestamp_jump", line.counts().jumps - before.jumps);
    survived_.add("timestamp_outlier", line.counts().outliers - before.outliers);
    const bool gap =
        demuxer_.live && kind_ == source_kind::stream && !backoff_ && last && pts_ns - *last > noticeable_gap_ns;
    survived_.add("stream_gap", gap ? 1 : 0);
    return pts_ns;
}

bool demux_source::was_seen(std::optional<std::int64_t> raw_ns) {
    if (!seen_) return false;
    const bool seen = raw_ns && *raw_ns <= seen_->until_ns && steady::now() < seen_->patience;
    if (!seen) seen_.reset();
    return seen;
}

result<std::optional<read_frame>> demux_source::next() {
    if (guard_.interrupted()) return fail(errc::interrupted, "stopped while reading " + name());
    if (failed_) return tl::unexpected(*failed_);
    if (ahead_) return std::exchange(ahead_, std::nullopt);
    if (ended_) return std::optional<read_frame>();
    auto frame = read();
    if (!frame && frame.error().code != errc::corrupt) failed_ = frame.error();
    if (failed_ || ended_) decoder_.leave_device();
    return frame;
}

result<std::optional<read_frame>> demux_source::read() {
    while (!ended_) {
        auto frame = decoder_.next([this](AVPacket& packet) { return times_.next_packet(packet); });
        survived_.add("corrupt_packet", decoder_.take_corrupt());
        guard_.disarm();
        if (!frame) return fail(frame.error().code, name() + ": " + frame.error().message);
        if (!*frame) {
            FACEFLOW_TRY(handle_end());
            continue;
        }
        if (is_before_entry_point(**frame)) continue;
        const auto raw_ns = times_.stated(**frame);
        if (was_seen(raw_ns)) continue;
        last_raw_ns_ = raw_ns;
        const std::int64_t pts_ns = place(raw_ns);
        decoded_any_ = true;
        const std::int64_t shown = pts_ns + half_a_microsecond;
        if (options_.start_seconds && shown < seconds_to_ns(*options_.start_seconds)) continue;
        if (options_.end_seconds && shown >= seconds_to_ns(*options_.end_seconds)) break;
        const bool may_go_on = opened_ && decoder_.layout_on_device(**frame) != AV_PIX_FMT_NONE;
        auto given = finish_frame(std::move(*frame), pts_ns);
        if (given || !may_go_on || given.error().code != errc::out_of_memory) return given;
        survived_.add("device_memory");  // load shedding: frames in work will free room
        ++sequence_;
    }
    ended_ = true;
    return std::optional<read_frame>();
}

result<std::optional<read_frame>> demux_source::finish_frame(frame_ptr frame, std::int64_t pts_ns) {
    const bool damaged = (frame->flags & AV_FRAME_FLAG_CORRUPT) != 0 || frame->decode_error_flags != 0;
    const AVPixelFormat layout = decoder_.layout_on_device(*frame);
    auto given = to_pixel_format(layout) != pixel_format::none ? keep_on_device(std::move(frame), layout)
                                                               : keep_in_host_memory(std::move(frame));
    if (!given) return fail(given.error().code, name() + ": " + given.error().message);
    survived_.add("damaged_frame", damaged ? 1 : 0);
    given->frame.id = {options_.number, sequence_++};
    given->frame.pts_ns = pts_ns;
    given->frame.clock_ns = times_.line().offset().value_or(0);
    given->frame.captured = last_frame_at_ = steady::now();
    backoff_.reset();
    if (std::exchange(lost_, false) && !demuxer_.playlist) tell("is back");
    return std::optional<read_frame>(std::move(*given));
}

result<read_frame> demux_source::keep_in_host_memory(frame_ptr frame) {
    if (options_.only_on_device) {
        return fail(errc::unsupported, "the device does not decode its " + info_.codec +
                                           " (this profile or pixel format); use --decode auto or cpu");
    }
    survived_.add("decoded_on_cpu", decoder_.has_device() ? 1 : 0);
    FACEFLOW_ASSIGN(auto mapped, mapper_->map(std::move(frame)));
    survived_.add("converted_pixel_format", mapped.converted ? 1 : 0);
    turn_further(mapped.picture, options_.turn);
    read_frame given;
    given.frame.picture = mapped.picture;
    given.frame.owner = std::move(mapped.owner);
    return given;
}

result<read_frame> demux_source::keep_on_device(frame_ptr frame, AVPixelFormat layout) {
    FACEFLOW_ASSIGN(auto described, mapper_->describe(*frame, layout));
    turn_further(described.picture, options_.turn);
    const image& facts = described.picture;
    const auto keep = [&] { return decoder_.keep(frame, facts, {options_.number, sequence_}); };
    auto kept = keep();
    // A recorded frame can wait until earlier ones have left the device.
    const auto until = steady::now() + longest_wait_for_room;
    while (!kept && kept.error().code == errc::out_of_memory && frame != nullptr && !demuxer_.live &&
           !guard_.interrupted() && opened_ && steady::now() < until) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
        kept = keep();
    }
    if (!kept) return tl::unexpected(std::move(kept.error()));
    read_frame given;
    given.frame.picture = facts;
    given.frame.on_device = std::move(*kept);
    return given;
}

}  // namespace faceflow::internal::media
