// SPDX-License-Identifier: Apache-2.0
// Buffers the packets of one stream in order, and tracks the times of frames that are still to come from them.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <vector>

#include "media/ffmpeg.hpp"

namespace faceflow::internal::media {

class packet_window {
public:
    // Reads one packet of the stream; returns 0, or a libav error number.
    using reader = std::function<int(AVPacket&)>;

    // The next packet; the reader's error once all packets read ahead are consumed.
    [[nodiscard]] int next(AVPacket& packet, const reader& read);

    // Reads at most `most` packets ahead: packets cost less memory than frames.
    void read_ahead(const reader& read, std::size_t most);

    // Records that a frame with this time came out, the same as its packet's.
    void came_out(std::int64_t time);
    // The times of packets without a frame yet, ascending, in the stream's time base.
    [[nodiscard]] std::vector<std::int64_t> coming() const;
    // Removes and returns the earliest of them by decoding time, for containers that state no other: frames come out in
    // that order.
    [[nodiscard]] std::optional<std::int64_t> take_earliest();

    void clear() noexcept;

private:
    struct stated {
        std::int64_t time;
        std::uint64_t order;  // among all packets
    };
    [[nodiscard]] int take_in(AVPacket& packet, const reader& read);

    std::deque<packet_ptr> ahead_;
    std::size_t ahead_bytes_ = 0;
    int ended_with_ = 0;  // the reader's error, after the packets in ahead_
    std::vector<stated> times_;
    std::uint64_t packets_ = 0;
};

}  // namespace faceflow::internal::media
