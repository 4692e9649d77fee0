// SPDX-License-Identifier: Apache-2.0
#include "device/staging.hpp"

#include "core/try.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

namespace faceflow::internal {
namespace {
constexpr std::chrono::seconds patience{10};
}  // namespace

staging_block::~staging_block() {
    if (ring_ != nullptr) ring_->give_back(index_);
}

void staging_block::release_after(stream& s) {
    if (ring_ != nullptr) std::exchange(ring_, nullptr)->give_back_after(index_, s);
    host_ = {};
}

result<std::unique_ptr<staging_ring>> staging_ring::create(device& d, std::size_t block_bytes, std::size_t blocks,
                                                           bool pinned) {
    if (block_bytes == 0 || blocks == 0) {
        return fail(errc::invalid_argument,
                    fmt::format("a staging ring of {} blocks of {} bytes makes no sense", blocks, block_bytes));
    }
    auto ring = std::unique_ptr<staging_ring>(new staging_ring(d, block_bytes, blocks, pinned));
    FACEFLOW_TRY(ring->add());
    return ring;
}

staging_ring::staging_ring(device& d, std::size_t block_bytes, std::size_t most, bool pinned)
    : device_(d),
      block_bytes_(block_bytes),
      pinned_(pinned),
      most_(most) {
    entries_.reserve(most);
}

result<void> staging_ring::add() {
    FACEFLOW_ASSIGN(auto done, device_.make_event());
    FACEFLOW_ASSIGN(auto host, device_.allocate_host(block_bytes_, pinned_));
    free_.push_back(entries_.size());
    entries_.push_back({host, std::move(done)});
    return {};
}

staging_ring::~staging_ring() {
    for (const std::size_t index : in_flight_) {
        // If the wait fails, there is nothing better to do than to continue.
        [[maybe_unused]] const auto ignored = wait_until_done(device_, *entries_[index].done, {stage::capture, {}});
    }
    for (const entry& e : entries_)
        device_.release_host(e.host);
}

void staging_ring::collect_done() {
    std::erase_if(in_flight_, [&](std::size_t index) {
        if (!entries_[index].done->done()) return false;
        free_.push_back(index);
        return true;
    });
}

staging_block staging_ring::take_free() {
    const std::size_t index = free_.back();
    free_.pop_back();
    return {*this, index, entries_[index].host};
}

// If the allocation of another block fails, the existing ones become the limit.
void staging_ring::make_one_free() {
    if (free_.empty()) collect_done();
    if (free_.empty() && entries_.size() < most_ && !add()) most_ = entries_.size();
}

std::size_t staging_ring::bytes() const {
    const std::lock_guard lock(mutex_);
    return entries_.size() * block_bytes_;
}

bool staging_ring::idle() {
    const std::lock_guard lock(mutex_);
    collect_done();
    return free_.size() == entries_.size();
}

result<staging_block> staging_ring::acquire(const tag& t) {
    std::unique_lock lock(mutex_);
    make_one_free();
    const bool there = changed_.wait_for(lock, patience, [&] { return !free_.empty() || !in_flight_.empty(); });
    if (!there) {
        return fail(errc::timeout, fmt::format("all {} staging blocks are being filled, and none came back in {} s",
                                               entries_.size(), patience.count()));
    }
    if (!free_.empty()) return take_free();
    // This thread owns the block from here on; waiting under the lock would block threads that return blocks.
    const std::size_t oldest = in_flight_.front();
    in_flight_.pop_front();
    lock.unlock();
    staging_block block(*this, oldest, entries_[oldest].host);
    FACEFLOW_TRY(wait_until_done(device_, *entries_[oldest].done, t));
    return block;
}

void staging_ring::give_back(std::size_t index) {
    const std::lock_guard lock(mutex_);
    free_.push_back(index);
    changed_.notify_one();  // under the lock: the ring may be destroyed as soon as it is idle
}

void staging_ring::give_back_after(std::size_t index, stream& s) {
    const std::lock_guard lock(mutex_);
    s.record(*entries_[index].done);
    in_flight_.push_back(index);
    changed_.notify_one();
}

}  // namespace faceflow::internal
