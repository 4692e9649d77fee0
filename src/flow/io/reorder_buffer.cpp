// SPDX-License-Identifier: Apache-2.0
#include "flow/io/reorder_buffer.hpp"

#include "core/try.hpp"

namespace faceflow::flow {

reorder_buffer::reorder_buffer(outcome_handler handler, std::function<void(std::size_t)> group_done,
                               thread_failed failed)
    : handler_(std::move(handler)),
      group_done_(std::move(group_done)),
      failed_(std::move(failed)) {}

result<void> reorder_buffer::start() {
    FACEFLOW_ASSIGN(thread_, start_thread(
                                 "delivering results", [this] { deliver(); }, failed_));
    return {};
}

reorder_buffer::~reorder_buffer() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    some_.notify_one();
    if (thread_.joinable()) thread_.join();
}

void reorder_buffer::put(std::uint32_t order_key, std::uint64_t index, std::size_t device,
                         std::vector<outcome> outcomes) {
    {
        const std::lock_guard lock(mutex_);
        order& o = orders_[order_key];
        o.early.emplace(index, group{device, std::move(outcomes)});
        for (auto at = o.early.begin(); at != o.early.end() && at->first == o.next; at = o.early.begin()) {
            in_order_.push_back(std::move(at->second));
            o.early.erase(at);
            ++o.next;
        }
    }
    some_.notify_one();
}

void reorder_buffer::deliver() {
    std::unique_lock lock(mutex_);
    for (;;) {
        some_.wait(lock, [&] { return stopping_ || !in_order_.empty(); });
        if (in_order_.empty()) return;
        group next = std::move(in_order_.front());
        in_order_.pop_front();
        lock.unlock();
        for (outcome& o : next.outcomes) {
            if (auto handled = caught("handling a frame's result", [&] { handler_(std::move(o)); }); !handled)
                failed_(std::move(handled.error()));
        }
        next.outcomes.clear();  // frames are released before more are admitted
        group_done_(next.device);
        lock.lock();
    }
}

}  // namespace faceflow::flow
