// SPDX-License-Identifier: Apache-2.0
// The frames on one device: uploads each once, caches it by id for a while, and finds it again.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "device/device.hpp"
#include "device/staging.hpp"
#include "faceflow/result.hpp"
#include "frame/frame.hpp"
#include "frame/frame_cache.hpp"
#include "frame/host_frame.hpp"
#include "frame/packer.hpp"

namespace faceflow::internal {

struct frame_store_options {
    bool cache = true;
    bool pinned = true;
    std::chrono::nanoseconds time_to_live = std::chrono::milliseconds(500);
    std::size_t cache_bytes = std::size_t{500} * 1000 * 1000;
    // Staging blocks: one per uploading thread, and as many for transfers in flight.
    std::size_t uploads_in_flight = 4;
    // Threads that pack frames into staging memory at once, including the callers.
    std::int32_t packing_threads = 1;
    // The longest wait of `when_full::wait`.
    std::chrono::nanoseconds patience = std::chrono::milliseconds(250);
    // Store frames in slots (one copy) even where host memory is device memory, so that other processes can map them.
    bool always_in_slots = false;
};

// What to do when the pool has no room for a frame even after caches were evicted. `wait` is bounded by
// frame_store_options::patience; use it when holding no other frame: it waits for frames in work elsewhere to be
// released.
enum class when_full : std::uint8_t { fail, wait };

// Host memory for a picture that arrives from elsewhere, such as a socket: planes one after another without padding. It
// is staging memory if a transfer follows, which saves a copy. Move-only; destroy it before its store.
class arrival {
public:
    [[nodiscard]] std::span<std::byte> bytes() const noexcept { return bytes_; }

private:
    friend class frame_store;
    image picture_;
    std::span<std::byte> bytes_;
    staging_block staged_;
    std::shared_ptr<std::byte[]> own_;  // used where host memory is device memory
};

// Where host memory is device memory, frames are views: nothing is transferred or cached. Elsewhere frames live in
// slots of slabs, one family per frame size, that grow by a few slots while the pool has room. When it has none, the
// caches of all stores of the device are evicted, then, with when_full::wait, frames in work are waited for; then the
// result is errc::out_of_memory. Thread-safe.
class frame_store : private memory_holder {
public:
    static constexpr std::size_t slots_per_slab = 4;  // frame memory grows by this many frames
    // ... or by more if a slab of such small frames could not be mapped by another process.
    static constexpr std::size_t least_shared_slab = std::size_t{64} << 10;
    // By how many frames of `bytes` each a family grows; `in_slots`: see frame_store_options::always_in_slots.
    [[nodiscard]] static std::size_t slots_of_slab(std::size_t bytes, bool in_slots) noexcept;

    frame_store(device& d, const frame_store_options& chosen);
    // Streams on which frames were used must still exist, unless close() was called and nothing else holds a frame.
    ~frame_store() override;
    frame_store(const frame_store&) = delete;

    // Uploads the frame's native bytes, planes without padding, in one transfer in order on `up`, and caches it. A
    // frame that is already on this device is used in place: `up` waits for it, and nothing is copied.
    [[nodiscard]] result<frame> upload(stream& up, const host_frame& from, stage at, when_full how = when_full::fail);

    // The same for a picture like `picture` (whose planes are ignored), which the caller writes into the arrival.
    [[nodiscard]] result<arrival> expect(const image& picture, const tag& t);
    [[nodiscard]] result<frame> upload(stream& up, arrival&& from, const frame_id& id, stage at,
                                       when_full how = when_full::fail);

    // A frame produced on the device, for decoders: `fill` adds work to `by` that writes a picture like `picture`,
    // planes without padding, into the given slot. Not where frames are views.
    using filler = std::function<result<void>(std::byte* slot)>;
    [[nodiscard]] result<frame> produce(stream& by, const image& picture, const frame_id& id, const filler& fill);

    // The frame, if it is in the cache.
    [[nodiscard]] std::optional<frame> find(stream& s, const frame_key& key);

    // The frame for a later stage: from the cache, else uploaded again (a miss, or the cache is off). A caller that
    // holds the frame passes it as `held`: with the cache on, it is used if it has expired from the cache, so that a
    // frame is still uploaded only once.
    [[nodiscard]] result<frame> find(stream& s, const host_frame& from, stage at, when_full how = when_full::fail,
                                     const frame* held = nullptr);

    // Drops every cached frame, for good. When it returns, no frame of the store notes a stream any more, so streams
    // may be destroyed. Call it when no thread uploads or finds frames any longer.
    void close();

    [[nodiscard]] frame_cache_counts counts() const { return cache_.counts(); }
    // Host staging memory. Frame sizes no longer in use keep at most max_idle_staging of it.
    [[nodiscard]] std::size_t staging_bytes() const;
    static constexpr std::size_t max_idle_staging = std::size_t{256} << 20;

private:
    struct family {
        std::vector<std::shared_ptr<slab>> slabs;
        std::shared_ptr<staging_ring> staging;
    };

    void evict(std::size_t bytes) noexcept override { cache_.evict(bytes); }
    [[nodiscard]] result<lease> take_slot(std::size_t bytes, when_full how);
    [[nodiscard]] result<lease> take_free_slot(std::size_t bytes);
    [[nodiscard]] result<void> require_shareable(const slab& s);
    [[nodiscard]] result<lease> take_slot_once(family& f, std::size_t bytes);
    [[nodiscard]] result<std::shared_ptr<staging_ring>> staging_for(std::size_t bytes);
    void drop_idle_slabs(std::size_t but_for);
    void drop_idle_staging();
    [[nodiscard]] std::size_t kept_staging() const;
    [[nodiscard]] bool views() const noexcept { return device_.shares_host_memory() && !options_.always_in_slots; }
    [[nodiscard]] result<frame> adopt(stream& up, const host_frame& from);
    void remember(const frame& f);
    [[nodiscard]] result<frame> stored(stream& up, lease slot, const image& picture, const frame_id& id);
    [[nodiscard]] std::shared_ptr<std::byte[]> host_memory(std::size_t bytes);

    device& device_;
    const frame_store_options options_;
    mutable std::mutex mutex_;
    std::map<std::size_t, family> families_;                                    // by frame bytes
    std::map<std::size_t, std::vector<std::shared_ptr<std::byte[]>>> arrived_;  // by bytes, for reuse
    packer packer_;
    frame_cache cache_;
    std::unique_ptr<cache_sweeper> sweeper_;
};

}  // namespace faceflow::internal
