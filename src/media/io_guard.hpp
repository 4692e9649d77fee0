// SPDX-License-Identifier: Apache-2.0
// What lets one thread end another's blocked input: libav's interrupt callback, a deadline, and a sleep that wakes.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <stop_token>

namespace faceflow::internal::media {

// Outlives every libav object that was given its callback. `interrupt` may be called from any thread; the rest
// belongs to the thread that reads.
class io_guard {
public:
    explicit io_guard(std::stop_token stop) : stop_(std::move(stop)) {}

    void interrupt() noexcept;
    [[nodiscard]] bool interrupted() const noexcept;

    // From arm() to disarm(), blocking calls end once `limit` has passed.
    void arm(std::chrono::milliseconds limit) noexcept;
    void disarm() noexcept { armed_ = false; }
    // Whether the deadline passed since the last arm().
    [[nodiscard]] bool expired() const noexcept;

    // What blocking code asks: go on, or give up?
    [[nodiscard]] bool give_up() const noexcept { return interrupted() || expired(); }

    // Returns false when interrupted before the time was over.
    [[nodiscard]] bool sleep(std::chrono::milliseconds time);

    static int callback(void* guard) noexcept { return static_cast<const io_guard*>(guard)->give_up() ? 1 : 0; }

private:
    std::stop_token stop_;
    std::atomic<bool> interrupted_{false};
    bool armed_ = false;
    std::chrono::steady_clock::time_point deadline_;
    std::mutex mutex_;
    std::condition_variable_any wake_;
};

}  // namespace faceflow::internal::media
