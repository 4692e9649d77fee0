// SPDX-License-Identifier: Apache-2.0
#include "media/packet_window.hpp"

#include <algorithm>
#include <utility>

namespace faceflow::internal::media {

namespace {
constexpr std::size_t max_ahead = 96;
constexpr std::size_t max_ahead_bytes = std::size_t{32} << 20;
// No decoder delays by more packets: a packet older than the last frame's by this many gave no frame.
constexpr std::uint64_t longest_delay = 48;
}  // namespace

int packet_window::take_in(AVPacket& packet, const reader& read) {
    if (const int code = read(packet); code < 0) return code;
    const std::int64_t at = packet.pts != AV_NOPTS_VALUE ? packet.pts : packet.dts;
    if (at != AV_NOPTS_VALUE && (packet.flags & AV_PKT_FLAG_DISCARD) == 0) times_.push_back({at, packets_});
    ++packets_;
    if (times_.size() > max_ahead + 2 * longest_delay) times_.erase(times_.begin());
    return 0;
}

int packet_window::next(AVPacket& packet, const reader& read) {
    if (ahead_.empty()) return ended_with_ < 0 ? ended_with_ : take_in(packet, read);
    ahead_bytes_ -= static_cast<std::size_t>(ahead_.front()->size);
    av_packet_move_ref(&packet, ahead_.front().get());
    ahead_.pop_front();
    return 0;
}

void packet_window::read_ahead(const reader& read, std::size_t most) {
    while (ended_with_ == 0 && ahead_.size() < std::min(most, max_ahead) && ahead_bytes_ < max_ahead_bytes) {
        packet_ptr packet(av_packet_alloc());
        ended_with_ = packet ? take_in(*packet, read) : AVERROR(ENOMEM);
        if (ended_with_ < 0) return;
        ahead_bytes_ += static_cast<std::size_t>(packet->size);
        ahead_.push_back(std::move(packet));
    }
}

void packet_window::came_out(std::int64_t time) {
    const auto own = std::ranges::find(times_, time, &stated::time);
    if (own == times_.end()) return;
    const std::uint64_t order = own->order;
    times_.erase(own);
    std::erase_if(times_, [&](const stated& s) { return s.order + longest_delay < order; });
}

std::vector<std::int64_t> packet_window::coming() const {
    std::vector<std::int64_t> times;
    times.reserve(times_.size());
    for (const stated& s : times_)
        times.push_back(s.time);
    std::ranges::sort(times);
    return times;
}

std::optional<std::int64_t> packet_window::take_earliest() {
    if (times_.empty()) return std::nullopt;
    const auto earliest = std::ranges::min_element(times_, {}, &stated::time);
    const std::int64_t time = earliest->time;
    times_.erase(earliest);
    return time;
}

void packet_window::clear() noexcept {
    ahead_.clear();
    ahead_bytes_ = 0;
    ended_with_ = 0;
    times_.clear();
}

}  // namespace faceflow::internal::media
