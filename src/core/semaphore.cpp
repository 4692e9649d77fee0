// SPDX-License-Identifier: Apache-2.0
#include "core/semaphore.hpp"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <climits>
#include <ctime>

namespace faceflow::internal {
namespace {

using clock = std::chrono::steady_clock;

// A futex compares 32 bits: a raise by an exact multiple of 2^32 between the check and the sleep is missed, and so are
// writes by a GPU. Therefore no sleep is longer than this.
constexpr std::chrono::nanoseconds longest_sleep = std::chrono::milliseconds(100);

static_assert(std::endian::native == std::endian::little, "the futex is the word's low half, at its address");

// Yields to the core's other hardware thread, and uses less power than a bare spin.
void pause() noexcept {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("yield");
#endif
}

// No PRIVATE flag: the waiter may be in another process.
long futex(const semaphore& t, int operation, std::uint32_t value, const timespec* timeout) noexcept {
    return ::syscall(SYS_futex, &t.value, operation, value, timeout, nullptr, 0);
}

}  // namespace

void raise(semaphore& t, std::uint64_t value) noexcept {
    std::uint64_t now = t.value.load(std::memory_order_relaxed);
    do {
        if (now >= value) return;
    } while (!t.value.compare_exchange_weak(now, value, std::memory_order_acq_rel, std::memory_order_relaxed));
    wake(t);
}

void wake(semaphore& t) noexcept {
    futex(t, FUTEX_WAKE, INT_MAX, nullptr);
}

bool wait_until(const semaphore& t, std::uint64_t value, clock::time_point deadline) noexcept {
    while (true) {
        const std::uint64_t now = t.value.load(std::memory_order_acquire);
        if (now >= value) return true;
        const std::chrono::nanoseconds left = deadline - clock::now();
        if (left.count() <= 0) return false;
        const timespec timeout{0, std::min(left, longest_sleep).count()};
        futex(t, FUTEX_WAIT, static_cast<std::uint32_t>(now), &timeout);
    }
}

bool look_until(const semaphore& t, std::uint64_t value, clock::time_point deadline) noexcept {
    // reads of the value between two reads of the clock, which cost as much as several of them
    constexpr int looks = 16;
    while (true) {
        for (int i = 0; i < looks; ++i) {
            if (t.value.load(std::memory_order_acquire) >= value) return true;
            pause();
        }
        if (clock::now() >= deadline) return false;
    }
}

}  // namespace faceflow::internal
