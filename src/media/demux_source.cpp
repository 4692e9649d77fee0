// Files, cameras, streams and standard input: one container, one decoder, and what to do when either fails.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>
#include <thread>

#include "media/counts.hpp"
#include "media/decoder.hpp"
#include "media/demuxer.hpp"
#include "media/device_frames.hpp"
#include "media/hardware.hpp"
#include "media/picture_size.hpp"
#include "media/reconnect.hpp"
#include "media/sources.hpp"
#include "media/stream_facts.hpp"
#include "media/timeline.hpp"

namespace faceflow::media {

namespace {

using steady = std::chrono::steady_clock;

constexpr int most_bad_reads_in_a_row = 64;
constexpr auto longest_wait_for_room = std::chrono::seconds(1);

// No time lies further away than some 290 years, which is what 64 bits hold.
std::int64_t to_ns(double seconds) {
    return std::llround(std::clamp(seconds, -9e9, 9e9) * 1e9);
}

// A camera's packets lie in buffers of the driver's, which go with its descriptor. Frames may outlive that.
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

class demux_source final : public source {
public:
    demux_source(std::string input, source_kind kind, const source_options& options)
        : input_(std::move(input)),
          kind_(kind),
          options_(options),
          guard_(options.stop) {}

    result<void> open();

    const source_info& info() const noexcept override { return info_; }
    result<std::optional<read_frame>> next() override;
    void interrupt() noexcept override { guard_.interrupt(); }
    std::map<std::string, std::uint64_t> survived() const override { return survived_.get(); }

private:
    [[nodiscard]] std::string name() const { return kind_ == source_kind::stdin_stream ? "standard input" : input_; }
    result<void> attach(demuxer opened);
    result<void> look_ahead();
    bool seek(double seconds);
    bool seek_further_back();
    bool landed_late(std::int64_t pts_ns);
    int read_packet(AVPacket& packet);
    int wait_for_packet(AVPacket& packet);
    result<std::optional<read_frame>> read();
    result<void> open_hardware_decoder();
    result<std::optional<read_frame>> finish_frame(frame_ptr frame, std::int64_t pts_ns);
    result<read_frame> keep_on_device(frame_ptr frame, AVPixelFormat layout);
    result<read_frame> keep_in_host_memory(frame_ptr frame);
    std::optional<std::int64_t> place(const AVFrame& frame);
    result<void> handle_end();
    void note_truncation();
    result<void> reconnect();

    std::string input_;
    source_kind kind_;
    source_options options_;
    io_guard guard_;  // before what holds its callback
    demuxer demuxer_;
    std::shared_ptr<device_frames> device_frames_;
    std::unique_ptr<hardware> hardware_;  // null: frames stay in host memory
    std::optional<decoder> decoder_;
    std::optional<frame_mapper> mapper_;
    timeline timeline_{0};
    source_info info_;
    survival_counts survived_;

