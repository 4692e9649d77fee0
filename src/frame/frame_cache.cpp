// SPDX-License-Identifier: Apache-2.0
#include "frame/frame_cache.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "core/thread.hpp"

namespace faceflow::internal {
namespace {

// The cache's own copy counts for two: its `hold` and its `stored`.
bool held_elsewhere(const frame& f) noexcept {
    return f.stored != nullptr && f.stored.use_count() > 2;
}

}  // namespace

frame_key key_of(const frame& f) noexcept {
    return {f.id, f.picture.width, f.picture.height, f.picture.format};
}

// Sequences of neighbouring frames differ only in their low bits: spread them (the finaliser of splitmix64).
std::size_t frame_cache::hash::operator()(const frame_key& k) const noexcept {
    const auto geometry = static_cast<std::uint64_t>(k.width) << 40 ^ static_cast<std::uint64_t>(k.height) << 16 ^
                          static_cast<std::uint64_t>(k.format);
    std::uint64_t h = k.id.sequence ^ static_cast<std::uint64_t>(k.id.source) << 48 ^ geometry * 0x9e3779b97f4a7c15;
    h = (h ^ h >> 30) * 0xbf58476d1ce4e5b9;
    h = (h ^ h >> 27) * 0x94d049bb133111eb;
    return static_cast<std::size_t>(h ^ h >> 31);
}

frame_cache::frame_cache(frame_cache_options chosen) : options_(std::move(chosen)) {}

void frame_cache::remove(entries::iterator at, entries& gone) {
    counts_.bytes -= at->bytes;
    by_age_.erase(at->age);
    index_.erase(at->key);
    gone.splice(gone.end(), by_use_, at);
}

std::size_t frame_cache::remove_expired(time_point now, entries& gone) {
    std::size_t removed = 0;
    // Ordered by time of put, so by expiry too.
    while (!by_age_.empty() && now - by_age_.front()->put_at >= options_.time_to_live) {
        remove(by_age_.front(), gone);
        ++removed;
    }
    counts_.expirations += removed;
    return removed;
}

std::size_t frame_cache::evict_down_to(std::size_t bytes, entries& gone) {
    const std::size_t before = counts_.bytes;
    while (counts_.bytes > bytes && !by_use_.empty()) {
        remove(std::prev(by_use_.end()), gone);
        ++counts_.evictions;
    }
    return before - counts_.bytes;
}

std::optional<frame> frame_cache::get(const frame_key& key) {
    entries gone;
    const std::lock_guard lock(mutex_);
    remove_expired(options_.clock(), gone);
    const auto at = index_.find(key);
    if (at == index_.end()) {
        ++counts_.misses;
        return std::nullopt;
    }
    ++counts_.hits;
    by_use_.splice(by_use_.begin(), by_use_, at->second);
    return at->second->value;
}

bool frame_cache::put(const frame& f, std::size_t bytes) {
    entries gone;
    const std::lock_guard lock(mutex_);
    const time_point now = options_.clock();  // under the lock, so that by_age_ stays sorted
    remove_expired(now, gone);
    const frame_key key = key_of(f);
    if (const auto at = index_.find(key); at != index_.end()) remove(at->second, gone);
    if (bytes > options_.byte_cap) {
        ++counts_.refusals;
        return false;
    }
    evict_down_to(options_.byte_cap - bytes, gone);
    by_use_.push_front({key, f, bytes, now, {}});
    by_use_.front().age = by_age_.insert(by_age_.end(), by_use_.begin());
    index_.emplace(key, by_use_.begin());
    counts_.bytes += bytes;
    counts_.peak_bytes = std::max(counts_.peak_bytes, counts_.bytes);
    return true;
}

void frame_cache::erase(const frame_key& key) {
    entries gone;
    const std::lock_guard lock(mutex_);
    if (const auto at = index_.find(key); at != index_.end()) remove(at->second, gone);
}

void frame_cache::clear() {
    entries gone;
    const std::lock_guard lock(mutex_);
    gone.swap(by_use_);
    by_age_.clear();
    index_.clear();
    counts_.bytes = 0;
}

std::size_t frame_cache::evict(std::size_t bytes) {
    entries gone;
    const std::lock_guard lock(mutex_);
    bytes = std::min(bytes, counts_.bytes);
    std::size_t freed = 0;
    for (auto at = by_use_.end(); at != by_use_.begin() && freed < bytes;) {
        --at;
        if (held_elsewhere(at->value)) continue;
        freed += at->bytes;
        const auto next = std::next(at);
        remove(at, gone);
        ++counts_.evictions;
        at = next;
    }
    return freed;
}

std::size_t frame_cache::sweep(time_point now) {
    entries gone;
    const std::lock_guard lock(mutex_);
    return remove_expired(now, gone);
}

std::size_t frame_cache::sweep() {
    return sweep(options_.clock());
}

frame_cache_counts frame_cache::counts() const {
    const std::lock_guard lock(mutex_);
    frame_cache_counts c = counts_;
    c.frames = index_.size();
    return c;
}

cache_sweeper::cache_sweeper(frame_cache& cache, std::chrono::nanoseconds period) {
    // If no thread can be started, frames still expire: put and get sweep as well.
    auto started = start_thread(
        "sweeping the frame cache",
        [this, &cache, period] {
            std::unique_lock lock(mutex_);
            while (!changed_.wait_for(lock, period, [this] { return stopping_; })) {
                lock.unlock();
                cache.sweep();
                lock.lock();
            }
        },
        [](const error&) {});
    if (started) thread_ = std::move(*started);
}

cache_sweeper::~cache_sweeper() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    changed_.notify_one();
    if (thread_.joinable()) thread_.join();
}

}  // namespace faceflow::internal
