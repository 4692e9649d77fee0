// SPDX-License-Identifier: Apache-2.0
// Host memory from which and to which transfers copy: a ring of reusable blocks.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "device/device.hpp"

namespace faceflow::internal {

class staging_ring;

// Owns one block of a ring; the ring outlives it; move-only. Destroying it returns the block at once, which is correct
// only if no work on a stream still uses the block: otherwise call release_after.
class staging_block {
public:
    staging_block() = default;
    staging_block(staging_block&& o) noexcept
        : ring_(std::exchange(o.ring_, nullptr)),
          index_(o.index_),
          host_(o.host_) {}
    staging_block& operator=(staging_block&& o) noexcept {
        std::swap(ring_, o.ring_);
        std::swap(index_, o.index_);
        std::swap(host_, o.host_);
        return *this;
    }
    ~staging_block();

    [[nodiscard]] const host_block& host() const noexcept { return host_; }

    // Returns the block once the present work on `s` is done. This object is empty afterwards. Does not synchronise.
    void release_after(stream& s);

private:
    friend class staging_ring;
    staging_block(staging_ring& ring, std::size_t index, const host_block& host)
        : ring_(&ring),
          index_(index),
          host_(host) {}

    staging_ring* ring_ = nullptr;
    std::size_t index_ = 0;
    host_block host_;
};

// Blocks are allocated on demand, up to the given number. With one block per transfer that can be in flight and one
// more per thread that fills blocks, acquire never waits. The device outlives the ring. Thread-safe.
class staging_ring {
public:
    // Allocates the first block. Errors of device::allocate_host; errc::invalid_argument if either size is 0.
    [[nodiscard]] static result<std::unique_ptr<staging_ring>> create(device& d, std::size_t block_bytes,
                                                                      std::size_t blocks, bool pinned = true);
    // Blocks the host until transfers in flight are done (host syncs under stage capture, if there are any).
    ~staging_ring();

    // A block to fill. Blocks only when none is free and no more can be allocated: until the oldest transfer in flight
    // is done, which the ledger counts as a host sync under `t`; or, if none is in flight, until another thread returns
    // a block, with errc::timeout after ten seconds.
    [[nodiscard]] result<staging_block> acquire(const tag& t);

    [[nodiscard]] std::size_t block_bytes() const noexcept { return block_bytes_; }
    [[nodiscard]] std::size_t bytes() const;  // of the allocated blocks
    // True when no block is being filled or in flight. The answer lasts only while no thread acquires.
    [[nodiscard]] bool idle();

private:
    friend class staging_block;
    struct entry {
        host_block host;
        std::unique_ptr<event> done;
    };

    staging_ring(device& d, std::size_t block_bytes, std::size_t most, bool pinned);
    [[nodiscard]] result<void> add();
    void make_one_free();
    [[nodiscard]] staging_block take_free();
    void give_back(std::size_t index);
    void give_back_after(std::size_t index, stream& s);
    void collect_done();

    device& device_;
    const std::size_t block_bytes_;
    const bool pinned_;
    mutable std::mutex mutex_;
    std::condition_variable changed_;
    std::size_t most_;
    std::vector<entry> entries_;  // elements never move in memory
    std::vector<std::size_t> free_;
    std::deque<std::size_t> in_flight_;  // oldest first
};

}  // namespace faceflow::internal
