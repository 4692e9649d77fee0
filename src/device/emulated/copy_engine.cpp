// SPDX-License-Identifier: Apache-2.0
#include "device/emulated/copy_engine.hpp"

#include <cstring>
#include <thread>
#include <utility>

namespace faceflow::internal {
namespace {
using clock = std::chrono::steady_clock;
constexpr std::chrono::microseconds spin{50};
constexpr std::size_t max_spares = 4;
}  // namespace

void wait_until_exactly(clock::time_point deadline) {
    if (deadline - clock::now() > spin) std::this_thread::sleep_until(deadline - spin);
    while (clock::now() < deadline) {
    }
}

void copy_engine::copy(std::byte* to, const std::byte* from, std::size_t bytes, std::int64_t nanoseconds) {
    std::unique_lock lock(mutex_);
    const std::uint64_t mine = next_ticket_++;
    turn_.wait(lock, [&] { return serving_ == mine; });
    lock.unlock();
    const auto deadline = clock::now() + std::chrono::nanoseconds(nanoseconds);
    if (bytes > 0) std::memcpy(to, from, bytes);
    if (nanoseconds > 0) wait_until_exactly(deadline);
    lock.lock();
    ++serving_;
    moved_ = {moved_.count + 1, moved_.bytes + bytes};
    lock.unlock();
    turn_.notify_all();
}

transfer_totals::moved copy_engine::moved() const {
    const std::lock_guard lock(mutex_);
    return moved_;
}

std::shared_ptr<staging_buffers::buffer> staging_buffers::take(std::size_t bytes) {
    std::shared_ptr<buffer> taken;
    {
        const std::lock_guard lock(mutex_);
        if (!spare_.empty()) {
            taken = std::move(spare_.back());
            spare_.pop_back();
        }
    }
    if (!taken) taken = std::make_shared<buffer>();
    if (taken->size() < bytes) taken->resize(bytes);
    return taken;
}

void staging_buffers::give(std::shared_ptr<buffer> b) {
    const std::lock_guard lock(mutex_);
    if (spare_.size() < max_spares) spare_.push_back(std::move(b));
}

}  // namespace faceflow::internal
