// SPDX-License-Identifier: Apache-2.0
// demux_source: opens an input, seeks to its start, and recovers it when it is lost.
#include "media/demux_source.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/try.hpp"
#include "media/picture_size.hpp"
#include "media/stream_facts.hpp"

namespace faceflow::internal::media {

namespace {
constexpr auto patience_with_seen_frames = std::chrono::seconds(5);

// Over HTTP the length may be unknown; then only the end of the connection marks the end.
bool ended_without_length(const AVIOContext& io) noexcept {
    return io.error == AVERROR(EIO) && avio_size(const_cast<AVIOContext*>(&io)) <= 0;
}
}  // namespace

result<void> demux_source::open() {
    FACEFLOW_ASSIGN(auto opened, open_demuxer(input_, kind_, options_, guard_));
    info_ = describe(opened, input_, kind_, options_);
    const AVCodecParameters& coded = *opened.video->codecpar;
    if (auto fits = check_size(name(), static_cast<std::uint64_t>(std::max(coded.width, 0)),
                               static_cast<std::uint64_t>(std::max(coded.height, 0)));
        !fits) {
        return fits;
    }
    const auto length = stated_length(*opened.format, *opened.video);
    const double start = options_.start_seconds.value_or(0);
    const bool behind_end = !opened.live && length && start >= *length;
    if (behind_end && !may_be_joined(opened)) {
        return fail(errc::invalid_argument, "the start at " + std::to_string(start) + " s lies behind the end of " +
                                                name() + " (" + std::to_string(*length) + " s)");
    }
    FACEFLOW_TRY(attach(std::move(opened)));
    opened_ = demuxer_.live;
    if (demuxer_.live) return {};
    // Beyond the stated end of the first of joined recordings, the position is found only by reading.
    FACEFLOW_TRY(start > 0 && !behind_end ? go_to_start() : result<void>());
    return look_ahead();
}

// If the clock does not run evenly up to the start, only decoding everything gives the same times.
result<void> demux_source::go_to_start() {
    if (!can_seek(demuxer_)) return {};
    const bool settable = (demuxer_.format->iformat->flags & AVFMT_TS_DISCONT) != 0;
    if (!settable || kind_ != source_kind::file) {
        static_cast<void>(seek(*options_.start_seconds));
        return {};
    }
    auto found = find_entry_points(demuxer_, *options_.start_seconds, [this](AVPacket& p) { return read_packet(p); });
    if (found && !found->empty()) {
        entry_points_ = std::move(*found);
        if (seek(*options_.start_seconds)) return {};
    }
    packets_end_ns_ = 0;
    demuxer_.format.reset();
    auto again = open_demuxer(input_, kind_, options_, guard_);
    return again ? attach(std::move(*again)) : result<void>(tl::unexpected(std::move(again.error())));
}

// Decodes the first frame: a stream may not decode despite its header, and the true size and turn are those of the
// first frame.
result<void> demux_source::look_ahead() {
    FACEFLOW_ASSIGN(auto first, read());
    if (!first) {
        if (decoded_any_) return {};
        if (index_was_missed(demuxer_)) return fail(errc::corrupt, "cannot open " + name() + ": " + index_advice);
        return fail(errc::corrupt, name() + " holds no frame that decodes (" + info_.codec +
                                       "): it is damaged; try `ffmpeg -i` on it, or another copy");
    }
    opened_ = true;
    ahead_ = std::move(*first);
    info_.width = ahead_->frame.picture.upright_width();
    info_.height = ahead_->frame.picture.upright_height();
    return {};
}

result<void> demux_source::attach(demuxer opened) {
    if (auto ready = decoder_.open(opened); !ready)
        return fail(ready.error().code, name() + ": " + ready.error().message);
    mapper_.emplace(traits_of(*opened.video));
    demuxer_.format.reset();  // before the I/O that it uses
    demuxer_ = std::move(opened);
    times_.attach(demuxer_);
    repeats_.clear();  // packets seen before may be needed to decode the next ones
    return {};
}

bool demux_source::seek(double seconds) {
    aimed_at_.reset();
    if (!seek_to(demuxer_, seconds, entry_points_)) return false;
    decoder_.flush();
    times_.seeked();
    decoded_any_ = false;
    if (seconds > 0) aimed_at_ = seconds;
    return true;
}

bool demux_source::seek_further_back() {
    if (!aimed_at_) return false;
    const auto next = further_back(*aimed_at_, *options_.start_seconds);
    return next && seek(*next);
}

// True after a seek until a frame that decoding can start from. If that frame is after the start, seeks further back.
bool demux_source::is_before_entry_point(const AVFrame& frame) {
    if (!aimed_at_) return false;
    if (!is_entry_point(frame)) return true;
    const bool in_time = frame.pts != AV_NOPTS_VALUE &&
                         times_.from_start(frame.pts) <= seconds_to_ns(*options_.start_seconds) + half_a_microsecond;
    if (!in_time && seek_further_back()) return true;
    aimed_at_.reset();
    return false;
}

result<void> demux_source::handle_end() {
    if (guard_.interrupted()) return fail(errc::interrupted, "stopped while reading " + name());
    if (demuxer_.live) return reconnect();
    const int code = decoder_.ended_with();
    const AVIOContext* io = demuxer_.format->pb;
    const bool io_failed = io && io->error < 0 && io->error != AVERROR_EOF && !ended_without_length(*io);
    const bool transport_failed = io_failed || code == AVERROR_EXIT;
    if (transport_failed) {
        const bool stalled = code == AVERROR_EXIT;
        return fail(stalled ? errc::timeout : errc::io,
                    "reading " + name() + " failed: " + (stalled ? "nothing came any more" : libav_message(io->error)) +
                        "; what came before is kept");
    }
    if (!decoded_any_ && seek_further_back()) return {};
    if (go_to_next_part()) return {};
    note_truncation();
    ended_ = true;
    return {};
}

// Continues with the next of joined recordings, where the reader stops at the end of the first.
bool demux_source::go_to_next_part() {
    if (kind_ != source_kind::file || !demuxer_.io->seekable()) return false;
    const auto at = next_part(demuxer_, last_byte_);
    if (!at) return false;
    auto opened = open_demuxer(input_, kind_, options_, guard_, {}, part_begin_ + *at);
    if (!opened || !attach(std::move(*opened))) return false;
    part_begin_ += *at;
    last_byte_ = 0;
    return true;
}

void demux_source::note_truncation() {
    const auto length = stated_length(*demuxer_.format, *demuxer_.video);
    const bool all_read = !options_.end_seconds || (length && *options_.end_seconds > *length);
    const bool short_of_it = length && all_read && packets_end_ns_ < seconds_to_ns(*length - 0.5);
    const AVIOContext* io = demuxer_.format->pb;
    const bool whole = decoder_.ended_with() == AVERROR_EOF || (io && ended_without_length(*io));
    if (short_of_it || !whole) survived_.add("truncated");
}

void demux_source::tell(const std::string& what) const {
    if (options_.note) options_.note(name() + " " + what);
}

result<void> demux_source::reconnect() {
    if (!backoff_) backoff_.emplace(steady::now(), options_.reconnect_for);
    const int code = decoder_.ended_with();
    std::string last_error = code == AVERROR_EXIT ? "nothing came any more" : libav_message(code);
    if (!std::exchange(lost_, true) && !demuxer_.playlist) tell("was lost (" + last_error + "); looking for it");
    // Close the old session first: a camera cannot be opened, and keeps its device name, while its old descriptor is
    // open; and some cameras allow only one session.
    guard_.arm(options_.read_timeout);
    decoder_.leave_device();
    const bool playlist = demuxer_.playlist;
    demuxer_.format.reset();
    demuxer_.io.reset();
    while (!backoff_->exhausted(steady::now())) {
        if (!guard_.sleep(backoff_->pause(steady::now()))) {
            return fail(errc::interrupted, "stopped while reading " + name());
        }
        source_options attempt = options_;
        attempt.read_timeout = std::min(options_.read_timeout, backoff_->left(steady::now()));
        if (attempt.read_timeout.count() == 0) break;
        const auto missed = std::chrono::ceil<std::chrono::seconds>(steady::now() - last_frame_at_);
        auto opened = open_demuxer(input_, kind_, attempt, guard_, missed);
        // A playlist that has ended by now was not lost.
        if (opened && !playlist) opened->live = true;
        auto attached = opened ? take_up_again(std::move(*opened)) : result<void>(tl::unexpected(opened.error()));
        if (attached) return {};
        if (guard_.interrupted()) return attached;
        last_error = attached.error().message;
    }
    return fail(errc::io, fmt::format("{} was lost and did not come back within {} s: {}", name(),
                                      std::chrono::duration<double>(options_.reconnect_for).count(), last_error));
}

result<void> demux_source::take_up_again(demuxer opened) {
    const bool ended = !opened.live;
    FACEFLOW_TRY(attach(std::move(opened)));
    if (demuxer_.playlist && last_raw_ns_) {
        seen_ = {*last_raw_ns_, ended ? steady::time_point::max() : steady::now() + patience_with_seen_frames};
        if (ended) {
            const AVStream& video = *demuxer_.video;
            // If it cannot seek, everything is read again.
            av_seek_frame(demuxer_.format.get(), video.index,
                          av_rescale_q(*last_raw_ns_, nanoseconds_base, video.time_base), AVSEEK_FLAG_BACKWARD);
        }
    }
    if (!ended) survived_.add("reconnect");
    times_.restart(steady::now() - last_frame_at_);
    return {};
}

result<std::unique_ptr<source>> open_demux_source(const std::string& input, source_kind kind,
                                                  const source_options& options) {
    auto made = std::make_unique<demux_source>(input, kind, options);
    FACEFLOW_TRY(made->open());
    return made;
}

}  // namespace faceflow::internal::media
