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

namespace faceflow::flow {

// Thread-safe. Indices count up from 0 within an order (see frame_group) without gaps; put each exactly once.
class reorder_buffer {
public:
    // `group_done` is called with the group's device once the last outcome of an index was handled; `failed` if the
    // handler throws, and the outcome then counts as handled.
    reorder_buffer(outcome_handler handler, std::function<void(std::size_t device)> group_done, thread_failed failed);
    // Starts delivery. Call it once. Errors of start_thread.
    [[nodiscard]] result<void> start();
    // Delivers the outcomes that are in order and discards the rest.
    ~reorder_buffer();
    reorder_buffer(const reorder_buffer&) = delete;

    // The outcomes of a group that `device` processed.
    void put(std::uint32_t order_key, std::uint64_t index, std::size_t device, std::vector<outcome> outcomes);

private:
    struct group {
        std::size_t device = 0;
        std::vector<outcome> outcomes;
    };
    struct order {
        std::uint64_t next = 0;
        std::map<std::uint64_t, group> early;
    };
    void deliver();

    const outcome_handler handler_;
    const std::function<void(std::size_t)> group_done_;
    const thread_failed failed_;
    std::mutex mutex_;
    std::condition_variable some_;
    std::map<std::uint32_t, order> orders_;
    std::deque<group> in_order_;
    bool stopping_ = false;
    std::thread thread_;
};

}  // namespace faceflow::flow
