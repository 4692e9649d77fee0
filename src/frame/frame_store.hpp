// SPDX-License-Identifier: Apache-2.0
// The frames of one device: brings them there once, keeps them by id for a while, and finds them again.
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

namespace faceflow {

struct frame_store_options {
    bool cache = true;
    bool pinned = true;
    std::chrono::nanoseconds time_to_live = std::chrono::milliseconds(500);
    std::size_t cache_bytes = std::size_t{500} * 1000 * 1000;
    // Staging blocks: one per thread that uploads, and as many transfers on their way.
    std::size_t uploads_in_flight = 4;
    // That bring frames into staging memory at once, those who upload included.
    std::int32_t packing_threads = 1;
    // How long `when_full::wait` waits.
    std::chrono::nanoseconds patience = std::chrono::milliseconds(250);
    // Frames live in slots also where host memory is device memory (one copy), so that other processes can map them.
    bool always_in_slots = false;
};

// What becomes of a frame for which the pool has no room, though caches gave way. Waiting has an
// end (frame_store_options::patience) and is best for those who hold no other frame: what they wait for is in work elsewhere, and
// comes free with it.
enum class when_full : std::uint8_t { fail, wait };

// Host memory for a picture that comes from elsewhere, such as a socket: planes one behind the other without padding. It is
// staging memory where a transfer follows, so that what arrives is not copied once more. Move-only; goes before its store.
class arrival {
public:
    [[nodiscard]] std::span<std::byte> bytes() const noexcept { return bytes_; }

private:
    friend class frame_store;
    image picture_;
    std::span<std::byte> bytes_;
    staging_block staged_;
    std::shared_ptr<std::byte[]> own_;  // where host memory is device memory
};

// Where host memory is device memory nothing moves and nothing is cached: frames are views. Elsewhere frames live in slots of
// slabs, one family per frame size, that grow by a few slots as long as the pool lets them; when it does not, the
// caches of all stores of the device are asked to give way, and what is in work is waited for where that was asked for, before
// errc::out_of_memory. Thread-safe.
class frame_store : private memory_holder {
public:
    static constexpr std::size_t slots_per_slab = 4;  // frame memory grows by so many frames
    // ... or by more where frames are so small that a slab of them could not be mapped by another process.
    static constexpr std::size_t least_shared_slab = std::size_t{64} << 10;
    // By how many frames of `bytes` each; `in_slots`: see frame_store_options::always_in_slots.
    [[nodiscard]] static std::size_t slots_of_slab(std::size_t bytes, bool in_slots) noexcept;

    frame_store(device& d, const frame_store_options& chosen);
    // Streams that frames were used on must still be there, unless `close` was called and no frame is held elsewhere.
    ~frame_store() override;
    frame_store(const frame_store&) = delete;

    // One transfer of the frame's native bytes, planes without padding, in the order of `up`; entered in the cache. A frame
    // that lies on this device already is taken as it lies there: `up` waits for it, and nothing moves.
    [[nodiscard]] result<frame> upload(stream& up, const host_frame& from, stage at, when_full how = when_full::fail);

    // The same for a picture like `picture` (whose planes are not looked at) that the caller is about to fill in.
    [[nodiscard]] result<arrival> expect(const image& picture, const tag& t);
    [[nodiscard]] result<frame> upload(stream& up, arrival&& from, const frame_id& id, stage at,
                                       when_full how = when_full::fail);

    // A frame that is made on the device, for decoders: `fill` adds work to `by` that puts the bytes of a picture like `picture`,
    // planes without padding, into the slot that it is given. Not where frames are views.
    using filler = std::function<result<void>(std::byte* slot)>;
    [[nodiscard]] result<frame> produce(stream& by, const image& picture, const frame_id& id, const filler& fill);

    // The frame if it is in the cache.
    [[nodiscard]] std::optional<frame> find(stream& s, const frame_key& key);

    // The frame for a later stage: from the cache, else uploaded again (and that is a miss, or the cache is off). Who holds the frame
    // gives it: with a cache, what has expired from it in the meantime is that one, and goes up once all the same.
    [[nodiscard]] result<frame> find(stream& s, const host_frame& from, stage at, when_full how = when_full::fail,
                                     const frame* held = nullptr);

    // Lets go of every cached frame, for good: when it returns, no frame that the store kept notes a stream any more, so
    // that streams may go. Call it when nobody uploads or finds frames any longer.
    void close();

    [[nodiscard]] frame_cache_counts counts() const { return cache_.counts(); }
    // Host memory that transfers start from. Sizes of frames that come no more keep max_idle_staging of it.
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
    std::map<std::size_t, std::vector<std::shared_ptr<std::byte[]>>> arrived_;  // by bytes, for use again
    packer packer_;
    frame_cache cache_;
    std::unique_ptr<cache_sweeper> sweeper_;
};

}  // namespace faceflow
