#include "frame/frame_store.hpp"

#include <algorithm>
#include <cstring>

#include "frame/layout.hpp"

namespace faceflow {
namespace {

// The planes one behind the other without padding, as one transfer moves them; `picture` is told where they will lie.
void pack(const image& from, std::byte* to) {
    for (int i = 0; i < plane_count(from.format); ++i) {
        const auto extent = extent_of(from.format, from.width, from.height, i);
        const plane& p = from.planes[static_cast<std::size_t>(i)];
        if (p.stride == static_cast<std::ptrdiff_t>(extent.row_bytes)) {
            std::memcpy(to, p.data, extent.bytes());
            to += extent.bytes();
            continue;
        }
        for (std::int32_t row = 0; row < extent.rows; ++row, to += extent.row_bytes) {
            std::memcpy(to, p.data + static_cast<std::ptrdiff_t>(row) * p.stride, extent.row_bytes);
        }
    }
}

// The same picture with its packed planes at `at`.
image packed_at(const image& from, const std::byte* at) {
    image picture = from;
    for (int i = 0; i < plane_count(from.format); ++i) {
        const auto extent = extent_of(from.format, from.width, from.height, i);
        picture.planes[static_cast<std::size_t>(i)] = {reinterpret_cast<const std::uint8_t*>(at),
                                                       static_cast<std::int32_t>(extent.row_bytes)};
        at += extent.bytes();
    }
    return picture;
}

frame_cache_options cache_options(const frame_store_options& o) {
    frame_cache_options c;
    c.time_to_live = o.time_to_live;
    c.byte_cap = o.cache_bytes;
    return c;
}

}  // namespace

frame_store::frame_store(device& on, const frame_store_options& chosen)
    : device_(on),
      options_(chosen),
      cache_(cache_options(chosen)) {
    if (!on.shares_host_memory() && chosen.cache) sweeper_ = std::make_unique<cache_sweeper>(cache_);
}

frame_store::~frame_store() {
    close();
}

void frame_store::close() {
    sweeper_.reset();  // it may be about to end the leases of frames that it has taken out of the cache already
    cache_.clear();
}

result<frame> frame_store::upload(stream& up, const host_frame& from, stage at) {
    if (device_.shares_host_memory()) return frame{from.id, from.picture, from.owner, nullptr};
    const tag t{at, from.id};
    const std::size_t bytes = native_bytes(from.picture.format, from.picture.width, from.picture.height);
    auto slot = take_slot(bytes);
    if (!slot) return tl::unexpected(std::move(slot.error()));
    auto ring = staging_for(bytes);
    if (!ring) return tl::unexpected(std::move(ring.error()));
    auto block = (*ring)->acquire(t);
    if (!block) return tl::unexpected(std::move(block.error()));
    auto ready = device_.make_event();
    if (!ready) return tl::unexpected(std::move(ready.error()));

    pack(from.picture, block->host().data);
    slot->used_on(up);
    auto moved = transfer(up, direction::host_to_device, slot->address(), block->host(), bytes, t);
    block->release_after(up);
    if (!moved) return tl::unexpected(std::move(moved.error()));
    up.record(**ready);

    frame f{from.id, packed_at(from.picture, slot->address()), nullptr, nullptr};
    f.stored = std::make_shared<const stored_frame>(stored_frame{std::move(*slot), std::move(*ready)});
    f.hold = f.stored;
    if (options_.cache) cache_.put(f, bytes);
    return f;
}

result<frame> frame_store::find(stream& on, const host_frame& from, stage at) {
    if (device_.shares_host_memory()) return frame{from.id, from.picture, from.owner, nullptr};
    if (options_.cache) {
        if (auto cached = cache_.get({from.id, from.picture.width, from.picture.height, from.picture.format})) {
            use(on, *cached);
            return std::move(*cached);
        }
    }
    return upload(on, from, at);
}

result<lease> frame_store::take_slot(std::size_t bytes) {
    {
        const std::lock_guard lock(mutex_);
        if (auto taken = take_slot_once(families_[bytes], bytes)) return taken;
        drop_idle_slabs(bytes);
    }
    // The pool is at its cap: cached frames give way. Outside of the lock, for it ends leases.
    for (int attempt = 0;; ++attempt) {
        cache_.evict(bytes * static_cast<std::size_t>(1 << attempt));
        const std::lock_guard lock(mutex_);
        auto taken = take_slot_once(families_[bytes], bytes);
        if (taken || attempt == 2) return taken;
        drop_idle_slabs(bytes);
    }
}

result<lease> frame_store::take_slot_once(family& f, std::size_t bytes) {
    for (auto& s : f.slabs) {
        if (auto taken = lease::acquire(s)) return taken;
    }
    auto grown = slab::create(device_, bytes, slots_per_slab);
    if (!grown) grown = slab::create(device_, bytes, 1);  // what is left may do for one
    if (!grown) return tl::unexpected(std::move(grown.error()));
    f.slabs.push_back(std::move(*grown));
    return lease::acquire(f.slabs.back());
}

result<staging_ring*> frame_store::staging_for(std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    family& f = families_[bytes];
    if (f.staging == nullptr) {
        auto ring = staging_ring::create(device_, bytes, options_.uploads_in_flight, options_.pinned);
        if (!ring) return tl::unexpected(std::move(ring.error()));
        f.staging = std::move(*ring);
    }
    return f.staging.get();
}

// Slabs of sizes that no source has any more make room for those of sizes that are in use.
void frame_store::drop_idle_slabs(std::size_t but_for) {
    for (auto& [bytes, f] : families_) {
        if (bytes == but_for) continue;
        std::erase_if(f.slabs, [](const std::shared_ptr<slab>& s) { return s.use_count() == 1 && s->idle(); });
    }
}

}  // namespace faceflow
