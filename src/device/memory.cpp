// SPDX-License-Identifier: Apache-2.0
#include "device/memory.hpp"

#include "core/try.hpp"

#include <fmt/format.h>

namespace faceflow::internal {

result<std::byte*> capped_resource::allocate(std::size_t bytes) {
    const std::size_t want = counted(bytes);
    std::size_t used = used_.load(std::memory_order_relaxed);
    do {
        if (want > cap_ - used) {
            return fail(
                errc::out_of_memory,
                fmt::format("{:.1f} MiB more would pass the device memory limit of {:.1f} MiB ({:.1f} MiB in use); "
                            "raise --device-memory, or use fewer sources or smaller frames",
                            static_cast<double>(want) / 0x1p20, static_cast<double>(cap_) / 0x1p20,
                            static_cast<double>(used) / 0x1p20));
        }
    } while (!used_.compare_exchange_weak(used, used + want, std::memory_order_relaxed));
    auto memory = upstream_.allocate(want);
    if (!memory) {
        used_.fetch_sub(want, std::memory_order_relaxed);
        return memory;
    }
    std::size_t peak = peak_.load(std::memory_order_relaxed);
    while (peak < used + want && !peak_.compare_exchange_weak(peak, used + want, std::memory_order_relaxed)) {
    }
    return memory;
}

void capped_resource::deallocate(std::byte* memory, std::size_t bytes) noexcept {
    upstream_.deallocate(memory, counted(bytes));
    used_.fetch_sub(counted(bytes), std::memory_order_relaxed);
}

void capped_resource::ask_to_evict(std::size_t bytes) noexcept {
    const std::lock_guard lock(holders_mutex_);
    for (memory_holder* h : holders_)
        h->evict(bytes);
}

void capped_resource::add(memory_holder& h) {
    const std::lock_guard lock(holders_mutex_);
    holders_.push_back(&h);
}

void capped_resource::remove(memory_holder& h) noexcept {
    const std::lock_guard lock(holders_mutex_);
    std::erase(holders_, &h);
}

result<device_buffer> device_buffer::allocate(memory_resource& from, std::size_t bytes) {
    FACEFLOW_ASSIGN(auto memory, from.allocate(bytes));
    return device_buffer(from, memory, bytes);
}

}  // namespace faceflow::internal
