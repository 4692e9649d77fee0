// SPDX-License-Identifier: Apache-2.0
#include "core/worker_pool.hpp"

#include <algorithm>
#include <utility>

#include "core/thread.hpp"
#include "core/try.hpp"

namespace faceflow::internal {

worker_pool::worker_pool(std::int32_t processors) : processors_(std::max(processors, 1)) {}

worker_pool::~worker_pool() {
    {
        const std::lock_guard lock(mutex_);
        ending_ = true;
    }
    asked_.notify_all();
    for (auto& t : helpers_)
        t.join();
}

void worker_pool::help() {
    std::unique_lock lock(mutex_);
    for (;;) {
        ++idle_;
        asked_.wait(lock, [&] { return ending_ || first_ != nullptr; });
        --idle_;
        if (first_ == nullptr) return;
        region& r = *first_;
        const std::int32_t i = r.next++;
        ++r.inside;
        if (--r.wanted == 0) first_ = r.later;
        lock.unlock();
        r.work.call(r.work.of, i);
        lock.lock();
        busy_.fetch_sub(1, std::memory_order_relaxed);
        if (--r.inside == 0) left_.notify_all();
    }
}

// Call it under the mutex. If no thread can be started, the existing helpers do the work, or the caller alone.
void worker_pool::start_helpers(std::int32_t wanted) {
    const auto most = static_cast<std::size_t>(processors_ - 1);
    while (idle_ < wanted && helpers_.size() < most && !refused_) {
        const auto started = caught_result("starting a worker thread", [&]() -> result<void> {
            helpers_.reserve(most);
            FACEFLOW_ASSIGN(auto helper, start_thread(
                                             "computing", [this] { help(); }, [](const error&) {}));
            helpers_.push_back(std::move(helper));
            return {};
        });
        refused_ = !started;
        --wanted;
    }
}

// Call it under the mutex: no further helper joins the region.
void worker_pool::withdraw(const region& r) {
    for (region** at = &first_; *at != nullptr; at = &(*at)->later) {
        if (*at != &r) continue;
        *at = r.later;
        return;
    }
}

void worker_pool::run(std::int32_t most, callback work) {
    std::int32_t busy = busy_.load(std::memory_order_relaxed), wanted = 0;
    do {
        wanted = std::clamp(processors_ - busy - 1, 0, std::max(most - 1, 0));
    } while (!busy_.compare_exchange_weak(busy, busy + 1 + wanted, std::memory_order_relaxed));
    if (wanted == 0) {
        work.call(work.of, 0);
        busy_.fetch_sub(1, std::memory_order_relaxed);
        return;
    }
    region r{work, wanted};
    {
        const std::lock_guard lock(mutex_);
        start_helpers(wanted);
        r.later = std::exchange(first_, &r);
    }
    for (std::int32_t i = 0; i < wanted; ++i)
        asked_.notify_one();
    work.call(work.of, 0);
    std::unique_lock lock(mutex_);
    if (r.wanted > 0) withdraw(r);
    busy_.fetch_sub(1 + r.wanted, std::memory_order_relaxed);
    left_.wait(lock, [&] { return r.inside == 0; });
}

}  // namespace faceflow::internal
