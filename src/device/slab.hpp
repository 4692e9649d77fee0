// SPDX-License-Identifier: Apache-2.0
// Equal slots cut from one pool allocation: where frames live on a device.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "device/device.hpp"
#include "device/memory.hpp"

namespace faceflow {

// One use of a slot. `generation` grows with every release, so that a message about an earlier use is recognised. 0 is never
// a generation.
struct slot {
    std::uint32_t index = 0;
    std::uint64_t generation = 0;
    std::byte* address = nullptr;
};

// A fixed number of slots. A released slot comes back into use only after the device has passed the work that was on the
// noted streams at that moment; the host never waits for it. The device outlives the slab, and every stream that was noted
// for a use outlives that use. Thread-safe.
class slab {
public:
    // `slot_bytes` is rounded up to 256. errc::out_of_memory from the pool, errc::invalid_argument for nothing at all.
    [[nodiscard]] static result<std::shared_ptr<slab>> create(device& d, std::size_t slot_bytes, std::size_t slots);
    // Waits on the host for the device to pass released slots (host syncs of stage capture), unless idle(). Not to be reached
    // from a task on a stream, which would wait for itself.
    ~slab();

    // Never blocks. O(1) while a slot is ready, else one look at each released one. errc::out_of_memory when all are in use.
    [[nodiscard]] result<slot> acquire();

    // Work on `s` reads or writes the slot's present use. Nothing when that use is over already.
    void note_use(const slot& used, stream& s);

    // Ends the use: records a done event on each noted stream. errc::internal for a use that is over already. Does not
    // synchronise, except that a stream is waited for when no event can be made for it.
    result<void> release(const slot& used);

    // True while the use with that generation lasts.
    [[nodiscard]] bool current(std::uint32_t index, std::uint64_t generation) const noexcept;

    // True when no slot is in use and the device has passed all: destruction then waits for nothing.
    [[nodiscard]] bool idle() const;

    [[nodiscard]] device& owner() const noexcept { return device_; }
    // Slot i begins at memory() + i * slot_bytes().
    [[nodiscard]] std::byte* memory() const noexcept { return memory_.data(); }
    [[nodiscard]] std::size_t slot_bytes() const noexcept { return slot_bytes_; }
    [[nodiscard]] std::size_t slots() const noexcept { return entries_.size(); }
    // Slots in use, those that wait for the device not counted.
    [[nodiscard]] std::size_t in_use() const;

private:
    struct entry {
        std::uint64_t generation = 1;
        bool in_use = false;
        std::vector<stream*> users;                // of the present use, each once
        std::vector<std::unique_ptr<event>> done;  // of the last use; the first `pending` count
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
    std::vector<std::uint32_t> ready_;    // the last one released comes first: its memory is the warmest
    std::deque<std::uint32_t> retiring_;  // released, but the device may not have passed them
};

}  // namespace faceflow
