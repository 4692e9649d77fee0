// SPDX-License-Identifier: Apache-2.0
// Puts the outcomes of parallel lanes back in order and delivers them on one thread.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

#include "core/thread.hpp"
#include "flow/io/outcome.hpp"

namespace faceflow::internal::flow {

// Thread-safe. Indices count up from 0 within an order (see queued_frame) without gaps; put each exactly once.
class reorder_buffer {
public:
    // `frame_done` is called with the frame's device once its outcome was handled; `failed` if the handler throws, and
    // the outcome then counts as handled.
    reorder_buffer(outcome_handler handler, std::function<void(std::size_t device)> frame_done, thread_failed failed);
    // Starts delivery. Call it once. Errors of start_thread.
    [[nodiscard]] result<void> start();
    // Delivers the outcomes that are in order and discards the rest.
    ~reorder_buffer();
    reorder_buffer(const reorder_buffer&) = delete;

    // The outcome of a frame that `device` processed.
    void put(std::uint32_t order_key, std::uint64_t index, std::size_t device, outcome o);

private:
    struct entry {
        std::size_t device = 0;
        outcome of;
    };
    struct order {
        std::uint64_t next = 0;
        std::map<std::uint64_t, entry> early;
    };
    void deliver();

    const outcome_handler handler_;
    const std::function<void(std::size_t)> frame_done_;
    const thread_failed failed_;
    std::mutex mutex_;
    std::condition_variable some_;
    std::map<std::uint32_t, order> orders_;
    std::deque<entry> in_order_;
    bool stopping_ = false;
    std::thread thread_;
};

}  // namespace faceflow::internal::flow
