// SPDX-License-Identifier: Apache-2.0
// The packets of one stream in their order, and the times of the frames that are still to come of them.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <vector>

#include "media/ffmpeg.hpp"

namespace faceflow::media {

class packet_window {
public:
    // Reads one packet of the stream; 0, or a libav error number.
    using reader = std::function<int(AVPacket&)>;

    // The next packet; the reader's error once all that was read ahead is given.
    [[nodiscard]] int next(AVPacket& packet, const reader& read);

    // Reads ahead, so many packets at most: frames cost more memory.
    void read_ahead(const reader& read, std::size_t most);

    // A frame came out that states this time, as its packet did.
    void came_out(std::int64_t time);
    // The times of packets that gave no frame yet, ascending, in the stream's time base.
    [[nodiscard]] std::vector<std::int64_t> coming() const;
    // The earliest of them by decoding time alone, for containers that state no other: frames come out in that order. Takes it off.
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
    int ended_with_ = 0;  // the reader's, after what is ahead
    std::vector<stated> times_;
    std::uint64_t packets_ = 0;
};

}  // namespace faceflow::media
