// SPDX-License-Identifier: Apache-2.0
// A number that only grows, in memory that processes share: one side raises it, the other waits until it is high enough.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace faceflow {

// Lies in shared memory at whatever address each process has it. A process that dies leaves the word as it was; anybody who
// may write it can then raise it to `semaphore_end` in the dead one's stead, and whoever waited goes on.
struct semaphore {
    std::atomic<std::uint64_t> value{0};
};
static_assert(std::atomic<std::uint64_t>::is_always_lock_free && sizeof(semaphore) == 8);

// The highest value: GPUs compare values as distances, which have a sign.
inline constexpr std::uint64_t semaphore_end = ~std::uint64_t{0} >> 1;

// Raises `t` to `value`, unless it is there already, and wakes all who wait, in any process. What was written before is seen
// by who waits for it. Thread-safe; needs a writable mapping.
void raise(semaphore& t, std::uint64_t value) noexcept;

// Wakes all who wait, for one who has stored a new value itself.
void wake(semaphore& t) noexcept;

// Sleeps until `t` has reached `value`; false when it has not by `deadline` (time_point::max(): never gives up). Works through
// a read-only mapping. A value that a GPU writes wakes nobody: such a wait looks again every 100 ms only, so a host waits for
// a GPU with synchronise instead. Thread-safe.
[[nodiscard]] bool wait_until(const semaphore& t, std::uint64_t value,
                              std::chrono::steady_clock::time_point deadline) noexcept;

// The same without sleeping: looks, and looks again, on the calling thread's core. Sees a new value within some tens of
// nanoseconds, for which others pay; a matter of microseconds, then.
[[nodiscard]] bool look_until(const semaphore& t, std::uint64_t value,
                              std::chrono::steady_clock::time_point deadline) noexcept;

}  // namespace faceflow
