// SPDX-License-Identifier: Apache-2.0
#include "media/seeking.hpp"

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <iterator>
#include <set>
#include <string>
#include <string_view>

#include "media/stream_facts.hpp"
#include "media/timeline.hpp"

namespace faceflow::internal::media {

namespace {
constexpr std::size_t longest_reordering = 32;  // packets
// The position, from `from` on, of the 9 bytes that `wanted` accepts.
std::optional<std::int64_t> find_bytes(AVIOContext& io, std::int64_t from,
                                       const std::function<bool(std::string_view)>& wanted) {
    constexpr std::size_t length = 9, part = std::size_t{1} << 16;
    std::string bytes;
    if (avio_seek(&io, from, SEEK_SET) < 0) return std::nullopt;
    for (std::int64_t at = from;;) {
        const std::size_t kept = bytes.size();
        bytes.resize(kept + part);
        const int got = avio_read(&io, reinterpret_cast<unsigned char*>(bytes.data() + kept), static_cast<int>(part));
        if (got <= 0) return std::nullopt;
        bytes.resize(kept + static_cast<std::size_t>(got));
        std::size_t i = 0;
        for (; i + length <= bytes.size(); ++i) {
            if (wanted(std::string_view(bytes).substr(i, length))) return at + static_cast<std::int64_t>(i);
        }
        bytes.erase(0, i);
        at += static_cast<std::int64_t>(i);
    }
}

}  // namespace

bool may_be_joined(const demuxer& opened) noexcept {
    const std::string_view container = opened.format->iformat->name;
    return (opened.format->iformat->flags & AVFMT_TS_DISCONT) != 0 || container.starts_with("matroska") ||
           container == "flv";
}

std::optional<std::int64_t> next_part(demuxer& opened, std::int64_t from) {
    using namespace std::string_view_literals;
    const std::string_view container = opened.format->iformat->name;
    if (container == "flv") {
        return find_bytes(*opened.format->pb, from, [](std::string_view bytes) {
            // Signature, version, stream flags, and the header's length.
            return bytes.starts_with("FLV\x01"sv) && bytes.substr(5, 4) == "\0\0\0\x09"sv;
        });
    }
    if (!container.starts_with("matroska")) return std::nullopt;
    return find_bytes(*opened.format->pb, from,
                      [](std::string_view bytes) { return bytes.starts_with("\x1a\x45\xdf\xa3"sv); });
}

bool can_seek(const demuxer& opened) noexcept {
    const AVFormatContext& format = *opened.format;
    return format.pb && (format.pb->seekable & AVIO_SEEKABLE_NORMAL) != 0 &&
           opened.video->start_time != AV_NOPTS_VALUE &&
           (format.iformat->flags & (AVFMT_NOTIMESTAMPS | AVFMT_GENERIC_INDEX)) == 0;
}

bool seek_to(demuxer& opened, double seconds, const std::vector<entry_point>& known) {
    AVFormatContext& format = *opened.format;
    if (!known.empty()) {
        const auto later = std::ranges::upper_bound(known, seconds_to_ns(seconds), {}, &entry_point::time_ns);
        const std::int64_t position = later == known.begin() ? 0 : std::prev(later)->position;
        return av_seek_frame(&format, -1, position, AVSEEK_FLAG_BYTE) >= 0;
    }
    const AVStream& video = *opened.video;
    const int flags = format.iformat->flags;
    if (seconds <= 0 && (flags & AVFMT_TS_DISCONT) != 0 && (flags & AVFMT_NO_BYTE_SEEK) == 0) {
        return av_seek_frame(&format, -1, 0, AVSEEK_FLAG_BYTE) >= 0;
    }
    const std::int64_t target =
        av_sat_add64(video.start_time, av_rescale_q(seconds_to_ns(seconds), nanoseconds_base, video.time_base));
    // Seeking uses decoding time, which precedes presentation time: for the very start, seek before it.
    const std::int64_t ahead = seconds > 0 ? 0 : av_rescale_q(10, AVRational{1, 1}, video.time_base);
    return av_seek_frame(&format, video.index, av_sat_sub64(target, ahead), AVSEEK_FLAG_BACKWARD) >= 0 ||
           av_seek_frame(&format, video.index, target, AVSEEK_FLAG_BACKWARD) >= 0;
}

// A picture that needs no other and starts a group: frames shown after it need none before it. Streams with gradual
// refresh have such a picture only at their start.
bool is_entry_point(const AVFrame& frame) noexcept {
    return frame.key_frame != 0 && (frame.pict_type == AV_PICTURE_TYPE_I || frame.pict_type == AV_PICTURE_TYPE_NONE);
}

std::optional<double> further_back(double aimed_at, double start) noexcept {
    if (aimed_at <= 0) return std::nullopt;
    const double gone = start - aimed_at;
    const double next = gone < 2 ? 2 : gone * 4;
    return next > 200 ? 0 : std::max(start - next, 0.0);
}

std::optional<std::vector<entry_point>> find_entry_points(demuxer& opened, double seconds,
                                                          const packet_window::reader& read) {
    const AVStream& video = *opened.video;
    if ((opened.format->iformat->flags & AVFMT_NO_BYTE_SEEK) != 0) return std::nullopt;
    const auto to_ns = [&](std::int64_t time) { return av_rescale_q(time, video.time_base, nanoseconds_base); };
    const std::int64_t end_ns = seconds_to_ns(seconds);
    std::vector<entry_point> found;
    const packet_ptr packet(av_packet_alloc());
    std::optional<std::int64_t> last;
    std::set<std::int64_t> shown;  // display times of the newest packets; frames shown at the same time are moved apart
    while (packet && read(*packet) == 0) {
        const std::int64_t pts = packet->pts, position = packet->pos;
        const std::int64_t dts = packet->dts != AV_NOPTS_VALUE ? packet->dts : pts;
        const bool key = (packet->flags & AV_PKT_FLAG_KEY) != 0;
        av_packet_unref(packet.get());
        if (dts == AV_NOPTS_VALUE || pts == AV_NOPTS_VALUE) return std::nullopt;
        if (last && (dts <= *last || to_ns(av_sat_sub64(dts, *last)) > longest_gap_of_settable_clocks_ns))
            return std::nullopt;
        if (std::abs(to_ns(av_sat_sub64(pts, dts))) > longest_gap_of_settable_clocks_ns || !shown.insert(pts).second)
            return std::nullopt;
        if (shown.size() > longest_reordering) shown.erase(shown.begin());
        const std::int64_t time_ns = to_ns(av_sat_sub64(pts, video.start_time));
        if (key && (position < 0 || (!found.empty() && time_ns <= found.back().time_ns))) return std::nullopt;
        if (key) found.push_back({time_ns, position});
        if (to_ns(av_sat_sub64(dts, video.start_time)) > end_ns) break;
        last = dts;
    }
    return found;
}

}  // namespace faceflow::internal::media
