// SPDX-License-Identifier: Apache-2.0
// The copy engine of one direction of an emulated device.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "device/transfer_counter.hpp"

namespace faceflow::internal {

// Sleeps until shortly before `deadline`, then spins for at most 50 us; a copy of a frame takes a few hundred.
void wait_until_exactly(std::chrono::steady_clock::time_point deadline);

// Performs one copy at a time, in order of arrival, like a DMA engine. The copy runs on the calling thread (a
// stream's). Thread-safe.
class copy_engine {
public:
    // Returns when the bytes are copied and at least `nanoseconds` have passed since the copy's turn came. If the
    // modelled link is faster than this machine's memcpy, the copy takes as long as the memcpy.
    void copy(std::byte* to, const std::byte* from, std::size_t bytes, std::int64_t nanoseconds);

    // The copies done so far.
    [[nodiscard]] transfer_totals::moved moved() const;

private:
    mutable std::mutex mutex_;
    std::condition_variable turn_;
    std::uint64_t next_ticket_ = 0, serving_ = 0;
    transfer_totals::moved moved_;
};

// Host buffers for pageable copies, kept for reuse: page faults in a fresh buffer would cost more than the copy.
// Thread-safe.
class staging_buffers {
public:
    using buffer = std::vector<std::byte>;
    [[nodiscard]] std::shared_ptr<buffer> take(std::size_t bytes);
    void give(std::shared_ptr<buffer> b);

private:
    std::mutex mutex_;
    std::vector<std::shared_ptr<buffer>> spare_;
};

}  // namespace faceflow::internal
