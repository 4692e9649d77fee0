// SPDX-License-Identifier: Apache-2.0
#include "frame/frame_store.hpp"

#include <algorithm>
#include <thread>

#include "core/try.hpp"
#include "frame/layout.hpp"

namespace faceflow::internal {
namespace {

// Limits how much is asked for: the first request to evict is for one frame, then two, then four.
constexpr int max_doublings = 2;
constexpr auto between_askings = std::chrono::milliseconds(10);
constexpr auto between_looks = std::chrono::microseconds(500);

frame_cache_options cache_options(const frame_store_options& o) {
    frame_cache_options c;
    c.time_to_live = o.time_to_live;
    c.byte_cap = o.cache_bytes;
    return c;
}

}  // namespace

frame_store::frame_store(device& d, const frame_store_options& chosen)
    : device_(d),
      options_(chosen),
      packer_(d.shares_host_memory() ? 1 : chosen.packing_threads),
      cache_(cache_options(chosen)) {
    if (!d.shares_host_memory() && chosen.cache) sweeper_ = std::make_unique<cache_sweeper>(cache_);
    if (chosen.cache) d.pool().add(*this);
}

frame_store::~frame_store() {
    if (options_.cache) device_.pool().remove(*this);
    close();
}

void frame_store::close() {
    sweeper_.reset();  // it may still hold leases of frames that it removed from the cache
    cache_.clear();
}

result<frame> frame_store::upload(stream& up, const host_frame& from, stage at, when_full how) {
    if (from.on_device != nullptr) return adopt(up, from);
    if (views()) return frame{from.id, from.picture, from.owner, nullptr};
    if (device_.shares_host_memory()) {
        FACEFLOW_ASSIGN(auto slot,
                        take_slot(native_bytes(from.picture.format, from.picture.width, from.picture.height), how));
        pack(from.picture, slot.address());
        return stored(up, std::move(slot), from.picture, from.id);
    }
    FACEFLOW_ASSIGN(auto staged, expect(from.picture, {at, from.id}));
    packer_.pack(from.picture, staged.bytes().data());
    return upload(up, std::move(staged), from.id, at, how);
}

result<arrival> frame_store::expect(const image& picture, const tag& t) {
    arrival a;
    a.picture_ = picture;
    const std::size_t bytes = native_bytes(picture.format, picture.width, picture.height);
    if (device_.shares_host_memory()) {
        a.own_ = host_memory(bytes);
        a.bytes_ = {a.own_.get(), bytes};
        return a;
    }
    FACEFLOW_ASSIGN(auto ring, staging_for(bytes));
    FACEFLOW_ASSIGN(a.staged_, ring->acquire(t));
    a.bytes_ = {a.staged_.host().data, bytes};
    return a;
}

result<frame> frame_store::upload(stream& up, arrival&& from, const frame_id& id, stage at, when_full how) {
    if (device_.shares_host_memory())
        return frame{id, packed_at(from.picture_, from.own_.get()), std::move(from.own_), nullptr};
    const std::size_t bytes = from.bytes_.size();
    FACEFLOW_ASSIGN(auto slot, take_slot(bytes, how));
    slot.used_on(up);
    auto moved = transfer(up, direction::host_to_device, slot.address(), from.staged_.host(), bytes, {at, id});
    from.staged_.release_after(up);
    if (!moved) return tl::unexpected(std::move(moved.error()));
    return stored(up, std::move(slot), from.picture_, id);
}

result<frame> frame_store::produce(stream& by, const image& picture, const frame_id& id, const filler& fill) {
    FACEFLOW_ASSIGN(auto slot, take_slot(native_bytes(picture.format, picture.width, picture.height), when_full::fail));
    slot.used_on(by);
    FACEFLOW_TRY(fill(slot.address()));
    return stored(by, std::move(slot), picture, id);
}

result<frame> frame_store::adopt(stream& up, const host_frame& from) {
    if (&from.on_device->stored->slot.source()->owner() != &device_) {
        return fail(errc::internal, "a frame was decoded on a device other than the one of its source");
    }
    frame f = *from.on_device;
    f.id = from.id;
    use(up, f);
    remember(f);
    return f;
}

void frame_store::remember(const frame& f) {
    if (options_.cache) cache_.put(f, native_bytes(f.picture.format, f.picture.width, f.picture.height));
}

// The frame whose bytes the work on `up` writes into `slot`.
result<frame> frame_store::stored(stream& up, lease slot, const image& picture, const frame_id& id) {
    FACEFLOW_ASSIGN(auto ready, device_.make_event());
    up.record(*ready);
    frame f{id, packed_at(picture, slot.address()), nullptr, nullptr};
    f.stored = std::make_shared<const stored_frame>(stored_frame{std::move(slot), std::move(ready)});
    f.hold = f.stored;
    remember(f);
    return f;
}

// Not zeroed: every byte is about to be written. Reuses memory that nothing holds any more.
std::shared_ptr<std::byte[]> frame_store::host_memory(std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    if (!arrived_.contains(bytes)) {
        std::erase_if(arrived_, [](const auto& size) {
            return std::all_of(size.second.begin(), size.second.end(),
                               [](const auto& m) { return m.use_count() == 1; });
        });
    }
    auto& ours = arrived_[bytes];
    for (const auto& memory : ours) {
        if (memory.use_count() == 1) return memory;
    }
    if (ours.size() > options_.uploads_in_flight) ours.clear();
    return ours.emplace_back(std::make_shared_for_overwrite<std::byte[]>(bytes));
}

std::optional<frame> frame_store::find(stream& s, const frame_key& key) {
    auto cached = cache_.get(key);
    if (cached) use(s, *cached);
    return cached;
}

result<frame> frame_store::find(stream& s, const host_frame& from, stage at, when_full how, const frame* held) {
    if (views() && from.on_device == nullptr) return frame{from.id, from.picture, from.owner, nullptr};
    if (options_.cache) {
        const image& p = from.picture;
        if (auto cached = find(s, {from.id, p.width, p.height, p.format})) return std::move(*cached);
        if (held != nullptr) {
            use(s, *held);
            return *held;
        }
    }
    return upload(s, from, at, how);
}

result<lease> frame_store::take_free_slot(std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    auto taken = take_slot_once(families_[bytes], bytes);
    if (!taken) drop_idle_slabs(bytes);
    return taken;
}

result<lease> frame_store::take_slot(std::size_t bytes, when_full how) {
    using clock = std::chrono::steady_clock;
    auto taken = take_free_slot(bytes);
    if (taken || taken.error().code != errc::out_of_memory) return taken;
    // The pool is at its cap: evict cached frames, outside the lock because eviction ends leases. Their slots become
    // free once the device has finished with them.
    const auto deadline = clock::now() + (how == when_full::wait ? options_.patience : std::chrono::nanoseconds(0));
    for (int asked = 0;; ++asked) {
        device_.pool().ask_to_evict(bytes << std::min(asked, max_doublings));
        const auto ask_again = std::min(deadline, clock::now() + between_askings);
        for (;;) {
            taken = take_free_slot(bytes);
            if (taken || taken.error().code != errc::out_of_memory) return taken;
            if (clock::now() >= ask_again) break;
            std::this_thread::sleep_for(between_looks);
        }
        if (asked >= max_doublings && clock::now() >= deadline) return taken;
    }
}

// Other processes map whole slabs, and small allocations cannot be mapped.
std::size_t frame_store::slots_of_slab(std::size_t bytes, bool in_slots) noexcept {
    if (!in_slots || bytes == 0) return slots_per_slab;
    return std::max(slots_per_slab, (least_shared_slab + bytes - 1) / bytes);
}

// A slab made while the process had no descriptor left could never be shared, nor any frame in it: fail, so that the
// next frame tries again.
result<void> frame_store::require_shareable(const slab& s) {
    if (!options_.always_in_slots || !device_.computes_on_host()) return {};
    auto exported = device_.export_memory(s.memory(), s.slot_bytes() * s.slots());
    if (exported) return {};
    return fail(errc::out_of_memory, "no memory for frames that processes can share: " + exported.error().message);
}

result<lease> frame_store::take_slot_once(family& f, std::size_t bytes) {
    for (auto& s : f.slabs) {
        if (auto taken = lease::acquire(s)) return taken;
    }
    auto grown = slab::create(device_, bytes, slots_of_slab(bytes, options_.always_in_slots));
    if (!grown) grown = slab::create(device_, bytes, 1);  // there may be room for one slot
    if (!grown) return tl::unexpected(std::move(grown.error()));
    FACEFLOW_TRY(require_shareable(**grown));
    f.slabs.push_back(std::move(*grown));
    return lease::acquire(f.slabs.back());
}

result<std::shared_ptr<staging_ring>> frame_store::staging_for(std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    family& f = families_[bytes];
    if (f.staging == nullptr) {
        drop_idle_staging();
        FACEFLOW_ASSIGN(f.staging, staging_ring::create(device_, bytes, options_.uploads_in_flight, options_.pinned));
    }
    return f.staging;
}

// Only when there is much of it: allocating it again takes a GPU milliseconds per block, which alternating sources
// would pay each time.
void frame_store::drop_idle_staging() {
    if (kept_staging() <= max_idle_staging) return;
    for (auto& [bytes, f] : families_) {
        if (f.staging != nullptr && f.staging.use_count() == 1 && f.staging->idle()) f.staging.reset();
    }
}

std::size_t frame_store::staging_bytes() const {
    const std::lock_guard lock(mutex_);
    return kept_staging();
}

std::size_t frame_store::kept_staging() const {
    std::size_t sum = 0;
    for (const auto& [bytes, f] : families_)
        sum += f.staging == nullptr ? 0 : f.staging->bytes();
    return sum;
}

// Slabs of frame sizes that no source uses any more make room for sizes in use.
void frame_store::drop_idle_slabs(std::size_t but_for) {
    for (auto& [bytes, f] : families_) {
        if (bytes == but_for) continue;
        std::erase_if(f.slabs, [](const std::shared_ptr<slab>& s) { return s.use_count() == 1 && s->idle(); });
    }
}

}  // namespace faceflow::internal
