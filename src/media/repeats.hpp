// SPDX-License-Identifier: Apache-2.0
// Detects repeated packets: libav's reader of live DASH restarts its last segment when the manifest has grown.
#pragma once

#include <cstdint>
#include <deque>
#include <set>
#include <utility>

#include "media/ffmpeg.hpp"

namespace faceflow::internal::media {

class repeats {
public:
    // Whether a packet of this time and size came before, within the last thousand or so.
    [[nodiscard]] bool contain(const AVPacket& packet) {
        if (packet.dts == AV_NOPTS_VALUE) return false;
        const facts about{packet.dts, packet.size};
        if (!seen_.insert(about).second) return true;
        order_.push_back(about);
        if (order_.size() > most) {
            seen_.erase(order_.front());
            order_.pop_front();
        }
        return false;
    }
    void clear() noexcept {
        seen_.clear();
        order_.clear();
    }

private:
    using facts = std::pair<std::int64_t, int>;
    static constexpr std::size_t most = 4096;
    std::set<facts> seen_;
    std::deque<facts> order_;
};

}  // namespace faceflow::internal::media
