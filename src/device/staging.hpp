// SPDX-License-Identifier: Apache-2.0
// Host memory that transfers start from or end in: blocks that go around.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "device/device.hpp"

namespace faceflow {

class staging_ring;

// Owner of one block of a ring, which it must not outlive; move-only. Dropping it gives the block back at once, which is
// right only when no work on a stream still uses it: otherwise release_after.
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

    // Gives the block back once the work that is on `s` now is done. The block is empty afterwards. Does not synchronise.
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

// Blocks are made as they are needed, up to as many as were asked for: as many as transfers can be in flight and one more per
// thread that fills one, and acquire never waits. The device outlives the ring. Thread-safe.
class staging_ring {
public:
    // Makes the first block. Errors of device::allocate_host; errc::invalid_argument for nothing at all.
    [[nodiscard]] static result<std::unique_ptr<staging_ring>> create(device& d, std::size_t block_bytes,
                                                                      std::size_t blocks, bool pinned = true);
    // Waits on the host for transfers in flight (host syncs of stage capture, when there are any).
    ~staging_ring();

    // A block to fill. Waits only when there is none and no further one can be made: on the host for the oldest in flight,
    // which the ledger counts as a host sync under `t`; when none is in flight, for another thread to give one back,
    // errc::timeout after ten seconds.
    [[nodiscard]] result<staging_block> acquire(const tag& t);

    [[nodiscard]] std::size_t block_bytes() const noexcept { return block_bytes_; }
    [[nodiscard]] std::size_t bytes() const;  // of the blocks that were made
    // No block is being filled or in flight. Nobody may acquire meanwhile for the answer to last.
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
    std::vector<entry> entries_;  // never moves
    std::vector<std::size_t> free_;
    std::deque<std::size_t> in_flight_;  // oldest first
};

}  // namespace faceflow
