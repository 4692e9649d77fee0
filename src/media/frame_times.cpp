// SPDX-License-Identifier: Apache-2.0
#include "media/frame_times.hpp"

#include <cmath>
#include <limits>

#include "media/stream_facts.hpp"

namespace faceflow::internal::media {

namespace {

constexpr double max_likely_rate = 1000;  // a higher rate is a time base mistaken for one

// AV_NOPTS_VALUE if it does not fit 64 bits (some 290 years).
std::int64_t to_ns(std::int64_t time, const AVStream& video) noexcept {
    return av_rescale_q(time, video.time_base, nanoseconds_base);
}

std::optional<std::int64_t> if_stated(std::int64_t ns) noexcept {
    return ns == AV_NOPTS_VALUE ? std::nullopt : std::optional(ns);
}

}  // namespace

timeline frame_times::make_line() const {
    const double rate = frame_rate_of(*video_);
    timeline line(rate > 0 && rate <= max_likely_rate ? std::llround(std::min(1e9 / rate, 9e18)) : 0);
    if (!live_ && video_->start_time != AV_NOPTS_VALUE) line.set_origin(to_ns(video_->start_time, *video_));
    return line;
}

void frame_times::attach(const demuxer& opened) {
    video_ = opened.video;
    live_ = opened.live;
    clock_may_be_set_ = live_ || (opened.format->iformat->flags & AVFMT_TS_DISCONT) != 0;
    // A pipe may be fed by a camera, whose packets come one at a time.
    const AVIOContext* io = opened.format->pb;
    packets_ahead_ = io && (io->seekable & AVIO_SEEKABLE_NORMAL) != 0 ? 96 : 8;
    states_pts_ = false;
    // True if frames come out in another order than they are decoded.
    in_decoding_order_ = opened.video->codecpar->video_delay > 0;
    window_.clear();
    if (!timeline_.last()) timeline_ = make_line();
}

void frame_times::seeked() {
    window_.clear();
    timeline_ = make_line();
    trusts_next_ = true;
}

void frame_times::restart(std::chrono::nanoseconds elapsed) noexcept {
    window_.clear();
    timeline_.restart(elapsed);
}

std::optional<std::int64_t> frame_times::stated(const AVFrame& frame) {
    if (frame.pts != AV_NOPTS_VALUE) states_pts_ = true;
    if (frame.pts != AV_NOPTS_VALUE && !in_decoding_order_) {
        window_.came_out(frame.pts);
        return if_stated(to_ns(frame.pts, *video_));
    }
    if (states_pts_ && !in_decoding_order_) return std::nullopt;
    // The container states only decoding times: as many frames come out, in order.
    const auto earliest = window_.take_earliest();
    if (!earliest) return std::nullopt;
    return if_stated(to_ns(*earliest, *video_));
}

int frame_times::read(AVPacket& packet) {
    const int code = source_(packet);
    if (code >= 0 && packet.pts != AV_NOPTS_VALUE && packet.pts != packet.dts) in_decoding_order_ = false;
    return code;
}

std::vector<std::int64_t> frame_times::coming() {
    window_.read_ahead(read_, packets_ahead_);
    auto times = window_.coming();
    for (std::int64_t& time : times)
        time = to_ns(time, *video_);
    return times;
}

std::int64_t frame_times::place(std::optional<std::int64_t> raw_ns, std::chrono::nanoseconds silence) {
    std::optional<std::int64_t> longest_gap;
    if (clock_may_be_set_) longest_gap = longest_gap_of_settable_clocks_ns + (live_ ? silence.count() : 0);
    // A live input's future packets are unknown.
    const bool known = !live_ && !std::exchange(trusts_next_, false);
    return timeline_.place(raw_ns, longest_gap,
                           known ? timeline::outlook([this] { return coming(); }) : timeline::outlook());
}

std::int64_t frame_times::from_start(std::int64_t pts) const noexcept {
    if (video_->start_time == AV_NOPTS_VALUE) return std::numeric_limits<std::int64_t>::max();
    return to_ns(av_sat_sub64(pts, video_->start_time), *video_);
}

}  // namespace faceflow::internal::media
