// SPDX-License-Identifier: Apache-2.0
// A bounded queue between two stages. Its policy says what happens when it is full.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>

namespace faceflow::internal {

enum class queue_policy : std::uint8_t {
    latest,  // full: the oldest item makes room (live pictures: only the newest matters)
    fifo,    // full: the new item is refused (order is kept, nothing waits)
    block,   // full: the producer blocks (recorded input: nothing is lost)
};

// The outcome of a push.
enum class push_outcome : std::uint8_t { queued, replaced_oldest, refused, closed };

// For any number of producers and consumers. Items are popped in the order they were pushed.
template <class T>
class bounded_queue {
public:
    bounded_queue(std::size_t capacity, queue_policy policy)
        : capacity_(capacity < 1 ? 1 : capacity),
          policy_(policy) {}

    // `replaced`, if given, receives the item displaced by a `latest` queue, so that the caller can account for it.
    push_outcome push(T item, std::optional<T>* replaced = nullptr) {
        std::unique_lock lock(mutex_);
        if (policy_ == queue_policy::block) not_full_.wait(lock, [&] { return closed_ || items_.size() < capacity_; });
        if (closed_) return push_outcome::closed;
        push_outcome outcome = push_outcome::queued;
        if (items_.size() >= capacity_) {
            if (policy_ == queue_policy::fifo) return push_outcome::refused;
            if (replaced != nullptr) replaced->emplace(std::move(items_.front()));
            items_.pop_front();
            outcome = push_outcome::replaced_oldest;
        }
        items_.push_back(std::move(item));
        lock.unlock();
        not_empty_.notify_one();
        return outcome;
    }

    // Blocks until there is an item; nullopt once the queue is closed and drained.
    std::optional<T> pop() {
        std::unique_lock lock(mutex_);
        not_empty_.wait(lock, [&] { return closed_ || !items_.empty(); });
        return take(lock);
    }

    std::optional<T> try_pop() {
        std::unique_lock lock(mutex_);
        return take(lock);
    }

    // Refuses producers from now on; consumers still drain the remaining items.
    void close() {
        {
            const std::lock_guard lock(mutex_);
            closed_ = true;
        }
        not_empty_.notify_all();
        not_full_.notify_all();
    }

    [[nodiscard]] std::size_t size() const {
        const std::lock_guard lock(mutex_);
        return items_.size();
    }

private:
    std::optional<T> take(std::unique_lock<std::mutex>& lock) {
        if (items_.empty()) return std::nullopt;
        std::optional<T> item(std::move(items_.front()));
        items_.pop_front();
        lock.unlock();
        not_full_.notify_one();
        return item;
    }

    const std::size_t capacity_;
    const queue_policy policy_;
    mutable std::mutex mutex_;
    std::condition_variable not_empty_, not_full_;
    std::deque<T> items_;
    bool closed_ = false;
};

}  // namespace faceflow::internal
