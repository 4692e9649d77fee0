// SPDX-License-Identifier: Apache-2.0
// The face capacity of a pass, chosen before the host knows how many faces there are.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <mutex>

#include "device/device.hpp"
#include "flow/stages/workspace.hpp"

namespace faceflow::internal::flow {

// `faces`, rounded up to whole batches.
[[nodiscard]] constexpr std::int32_t round_to_batches(std::int32_t faces, std::int32_t batch = mesh_batch) {
    return (std::max(faces, 1) + batch - 1) / batch * batch;
}

// The number of faces for which a pass of a given number of frames is enqueued; if it has more, the rest need a second
// round and a second download. On a GPU capacity costs time, because the model runs on all of it: below one batch it is
// a power of two; above that, and on other devices, it is a multiple of the batch. Thread-safe.
class face_capacity {
public:
    face_capacity(const device& d, std::int32_t batch) : face_capacity(d.computes_on_host(), batch) {}
    face_capacity(bool computes_on_host, std::int32_t batch) : batch_(batch), small_steps_(!computes_on_host) {}

    [[nodiscard]] std::int32_t faces(std::int32_t frames = 1) const {
        const std::lock_guard lock(mutex_);
        const history& h = history_[index_of(frames)];
        return h.capacity > 0 ? h.capacity : rounded(small_steps_ ? faces_per_frame_ * frames : batch_);
    }

    // Records that a pass had `count` faces; returns the capacity that they need. Capacity grows at once, and shrinks
    // after a hundred passes in a row that needed less.
    std::int32_t observe(std::int32_t count, std::int32_t frames = 1) {
        const std::int32_t needed = rounded(count);
        const std::lock_guard lock(mutex_);
        history& h = history_[index_of(frames)];
        faces_per_frame_ = std::max(1, (count + frames - 1) / frames);
        h.largest = std::max(h.largest, needed);
        if (needed < h.capacity && ++h.smaller_in_a_row < shrinks_after) return needed;
        h = {h.largest, 0, 0};
        return needed;
    }

private:
    static constexpr std::int32_t shrinks_after = 100;
    // For passes of one number of frames. Capacity 0: no pass yet. `largest`: since the capacity last changed.
    struct history {
        std::int32_t capacity = 0, largest = 0, smaller_in_a_row = 0;
    };

    [[nodiscard]] static std::size_t index_of(std::int32_t frames) {
        return static_cast<std::size_t>(std::clamp(frames, 1, vision::max_pass_frames) - 1);
    }
    [[nodiscard]] std::int32_t rounded(std::int32_t count) const noexcept {
        if (!small_steps_ || count >= batch_) return round_to_batches(count, batch_);
        std::int32_t power = 1;
        while (power < count)
            power *= 2;
        return std::min(power, batch_);
    }

    const std::int32_t batch_;
    const bool small_steps_;
    mutable std::mutex mutex_;
    std::array<history, vision::max_pass_frames> history_{};
    std::int32_t faces_per_frame_ = 4;  // of the last pass
};

}  // namespace faceflow::internal::flow
