// SPDX-License-Identifier: Apache-2.0
#include "telemetry/gpu_sampler.hpp"

#include <algorithm>
#include <utility>

#include "core/thread.hpp"

namespace faceflow::internal {

gpu_sampler::gpu_sampler(std::vector<card> cards, std::chrono::nanoseconds period) : period_(period) {
    for (card& c : cards)
        cards_.push_back({std::move(c), 0, {}});
    // If no thread can be started or memory runs out, there are no readings: the run matters more than its figures.
    if (auto started = start_thread(
            "readings of GPUs", [this] { work(); }, [](const error&) {}))
        thread_ = std::move(*started);
}

gpu_sampler::~gpu_sampler() {
    stop();
}

void gpu_sampler::stop() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    changed_.notify_one();
    if (thread_.joinable()) thread_.join();
}

void gpu_sampler::work() {
    std::unique_lock lock(mutex_);
    for (bool last = false; !last;) {
        last = changed_.wait_for(lock, period_, [this] { return stopping_; });
        lock.unlock();
        read_all();
        lock.lock();
    }
}

void gpu_sampler::read_all() {
    for (watched& w : cards_) {
        if (w.what.from == nullptr) continue;
        const gpu_reading now = w.what.from->read();
        ++w.readings;
        for (std::size_t i = 0; i < now.size(); ++i) {
            if (!now[i]) continue;
            running& r = w.figures[i];
            r.max = r.count == 0 ? *now[i] : std::max(r.max, *now[i]);
            r.sum += *now[i];
            ++r.count;
        }
    }
}

std::vector<gpu_usage> gpu_sampler::finish() {
    stop();
    std::vector<gpu_usage> all;
    for (watched& w : cards_) {
        gpu_usage u;
        u.name = std::move(w.what.name);
        u.readings = w.readings;
        for (std::size_t i = 0; i < w.figures.size(); ++i) {
            const running& r = w.figures[i];
            if (r.count > 0) u.figures[i] = gpu_usage::range{r.sum / static_cast<double>(r.count), r.max};
        }
        all.push_back(std::move(u));
    }
    return all;
}

}  // namespace faceflow::internal
