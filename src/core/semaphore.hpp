// SPDX-License-Identifier: Apache-2.0
// A timeline semaphore in shared memory: a number that only grows; one side raises it, the other waits for a value.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace faceflow::internal {

// May be mapped at different addresses in each process. A process that dies leaves the value as it was; any process
// with write access can then raise it to `semaphore_end` on its behalf, which releases all waiters.
struct semaphore {
    std::atomic<std::uint64_t> value{0};
};
static_assert(std::atomic<std::uint64_t>::is_always_lock_free && sizeof(semaphore) == 8);

// The highest value: GPUs compare values by signed difference.
inline constexpr std::uint64_t semaphore_end = ~std::uint64_t{0} >> 1;

// Raises `t` to `value`, unless it is already there, and wakes all waiters in any process. Writes made before are
// visible to waiters. Thread-safe; needs a writable mapping.
void raise(semaphore& t, std::uint64_t value) noexcept;

// Wakes all waiters; for callers that have stored a new value themselves.
void wake(semaphore& t) noexcept;

// Sleeps until `t` has reached `value`; false if it has not by `deadline` (time_point::max(): no deadline). Works
// through a read-only mapping. A value written by a GPU wakes nothing, and this wait polls only every 100 ms: wait for
// a GPU with synchronise instead. Thread-safe.
[[nodiscard]] bool wait_until(const semaphore& t, std::uint64_t value,
                              std::chrono::steady_clock::time_point deadline) noexcept;

// The same, spinning on the calling thread's core. Sees a new value within some tens of nanoseconds, at the expense of
// other work on that core: use it for microseconds only.
[[nodiscard]] bool look_until(const semaphore& t, std::uint64_t value,
                              std::chrono::steady_clock::time_point deadline) noexcept;

}  // namespace faceflow::internal
