// SPDX-License-Identifier: Apache-2.0
#include "media/demux_source.hpp"

#include <algorithm>
#include <utility>

#include "core/try.hpp"
#include "media/picture_size.hpp"
#include "media/stream_facts.hpp"

namespace faceflow::internal::media {

namespace {

constexpr std::int64_t noticeable_gap_ns = 1'000'000'000;

// Whether the start lies behind the stated end.
bool starts_behind(std::optional<double> length, const source_options& options) {
    return length && options.start_seconds.value_or(0) >= *length;
}

}  // namespace

result<void> demux_source::open() {
    FACEFLOW_ASSIGN(auto opened, open_demuxer(input_, guard_));
    info_ = describe(opened, input_.input, input_.kind, input_.options);
    const AVCodecParameters& coded = *opened.video->codecpar;
    FACEFLOW_TRY(check_size(input_.name(), static_cast<std::uint64_t>(std::max(coded.width, 0)),
                            static_cast<std::uint64_t>(std::max(coded.height, 0))));
    FACEFLOW_TRY(check_start(opened));
    FACEFLOW_TRY(attach(std::move(opened)));
    opened_ = packets_.input().live;
    if (opened_) return {};
    FACEFLOW_TRY(go_to_start());
    return look_ahead();
}

result<void> demux_source::check_start(const demuxer& opened) const {
    const auto length = stated_length(*opened.format, *opened.video);
    if (opened.live || !starts_behind(length, input_.options) || may_be_joined(opened)) return {};
    return fail(errc::invalid_argument, "the start at " + std::to_string(input_.options.start_seconds.value_or(0)) +
                                            " s is after the end of " + input_.name() + " (" + std::to_string(*length) +
                                            " s)");
}

result<void> demux_source::attach(demuxer opened) {
    if (auto ready = decoder_.open(opened); !ready)
        return fail(ready.error().code, input_.name() + ": " + ready.error().message);
    frames_.attach(*opened.video);
    packets_.attach(std::move(opened));
    times_.attach(packets_.input());
    return {};
}

// If the clock does not run evenly up to the start, only decoding everything gives the same times.
result<void> demux_source::go_to_start() {
    demuxer& opened = packets_.input();
    const double start = input_.options.start_seconds.value_or(0);
    // Beyond the stated end of the first of joined recordings, the position is found only by reading.
    const bool behind_end = starts_behind(stated_length(*opened.format, *opened.video), input_.options);
    if (start <= 0 || behind_end || !can_seek(opened)) return {};
    const bool settable = (opened.format->iformat->flags & AVFMT_TS_DISCONT) != 0;
    if (!settable || input_.kind != source_kind::file) {
        static_cast<void>(start_.seek());
        return {};
    }
    auto found = find_entry_points(opened, start, [this](AVPacket& packet) { return packets_.read(packet); });
    if (found && !found->empty()) {
        start_.use(std::move(*found));
        if (start_.seek()) return {};
    }
    packets_.close();
    packets_.start_over();
    FACEFLOW_ASSIGN(auto again, open_demuxer(input_, guard_));
    return attach(std::move(again));
}

bool demux_source::seek(double seconds, const std::vector<entry_point>& known) {
    if (!seek_to(packets_.input(), seconds, known)) return false;
    decoder_.flush();
    times_.seeked();
    decoded_any_ = false;
    return true;
}

// Decodes the first frame: a stream may not decode despite its header, and the true size and turn are those of the
// first frame.
result<void> demux_source::look_ahead() {
    FACEFLOW_ASSIGN(auto first, read());
    if (!first) {
        if (decoded_any_) return {};
        if (index_was_missed(packets_.input()))
            return fail(errc::corrupt, "cannot open " + input_.name() + ": " + index_advice);
        return fail(errc::corrupt, input_.name() + " holds no frame that decodes (" + info_.codec +
                                       "): it is damaged; try `ffmpeg -i` on it, or another copy");
    }
    opened_ = true;
    ahead_ = std::move(*first);
    info_.width = ahead_->frame.picture.upright_width();
    info_.height = ahead_->frame.picture.upright_height();
    return {};
}

result<std::optional<read_frame>> demux_source::next() {
    if (guard_.interrupted()) return fail(errc::interrupted, "stopped while reading " + input_.name());
    if (failed_) return tl::unexpected(*failed_);
    if (ahead_) return std::exchange(ahead_, std::nullopt);
    if (ended_) return std::optional<read_frame>();
    auto frame = read();
    if (!frame && frame.error().code != errc::corrupt) failed_ = frame.error();
    if (failed_ || ended_) decoder_.leave_device();
    return frame;
}

result<std::optional<read_frame>> demux_source::read() {
    const source_options& options = input_.options;
    while (!ended_) {
        auto frame = decoder_.next([this](AVPacket& packet) { return times_.next_packet(packet); });
        survived_.add("corrupt_packet", decoder_.take_corrupt());
        guard_.disarm();
        if (!frame) return fail(frame.error().code, input_.name() + ": " + frame.error().message);
        if (!*frame) {
            FACEFLOW_TRY(handle_end());
            continue;
        }
        if (start_.drops(**frame, times_)) continue;
        const auto raw_ns = times_.stated(**frame);
        if (seen_.contain(raw_ns, seen_frames::clock::now())) continue;
        seen_.add(raw_ns);
        const std::int64_t pts_ns = place(raw_ns);
        decoded_any_ = true;
        const std::int64_t shown = pts_ns + half_a_microsecond;
        if (options.start_seconds && shown < seconds_to_ns(*options.start_seconds)) continue;
        if (options.end_seconds && shown >= seconds_to_ns(*options.end_seconds)) break;
        const bool may_go_on = opened_ && decoder_.layout_on_device(**frame) != AV_PIX_FMT_NONE;
        auto given = give(std::move(*frame), pts_ns);
        if (given) return std::optional<read_frame>(std::move(*given));
        if (!may_go_on || given.error().code != errc::out_of_memory) return tl::unexpected(std::move(given.error()));
        survived_.add("device_memory");  // load shedding: frames in work will free room
        ++sequence_;
    }
    ended_ = true;
    return std::optional<read_frame>();
}

std::int64_t demux_source::place(std::optional<std::int64_t> raw_ns) {
    const timeline& line = times_.line();
    const timeline::mended before = line.counts();
    const auto last = line.last();
    const std::int64_t pts_ns = times_.place(raw_ns, recovery_.silence());
    survived_.add("timestamp_order", line.counts().order - before.order);
    survived_.add("timestamp_jump", line.counts().jumps - before.jumps);
    survived_.add("timestamp_outlier", line.counts().outliers - before.outliers);
    const bool streams = packets_.input().live && input_.kind == source_kind::stream;
    const bool gap = streams && !recovery_.is_lost() && last && pts_ns - *last > noticeable_gap_ns;
    survived_.add("stream_gap", gap ? 1 : 0);
    return pts_ns;
}

result<read_frame> demux_source::give(frame_ptr decoded, std::int64_t pts_ns) {
    const bool damaged = (decoded->flags & AV_FRAME_FLAG_CORRUPT) != 0 || decoded->decode_error_flags != 0;
    const bool may_wait = opened_ && !packets_.input().live;
    const frame_id id{input_.options.number, sequence_};
    auto given = frames_.keep(std::move(decoded), id, may_wait);
    if (!given) return fail(given.error().code, input_.name() + ": " + given.error().message);
    survived_.add("damaged_frame", damaged ? 1 : 0);
    ++sequence_;
    given->frame.id = id;
    given->frame.pts_ns = pts_ns;
    given->frame.clock_ns = times_.line().offset().value_or(0);
    given->frame.captured = recovery_.note_frame();
    return given;
}

result<void> demux_source::handle_end() {
    if (guard_.interrupted()) return fail(errc::interrupted, "stopped while reading " + input_.name());
    if (packets_.input().live) return reconnect();
    FACEFLOW_TRY(packets_.check_transport(decoder_.ended_with()));
    if (!decoded_any_ && start_.seek_further_back()) return {};
    if (go_to_next_recording()) return {};
    survived_.add("truncated", packets_.was_truncated(decoder_.ended_with()) ? 1 : 0);
    ended_ = true;
    return {};
}

bool demux_source::go_to_next_recording() {
    const auto begin = packets_.next_recording();
    if (!begin) return false;
    demuxer_request next = input_;
    next.from_byte = *begin;
    auto opened = open_demuxer(next, guard_);
    return opened && attach(std::move(*opened));
}

result<void> demux_source::reconnect() {
    recovery_.lose(decoder_.ended_with(), packets_.input().playlist);
    // Close the old session first: a camera cannot be opened, and keeps its device name, while its old descriptor is
    // open; and some cameras allow only one session.
    guard_.arm(input_.options.read_timeout);
    decoder_.leave_device();
    packets_.close();
    return recovery_.find_again([this](demuxer opened) { return take_up_again(std::move(opened)); });
}

result<void> demux_source::take_up_again(demuxer opened) {
    const bool ended = !opened.live;
    FACEFLOW_TRY(attach(std::move(opened)));
    const demuxer& again = packets_.input();
    if (again.playlist) seen_.expect_again(ended, seen_frames::clock::now());
    if (again.playlist && ended && seen_.last()) {
        // If it cannot seek, everything is read again.
        av_seek_frame(again.format.get(), again.video->index,
                      av_rescale_q(*seen_.last(), nanoseconds_base, again.video->time_base), AVSEEK_FLAG_BACKWARD);
    }
    if (!ended) survived_.add("reconnect");
    times_.restart(recovery_.silence());
    return {};
}

result<std::unique_ptr<source>> open_demux_source(const std::string& input, source_kind kind,
                                                  const source_options& options) {
    auto made = std::make_unique<demux_source>(demuxer_request{.input = input, .kind = kind, .options = options});
    FACEFLOW_TRY(made->open());
    return made;
}

}  // namespace faceflow::internal::media
