// SPDX-License-Identifier: Apache-2.0
// Takes the results of a run: into its outputs, and into the figures that a run reports besides the engine's.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <map>

#include "engine/outputs.hpp"

namespace faceflow::internal {

class result_taker {
public:
    // The outputs outlive it.
    explicit result_taker(outputs& into) : into_(into) {}

    // On the engine's handler thread.
    void take(const host_frame& f, const result<frame_faces>& faces) {
        if (!faces) return;
        last_faces_.store(faces->faces.size(), std::memory_order_relaxed);
        auto& newest = newest_track_[f.id.source];
        for (const face& x : faces->faces)
            newest = std::max(newest, x.track);
        into_.write(f, *faces);
    }

    // The faces in the last frame; on any thread.
    [[nodiscard]] std::uint64_t last_faces() const noexcept { return last_faces_.load(std::memory_order_relaxed); }

    // The tracks of all sources, once nothing is taken any more.
    [[nodiscard]] std::uint64_t tracks() const {
        std::uint64_t sum = 0;
        for (const auto& [source, newest] : newest_track_)
            sum += static_cast<std::uint64_t>(newest);
        return sum;
    }

private:
    outputs& into_;
    std::map<std::uint32_t, std::int64_t> newest_track_;  // by source; tracks count from 1
    std::atomic<std::uint64_t> last_faces_{0};
};

}  // namespace faceflow::internal
