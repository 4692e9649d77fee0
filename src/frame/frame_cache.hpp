// SPDX-License-Identifier: Apache-2.0
// A cache of frames on the device, so that no stage uploads one again.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <mutex>
#include <optional>
#include <thread>
#include <unordered_map>

#include "faceflow/types.hpp"
#include "frame/frame.hpp"

namespace faceflow::internal {

// A frame and its stored geometry: the same frame may be cached in two sizes.
struct frame_key {
    frame_id id;
    std::int32_t width = 0;
    std::int32_t height = 0;
    pixel_format format = pixel_format::none;
    friend bool operator==(const frame_key&, const frame_key&) = default;
};

[[nodiscard]] frame_key key_of(const frame& f) noexcept;

struct frame_cache_options {
    std::chrono::nanoseconds time_to_live = std::chrono::milliseconds(500);  // counted from put; use does not extend it
    std::size_t byte_cap = std::size_t{500} * 1000 * 1000;
    std::function<std::chrono::steady_clock::time_point()> clock = std::chrono::steady_clock::now;
};

struct frame_cache_counts {
    std::uint64_t hits = 0;
    std::uint64_t misses = 0;                           // including expired frames
    std::uint64_t evictions = 0;                        // to make room, least recently used first
    std::uint64_t expirations = 0;                      // at the end of the time to live
    std::uint64_t refusals = 0;                         // frames larger than the whole cache
    std::size_t frames = 0, bytes = 0, peak_bytes = 0;  // held

    // Adds the counts of another cache.
    frame_cache_counts& operator+=(const frame_cache_counts& o) noexcept {
        hits += o.hits;
        misses += o.misses;
        evictions += o.evictions;
        expirations += o.expirations;
        refusals += o.refusals;
        frames += o.frames;
        bytes += o.bytes;
        peak_bytes += o.peak_bytes;
        return *this;
    }
};

// Shares each frame's lease. Leases of removed frames end outside the cache's lock and without a host sync. O(1) per
// frame put, got or removed. Thread-safe.
class frame_cache {
public:
    using time_point = std::chrono::steady_clock::time_point;

    explicit frame_cache(frame_cache_options chosen = {});

    // The frame, if it is cached and younger than the time to live; counts a hit or a miss.
    [[nodiscard]] std::optional<frame> get(const frame_key& key);

    // Caches `f`, which takes `bytes` of device memory, replacing a frame with the same key; false if it alone exceeds
    // the cap.
    bool put(const frame& f, std::size_t bytes);

    // Removes the frame if it is cached; does not change the counts.
    void erase(const frame_key& key);
    void clear();

    // Evicts the least recently used frames that nothing else holds, until they add up to `bytes`; their slots become
    // free once the device has finished with them. Returns the bytes evicted. Checks every frame: for when device
    // memory is short.
    std::size_t evict(std::size_t bytes);

    // Removes frames expired at `now`, for when there is no traffic (get and put sweep too); returns their number.
    std::size_t sweep(time_point now);
    std::size_t sweep();

    [[nodiscard]] frame_cache_counts counts() const;

private:
    struct hash {
        std::size_t operator()(const frame_key& k) const noexcept;
    };
    struct entry;
    using entries = std::list<entry>;  // most recently used first
    struct entry {
        frame_key key;
        frame value;
        std::size_t bytes = 0;
        time_point put_at;
        std::list<entries::iterator>::iterator age;
    };

    // Each moves removed entries into `gone`, to be destroyed after the lock is released.
    void remove(entries::iterator at, entries& gone);
    std::size_t remove_expired(time_point now, entries& gone);
    std::size_t evict_down_to(std::size_t bytes, entries& gone);

    const frame_cache_options options_;
    mutable std::mutex mutex_;
    entries by_use_;
    std::list<entries::iterator> by_age_;  // oldest first
    std::unordered_map<frame_key, entries::iterator, hash> index_;
    frame_cache_counts counts_;
};

// Sweeps a cache on a thread of its own, so that frames expire without get or put. The cache outlives it.
class cache_sweeper {
public:
    explicit cache_sweeper(frame_cache& cache, std::chrono::nanoseconds period = std::chrono::milliseconds(100));
    ~cache_sweeper();
    cache_sweeper(const cache_sweeper&) = delete;
    cache_sweeper& operator=(const cache_sweeper&) = delete;

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    bool stopping_ = false;
    std::thread thread_;
};

}  // namespace faceflow::internal