    std::optional<read_frame> ahead_;  // decoded by open()
    std::optional<error> failed_;
    bool ended_ = false;
    bool decoded_any_ = false;
    std::optional<double> sought_;     // where the last seek aimed
    std::int64_t packets_end_ns_ = 0;  // how far the packets reached
    std::uint64_t sequence_ = 0;
    std::optional<backoff> backoff_;  // from a loss to the next frame
    steady::time_point last_frame_at_ = steady::now();
};

result<void> demux_source::open() {
    auto opened = open_demuxer(input_, kind_, options_, guard_);
    if (!opened) return tl::unexpected(opened.error());
    info_ = describe(*opened, input_, kind_, options_);
    const AVCodecParameters& coded = *opened->video->codecpar;
    if (auto fits = check_size(name(), static_cast<std::uint64_t>(std::max(coded.width, 0)),
                               static_cast<std::uint64_t>(std::max(coded.height, 0)));
        !fits) {
        return fits;
    }
    const auto length = stated_length(*opened->format, *opened->video);
    if (!opened->live && length && options_.start_seconds.value_or(0) >= *length) {
        return fail(errc::invalid_argument, "the start at " + std::to_string(*options_.start_seconds) +
                                                " s lies behind the end of " + name() + " (" + std::to_string(*length) +
                                                " s)");
    }
    if (auto attached = attach(std::move(*opened)); !attached) return attached;
    if (demuxer_.live) return {};
    if (options_.start_seconds.value_or(0) > 0) seek(*options_.start_seconds);
    return look_ahead();
}

// What a stream's header promises may still not decode, and its true size and turn are the first frame's.
result<void> demux_source::look_ahead() {
    auto first = read();
    if (!first) return tl::unexpected(first.error());
    if (!*first) {
        if (decoded_any_) return {};
        if (index_was_missed(demuxer_)) return fail(errc::corrupt, "cannot open " + name() + ": " + index_advice);
        return fail(errc::corrupt, name() + " holds no frame that decodes (" + info_.codec +
                                       "): it is damaged; try `ffmpeg -i` on it, or another copy");
    }
    ahead_ = std::move(**first);
    info_.width = ahead_->frame.picture.upright_width();
    info_.height = ahead_->frame.picture.upright_height();
    return {};
}

// Once, on opening: the decoder of a source that was found again uses the same.
result<void> demux_source::open_hardware_decoder() {
    if (options_.decode_on == nullptr || hardware_ != nullptr) return {};
    auto frames = device_frames::create(*options_.decode_on);
    if (!frames) return tl::unexpected(std::move(frames.error()));
    auto opened = open_hardware((*frames)->work());
    if (!opened) return options_.only_on_device ? tl::unexpected(std::move(opened.error())) : result<void>{};
    device_frames_ = std::move(*frames);
    hardware_ = std::move(*opened);
    return {};
}

result<void> demux_source::attach(demuxer opened) {
    if (auto ready = open_hardware_decoder(); !ready)
        return fail(ready.error().code, name() + ": " + ready.error().message);
    decoder_.reset();  // before another that uses the same hardware
    auto made = decoder::open(*opened.video->codecpar, opened.video->time_base, options_.decode_threads, opened.live,
                              hardware_.get());
    if (!made) return fail(made.error().code, name() + ": " + made.error().message);
    decoder_.emplace(std::move(*made));
    mapper_.emplace(traits_of(*opened.video));
    demuxer_.format.reset();  // before the I/O that it reads from
    demuxer_ = std::move(opened);
    return {};
}

bool demux_source::seek(double seconds) {
    AVFormatContext& format = *demuxer_.format;
    sought_.reset();
    const bool possible = format.pb && (format.pb->seekable & AVIO_SEEKABLE_NORMAL) != 0 &&
                          (format.iformat->flags & (AVFMT_NOTIMESTAMPS | AVFMT_GENERIC_INDEX)) == 0;
    if (!possible) return false;  // everything before the start is decoded and dropped instead
    const AVStream& video = *demuxer_.video;
    std::int64_t target = av_rescale_q(to_ns(seconds), nanoseconds_base, video.time_base);
    if (video.start_time != AV_NOPTS_VALUE) target += video.start_time;
    // Seeking goes by decoding time, which runs ahead of presentation: to the very start means before it.
    const std::int64_t ahead = seconds > 0 ? 0 : av_rescale_q(10, AVRational{1, 1}, video.time_base);
    if (av_seek_frame(&format, video.index, target - ahead, AVSEEK_FLAG_BACKWARD) < 0 &&
        av_seek_frame(&format, video.index, target, AVSEEK_FLAG_BACKWARD) < 0) {
        return false;
    }
    decoder_->flush();
    timeline_ = timeline(0);
    decoded_any_ = false;
    sought_ = seconds;
    return true;
}

// Containers without an index can put a seek behind the keyframe that was needed: then from further back.
bool demux_source::seek_further_back() {
    if (sought_.value_or(0) <= 0) return false;
    return seek(*sought_ > *options_.start_seconds - 5 ? std::max(*sought_ - 10, 0.0) : 0.0);
}

bool demux_source::landed_late(std::int64_t pts_ns) {
    return sought_ && pts_ns > to_ns(*options_.start_seconds) && seek_further_back();
}

int demux_source::wait_for_packet(AVPacket& packet) {
    for (int bad = 0;;) {
        const int code = av_read_frame(demuxer_.format.get(), &packet);
        if (code >= 0) return kind_ == source_kind::camera ? make_own(packet) : 0;
        if (guard_.give_up()) return AVERROR_EXIT;
        if (code == AVERROR(EAGAIN)) {
            std::this_thread::sleep_for(std::chrono::milliseconds(1));  // a camera between two frames
        } else if (code == AVERROR_INVALIDDATA && ++bad < most_bad_reads_in_a_row) {
            survived_.add("corrupt_packet");
        } else {
            return code;
        }
    }
}

int demux_source::read_packet(AVPacket& packet) {
    const bool remote = demuxer_.live || kind_ == source_kind::stream;
    for (;;) {
        if (guard_.interrupted()) return AVERROR_EXIT;
        if (remote) guard_.arm(options_.read_timeout);
        if (const int code = wait_for_packet(packet); code < 0) return code;
        if (packet.stream_index == demuxer_.video->index) break;
        av_packet_unref(&packet);
    }
    const std::int64_t at = packet.pts != AV_NOPTS_VALUE ? packet.pts : packet.dts;
    if (at != AV_NOPTS_VALUE) {
        const std::int64_t start = std::max<std::int64_t>(demuxer_.video->start_time, 0);
        const std::int64_t end = at - start + packet.duration;
        packets_end_ns_ = std::max(packets_end_ns_, av_rescale_q(end, demuxer_.video->time_base, nanoseconds_base));
    }
    return 0;
}

std::optional<std::int64_t> demux_source::place(const AVFrame& frame) {
    const AVStream& video = *demuxer_.video;
    if (!timeline_.last() && !backoff_) {
        const double rate = frame_rate_of(video);
        timeline_ = timeline(rate > 0 ? to_ns(1 / rate) : 0);
        if (!demuxer_.live && video.start_time != AV_NOPTS_VALUE) {
            timeline_.set_origin(av_rescale_q(video.start_time, video.time_base, nanoseconds_base));
        }
    }
    std::optional<std::int64_t> raw;
    if (frame.best_effort_timestamp != AV_NOPTS_VALUE) {
        raw = av_rescale_q(frame.best_effort_timestamp, video.time_base, nanoseconds_base);
    }
    const auto pts_ns = timeline_.place(raw);
    if (timeline_.event() == timeline_event::out_of_order) survived_.add("timestamp_order");
    if (timeline_.event() == timeline_event::jump) survived_.add("timestamp_jump");
    return pts_ns;
}

result<std::optional<read_frame>> demux_source::next() {
    if (guard_.interrupted()) return fail(errc::interrupted, "stopped while reading " + name());
    if (failed_) return tl::unexpected(*failed_);
    if (ahead_) return std::exchange(ahead_, std::nullopt);
    if (ended_) return std::optional<read_frame>();
    auto frame = read();
    if (!frame && frame.error().code != errc::corrupt) failed_ = frame.error();
    return frame;
}

result<std::optional<read_frame>> demux_source::read() {
    while (!ended_) {
        auto frame = decoder_->next([this](AVPacket& packet) { return read_packet(packet); });
        survived_.add("corrupt_packet", decoder_->take_corrupt());
        guard_.disarm();
        if (!frame) return fail(frame.error().code, name() + ": " + frame.error().message);
        if (!*frame) {
            if (auto handled = handle_end(); !handled) return tl::unexpected(handled.error());
            continue;
        }
        const std::optional<std::int64_t> pts_ns = place(**frame);
        if (!pts_ns || landed_late(*pts_ns)) continue;
        decoded_any_ = true;
        sought_.reset();
        if (options_.start_seconds && *pts_ns < to_ns(*options_.start_seconds)) continue;
        if (options_.end_seconds && *pts_ns >= to_ns(*options_.end_seconds)) break;
        auto given = finish_frame(std::move(*frame), *pts_ns);
        if (given || !hardware_ || given.error().code != errc::out_of_memory) return given;
        survived_.add("device_memory");  // load shed: what is on its way gives room again
        ++sequence_;
    }
    ended_ = true;
    return std::optional<read_frame>();
}

result<std::optional<read_frame>> demux_source::finish_frame(frame_ptr frame, std::int64_t pts_ns) {
    const bool damaged = (frame->flags & AV_FRAME_FLAG_CORRUPT) != 0 || frame->decode_error_flags != 0;
    const AVPixelFormat layout = hardware_ ? hardware_->layout_on_device(*frame) : AV_PIX_FMT_NONE;
    auto given = to_pixel_format(layout) != pixel_format::none ? keep_on_device(std::move(frame), layout)
                                                               : keep_in_host_memory(std::move(frame));
    if (!given) return fail(given.error().code, name() + ": " + given.error().message);
    survived_.add("damaged_frame", damaged ? 1 : 0);
    given->frame.id = {options_.number, sequence_++};
    given->frame.pts_ns = pts_ns;
    given->frame.captured = last_frame_at_ = steady::now();
    backoff_.reset();
    return std::optional<read_frame>(std::move(*given));
}

result<read_frame> demux_source::keep_in_host_memory(frame_ptr frame) {
    if (options_.only_on_device) {
        return fail(errc::unsupported, "the device does not decode its " + info_.codec +
                                           " (this profile or pixel format); use --decode auto or cpu");
    }
    survived_.add("decoded_on_cpu", hardware_ ? 1 : 0);
    auto mapped = mapper_->map(std::move(frame));
    if (!mapped) return tl::unexpected(std::move(mapped.error()));
    survived_.add("converted_pixel_format", mapped->converted ? 1 : 0);
    survived_.add("ignored_flip", mapped->flipped ? 1 : 0);
    read_frame given;
    given.frame.picture = mapped->picture;
    given.frame.owner = std::move(mapped->owner);
    return given;
}

result<read_frame> demux_source::keep_on_device(frame_ptr frame, AVPixelFormat layout) {
    auto described = mapper_->describe(*frame, layout);
    if (!described) return tl::unexpected(std::move(described.error()));
    const image& facts = described->picture;
    const auto keep = [&] {
        return device_frames_->produce(facts, {options_.number, sequence_},
                                       [&](std::byte* slot) { return hardware_->copy(std::move(frame), facts, slot); });
    };
    auto kept = keep();
    // A recorded frame can wait until those before it have left the device.
    const auto until = steady::now() + longest_wait_for_room;
    while (!kept && kept.error().code == errc::out_of_memory && !demuxer_.live && !guard_.interrupted() &&
           steady::now() < until) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
        kept = keep();
    }
    if (!kept) return tl::unexpected(std::move(kept.error()));
    survived_.add("ignored_flip", described->flipped ? 1 : 0);
    read_frame given;
    given.frame.picture = facts;
    given.frame.on_device = std::move(*kept);
    return given;
}

result<void> demux_source::handle_end() {
    if (guard_.interrupted()) return fail(errc::interrupted, "stopped while reading " + name());
    if (demuxer_.live) return reconnect();
    const int code = decoder_->ended_with();
    const AVIOContext* io = demuxer_.format->pb;
    const bool transport_failed = (io && io->error < 0 && io->error != AVERROR_EOF) || code == AVERROR_EXIT;
    if (transport_failed) {
        const bool stalled = code == AVERROR_EXIT;
        return fail(stalled ? errc::timeout : errc::io,
                    "reading " + name() + " failed: " + (stalled ? "nothing came any more" : libav_message(io->error)) +
                        "; what came before is kept");
    }
    if (!decoded_any_ && seek_further_back()) return {};
    note_truncation();
    ended_ = true;
    return {};
}

void demux_source::note_truncation() {
    const auto length = stated_length(*demuxer_.format, *demuxer_.video);
    const bool all_read = !options_.end_seconds || (length && *options_.end_seconds > *length);
    const bool short_of_it = length && all_read && packets_end_ns_ < to_ns(*length - 0.5);
    if (short_of_it || decoder_->ended_with() != AVERROR_EOF) survived_.add("truncated");
}

result<void> demux_source::reconnect() {
    if (!backoff_) backoff_.emplace(steady::now(), options_.reconnect_for);
    std::string last_error = libav_message(decoder_->ended_with());
    // A camera lets nobody in, and keeps its name, while its old descriptor is open; and some have room for one session.
    guard_.arm(options_.read_timeout);
    demuxer_.format.reset();
    demuxer_.io.reset();
    while (!backoff_->exhausted(steady::now())) {
        if (!guard_.sleep(backoff_->pause(steady::now()))) {
            return fail(errc::interrupted, "stopped while reading " + name());
        }
        source_options attempt = options_;
        attempt.read_timeout = std::min(options_.read_timeout, backoff_->left(steady::now()));
        if (attempt.read_timeout.count() == 0) break;
        auto opened = open_demuxer(input_, kind_, attempt, guard_);
        result<void> attached = opened ? attach(std::move(*opened)) : result<void>(tl::unexpected(opened.error()));
        if (attached) {
            survived_.add("reconnect");
            timeline_.restart(steady::now() - last_frame_at_);
            return {};
        }
        if (guard_.interrupted()) return attached;
        last_error = attached.error().message;
    }
    return fail(errc::io, name() + " was lost and did not come back within " +
                              std::to_string(options_.reconnect_for.count()) + " ms: " + last_error);
}

}  // namespace

result<std::unique_ptr<source>> open_demux_source(const std::string& input, source_kind kind,
                                                  const source_options& options) {
    auto made = std::make_unique<demux_source>(input, kind, options);
    if (auto opened = made->open(); !opened) return tl::unexpected(opened.error());
    return made;
}

}  // namespace faceflow::media
