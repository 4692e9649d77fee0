// SPDX-License-Identifier: Apache-2.0
#include "media/packet_reader.hpp"

#include <algorithm>
#include <cstring>
#include <thread>
#include <utility>

#include "media/seeking.hpp"
#include "media/stream_facts.hpp"

namespace faceflow::internal::media {

namespace {

constexpr int max_bad_reads_in_a_row = 64;
constexpr std::chrono::milliseconds longest_silence_of_playlists{30'000};  // segments of 10 s, requested three times
// libav polls for the next segment without a pause and never notices that a manifest became static: reopening it does.
constexpr std::chrono::milliseconds longest_silence_of_dash{10'000};

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

// Over HTTP the length may be unknown; then only the end of the connection marks the end.
bool ended_without_length(const AVIOContext& io) noexcept {
    return io.error == AVERROR(EIO) && avio_size(const_cast<AVIOContext*>(&io)) <= 0;
}

}  // namespace

void packet_reader::attach(demuxer opened) {
    if (opened.from_byte != demuxer_.from_byte) last_byte_ = 0;
    demuxer_.format.reset();  // before the I/O that it uses
    demuxer_ = std::move(opened);
    repeats_.clear();  // packets seen before may be needed to decode the next ones
}

void packet_reader::close() noexcept {
    demuxer_.format.reset();
    demuxer_.io.reset();
}

int packet_reader::wait_for_packet(AVPacket& packet) {
    for (int bad = 0;;) {
        const int code = av_read_frame(demuxer_.format.get(), &packet);
        if (code >= 0) return from_.kind == source_kind::camera ? make_own(packet) : 0;
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

std::chrono::milliseconds packet_reader::longest_silence() const {
    const auto usual = from_.options.read_timeout;
    if (!demuxer_.playlist) return usual;
    return std::max(usual, is_dash(demuxer_) ? longest_silence_of_dash : longest_silence_of_playlists);
}

int packet_reader::read(AVPacket& packet) {
    const bool remote = demuxer_.live || from_.kind == source_kind::stream;
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
    note_position(packet);
    return 0;
}

void packet_reader::note_position(const AVPacket& packet) noexcept {
    if (packet.pos >= 0) last_byte_ = packet.pos + packet.size;
    const std::int64_t at = packet.pts != AV_NOPTS_VALUE ? packet.pts : packet.dts;
    if (at == AV_NOPTS_VALUE) return;
    const std::int64_t stated = demuxer_.video->start_time;  // negative where the clock of a transport stream wraps
    const std::int64_t start = stated == AV_NOPTS_VALUE ? 0 : stated;
    const std::int64_t end = av_sat_add64(av_sat_sub64(at, start), packet.duration);
    end_ns_ = std::max(end_ns_, av_rescale_q(end, demuxer_.video->time_base, nanoseconds_base));
}

result<void> packet_reader::check_transport(int code) const {
    const AVIOContext* io = demuxer_.format->pb;
    const bool io_failed = io && io->error < 0 && io->error != AVERROR_EOF && !ended_without_length(*io);
    const bool stalled = code == AVERROR_EXIT;
    if (!io_failed && !stalled) return {};
    return fail(stalled ? errc::timeout : errc::io,
                "reading " + from_.name() + " failed: " + (stalled ? "no more data came" : libav_message(io->error)) +
                    "; what was read before is kept");
}

bool packet_reader::was_truncated(int code) const {
    const auto length = stated_length(*demuxer_.format, *demuxer_.video);
    const auto& end = from_.options.end_seconds;
    const bool all_read = !end || (length && *end > *length);
    const bool short_of_it = length && all_read && end_ns_ < seconds_to_ns(*length - 0.5);
    const AVIOContext* io = demuxer_.format->pb;
    const bool whole = code == AVERROR_EOF || (io && ended_without_length(*io));
    return short_of_it || !whole;
}

std::optional<std::int64_t> packet_reader::next_recording() {
    if (from_.kind != source_kind::file || !demuxer_.io->seekable()) return std::nullopt;
    const auto at = next_part(demuxer_, last_byte_);
    if (!at) return std::nullopt;
    return demuxer_.from_byte + *at;
}

}  // namespace faceflow::internal::media
