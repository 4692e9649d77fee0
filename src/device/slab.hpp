// SPDX-License-Identifier: Apache-2.0
// Equal slots in one pool allocation: where frames live on a device.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "device/device.hpp"
#include "device/memory.hpp"

namespace faceflow::internal {

// One use of a slot. `generation` grows with every release, so that a message about an earlier use is recognised as
// stale. 0 is never a valid generation.
struct slot {
    std::uint32_t index = 0;
    std::uint64_t generation = 0;
    std::byte* address = nullptr;
};

// A fixed number of slots. A released slot is reused only after the device has finished the work that the noted streams
// held at the release; the host never waits for it. The device outlives the slab, and a stream noted for a use outlives
// that use. Thread-safe.
class slab {
public:
    // `slot_bytes` is rounded up to 256. errc::out_of_memory from the pool, errc::invalid_argument if either size is 0
    // or the product overflows.
    [[nodiscard]] static result<std::shared_ptr<slab>> create(device& d, std::size_t slot_bytes, std::size_t slots);
    // Unless idle(), blocks the host until the device has finished with released slots (host syncs under stage
    // capture). Must not run in a task on a stream, which would wait for itself.
    ~slab();

    // Never blocks. O(1) while a slot is ready, else checks each released slot. errc::out_of_memory when all are in
    // use.
    [[nodiscard]] result<slot> acquire();

    // Notes that work on `s` reads or writes the slot in its present use. No effect if that use is over.
    void note_use(const slot& used, stream& s);

    // Ends the use: records an event on each noted stream. errc::internal if the use is already over. Does not
    // synchronise, except that it waits for a stream for which no event can be made.
    result<void> release(const slot& used);

    // True until the use with that generation is released.
    [[nodiscard]] bool current(std::uint32_t index, std::uint64_t generation) const noexcept;

    // True when no slot is in use and the device has finished with all of them: destruction then does not wait.
    [[nodiscard]] bool idle() const;

    [[nodiscard]] device& owner() const noexcept { return device_; }
    // Slot i begins at memory() + i * slot_bytes().
    [[nodiscard]] std::byte* memory() const noexcept { return memory_.data(); }
    [[nodiscard]] std::size_t slot_bytes() const noexcept { return slot_bytes_; }
    [[nodiscard]] std::size_t slots() const noexcept { return entries_.size(); }
    // Slots in use, without released slots that wait for the device.
    [[nodiscard]] std::size_t in_use() const;

private:
    struct entry {
        std::uint64_t generation = 1;
        bool in_use = false;
        std::vector<stream*> users;                // of the present use, without duplicates
        std::vector<std::unique_ptr<event>> done;  // of the last use; only the first `pending` are valid
        std::size_t pending = 0;
    };

    slab(device& d, device_buffer memory, std::size_t slot_bytes, std::size_t slots);
    [[nodiscard]] static bool passed(const entry& e) noexcept;
    void mark_done(entry& e, stream& user);
    void collect_passed();

    device& device_;
    const device_buffer memory_;
    const std::size_t slot_bytes_;
    mutable std::mutex mutex_;
    std::vector<entry> entries_;
    std::vector<std::uint32_t> ready_;    // last released first: its memory is the warmest in cache
    std::deque<std::uint32_t> retiring_;  // released, but perhaps still in use by the device
};

}  // namespace faceflow::internal
