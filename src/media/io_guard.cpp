// SPDX-License-Identifier: Apache-2.0
#include "media/io_guard.hpp"

namespace faceflow::internal::media {

void io_guard::interrupt() noexcept {
    {
        // Under the lock, so that a sleeper cannot miss it between its check and its wait.
        const std::lock_guard lock(mutex_);
        interrupted_ = true;
    }
    wake_.notify_all();
}

bool io_guard::interrupted() const noexcept {
    return interrupted_.load(std::memory_order_relaxed) || stop_.stop_requested();
}

void io_guard::arm(std::chrono::milliseconds limit) noexcept {
    deadline_ = std::chrono::steady_clock::now() + limit;
    armed_ = true;
}

bool io_guard::expired() const noexcept {
    return armed_ && std::chrono::steady_clock::now() >= deadline_;
}

bool io_guard::sleep(std::chrono::milliseconds time) {
    std::unique_lock lock(mutex_);
    wake_.wait_for(lock, stop_, time, [this] { return interrupted_.load(); });
    return !interrupted();
}

}  // namespace faceflow::internal::media
