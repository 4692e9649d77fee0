// SPDX-License-Identifier: Apache-2.0
// What every flow has for each device that it computes on: its stages and its frames.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "device/work_note.hpp"
#include "flow/flow.hpp"
#include "flow/stages.hpp"
#include "frame/frame_store.hpp"

namespace faceflow::flow {

// `faces` in whole goes of `at_once`.
[[nodiscard]] constexpr std::int32_t room_for(std::int32_t faces, std::int32_t at_once = mesh_batch) {
    return (std::max(faces, 1) + at_once - 1) / at_once * at_once;
}

// How many faces a pass of so many frames makes room for, before the host knows how many there are: those that are more take another
// go and another download. On a GPU room costs time (the model runs on it all), so there it is a power of two below `at_once`, the
// faces of one go; elsewhere, and above, a multiple of that. Thread-safe.
class face_room {
public:
    face_room(const device& on, std::int32_t at_once) : face_room(on.computes_on_host(), at_once) {}
    face_room(bool on_host, std::int32_t at_once) : at_once_(at_once), small_steps_(!on_host) {}

    [[nodiscard]] std::int32_t faces(std::int32_t frames = 1) const {
        const std::lock_guard lock(mutex_);
        const seen& s = passes_[index_of(frames)];
        return s.room > 0 ? s.room : rounded(small_steps_ ? in_each_ * frames : at_once_);
    }

    // A pass turned out to have `count`; returns the room that those take. Room grows at once, and shrinks when a hundred passes
    // in a row needed less.
    std::int32_t saw(std::int32_t count, std::int32_t frames = 1) {
        const std::int32_t needed = rounded(count);
        const std::lock_guard lock(mutex_);
        seen& s = passes_[index_of(frames)];
        in_each_ = std::max(1, (count + frames - 1) / frames);
        s.largest = std::max(s.largest, needed);
        if (needed < s.room && ++s.quiet < patience) return needed;
        s = {s.largest, 0, 0};
        return needed;
    }

private:
    static constexpr std::int32_t patience = 100;
    struct seen {
        std::int32_t room = 0, largest = 0, quiet = 0;  // of passes of one number of frames; no room: none was seen
    };

    [[nodiscard]] static std::size_t index_of(std::int32_t frames) {
        return static_cast<std::size_t>(std::clamp(frames, 1, vision::max_pass_frames) - 1);
    }
    [[nodiscard]] std::int32_t rounded(std::int32_t count) const noexcept {
        if (!small_steps_ || count >= at_once_) return room_for(count, at_once_);
        std::int32_t power = 1;
        while (power < count)
            power *= 2;
        return std::min(power, at_once_);
    }

    const std::int32_t at_once_;
    const bool small_steps_;
    mutable std::mutex mutex_;
    std::array<seen, vision::max_pass_frames> passes_{};
    std::int32_t in_each_ = 4;  // faces of a frame, of the pass that was seen last
};

struct device_line {
    stages work;
    frame_store frames;
    face_room room;  // of all passes: what one of them learns, the next one knows

    // `at_once`: faces of one go.
    device_line(const device_context& d, const flow_parts& parts, std::size_t uploads_in_flight, std::int32_t at_once)
        : work(*d.on, d.models, parts.chosen, parts.counters),
          frames(*d.on, store_options(parts.chosen, uploads_in_flight)),
          room(*d.on, at_once),
          note_(parts.note) {}

    // A line for the user, the first time that there is one. Any thread.
    void tell_once(const std::string& line) {
        if (!told_.test_and_set()) note_(line);
    }

    static frame_store_options store_options(const options& o, std::size_t uploads_in_flight) {
        frame_store_options s;
        s.cache = o.tuning.cache;
        s.pinned = o.tuning.pinned;
        s.time_to_live = std::chrono::nanoseconds(static_cast<std::int64_t>(o.tuning.cache_ttl * 1e9));
        s.cache_bytes = o.tuning.cache_bytes;
        s.uploads_in_flight = uploads_in_flight;
        s.packing_threads = 1 + o.threads / 2;
        // Live: about a frame's time, then it is better to take a later one.
        s.patience = o.pacing == pacing::live ? std::chrono::milliseconds(250) : std::chrono::seconds(2);
        return s;
    }

private:
    const std::function<void(const std::string&)> note_;
    std::atomic_flag told_ = ATOMIC_FLAG_INIT;
};

[[nodiscard]] inline frame_cache_counts operator+(frame_cache_counts a, const frame_cache_counts& b) {
    a.hits += b.hits;
    a.misses += b.misses;
    a.evictions += b.evictions;
    a.expirations += b.expirations;
    a.refusals += b.refusals;
    a.frames += b.frames;
    a.bytes += b.bytes;
    a.peak_bytes += b.peak_bytes;
    return a;
}

// Where the faces of a source's next frame are looked for, if that one is not detected in.
class followed_faces {
public:
    [[nodiscard]] static result<followed_faces> create(device& on, const pass_shape& shape) {
        auto memory = device_buffer::allocate(on.pool(), shape.set_bytes());
        if (!memory) return tl::unexpected(std::move(memory.error()));
        return followed_faces(std::move(*memory));
    }
    vision::detection_set* set() const { return memory_.as<vision::detection_set>(); }
    // False until a frame has been through, and after one that failed: the next is then detected in.
    bool known = false;

private:
    explicit followed_faces(device_buffer memory) : memory_(std::move(memory)) {}
    device_buffer memory_;
};

// Waits until what is on the stream is done: before the memory and the models that its work uses go.
inline void settle(stream& on) {
    const auto done = on.owner().make_event();
    if (!done) return;  // the device has failed: nothing runs
    on.record(**done);
    static_cast<void>(wait_until_done(on.owner(), **done, {stage::landmark, {}}));
}

}  // namespace faceflow::flow
