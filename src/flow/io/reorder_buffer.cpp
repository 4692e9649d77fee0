// SPDX-License-Identifier: Apache-2.0
#include "flow/io/reorder_buffer.hpp"

#include "core/try.hpp"

namespace faceflow::internal::flow {

reorder_buffer::reorder_buffer(outcome_handler handler, std::function<void(std::size_t)> frame_done,
                               thread_failed failed)
    : handler_(std::move(handler)),
      frame_done_(std::move(frame_done)),
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

void reorder_buffer::put(std::uint32_t order_key, std::uint64_t index, std::size_t device, outcome o) {
    {
        const std::lock_guard lock(mutex_);
        order& its = orders_[order_key];
        its.early.emplace(index, entry{device, std::move(o)});
        for (auto at = its.early.begin(); at != its.early.end() && at->first == its.next; at = its.early.begin()) {
            in_order_.push_back(std::move(at->second));
            its.early.erase(at);
            ++its.next;
        }
    }
    some_.notify_one();
}

void reorder_buffer::deliver() {
    std::unique_lock lock(mutex_);
    for (;;) {
        some_.wait(lock, [&] { return stopping_ || !in_order_.empty(); });
        if (in_order_.empty()) return;
        entry next = std::move(in_order_.front());
        in_order_.pop_front();
        lock.unlock();
        if (auto handled = caught("handling a frame's result", [&] { handler_(std::move(next.of)); }); !handled)
            failed_(std::move(handled.error()));
        next.of = {};  // the frame is released before more are admitted
        frame_done_(next.device);
        lock.lock();
    }
}

}  // namespace faceflow::internal::flow
