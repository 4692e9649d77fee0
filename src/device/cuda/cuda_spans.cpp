// SPDX-License-Identifier: Apache-2.0
#include "device/cuda/cuda_spans.hpp"

#include <chrono>
#include <utility>

#include "device/cuda/cuda_error.hpp"

namespace faceflow::internal {
namespace {

using clock = std::chrono::steady_clock;

cudaEvent_t make_timed_event() {
    cudaEvent_t made = nullptr;
    if (cudaEventCreateWithFlags(&made, cudaEventDefault) == cudaSuccess) return made;
    forget_last_error();
    return nullptr;
}

void destroy(cudaEvent_t event) {
    if (event != nullptr && cudaEventDestroy(event) != cudaSuccess) forget_last_error();
}

bool record(cudaEvent_t event, cudaStream_t s, unsigned flags = cudaEventRecordDefault) {
    if (event != nullptr && cudaEventRecordWithFlags(event, s, flags) == cudaSuccess) return true;
    forget_last_error();
    return false;
}

bool reached(cudaEvent_t event) {
    if (cudaEventQuery(event) == cudaSuccess) return true;
    forget_last_error();  // "not ready" sets the last error too
    return false;
}

// The time from one event to a later one; negative if CUDA cannot tell.
clock::duration between(cudaEvent_t first, cudaEvent_t second) {
    float milliseconds = -1;
    if (cudaEventElapsedTime(&milliseconds, first, second) != cudaSuccess) {
        forget_last_error();
        milliseconds = -1;
    }
    return std::chrono::duration_cast<clock::duration>(std::chrono::duration<float, std::milli>(milliseconds));
}

}  // namespace

cuda_spans::pair cuda_spans::take_pair() {
    const std::lock_guard lock(mutex_);
    if (waiting_.size() >= max_waiting) return {};
    if (free_.empty()) return {make_timed_event(), make_timed_event()};
    const pair taken = free_.back();
    free_.pop_back();
    return taken;
}

void cuda_spans::begin() {
    drop();
    open_ = take_pair();
    if (!record(open_.begin, stream_)) drop();
}

void cuda_spans::end(stream::span_callback told) {
    const pair ended = std::exchange(open_, {});
    if (ended.begin == nullptr) return;
    const bool recorded = record(ended.end, stream_);
    const std::lock_guard lock(mutex_);
    if (recorded) {
        waiting_.push_back({ended, std::move(told), false});
    } else {
        free_.push_back(ended);
    }
}

void cuda_spans::begin_captured() {
    drop();
    open_ = {make_timed_event(), make_timed_event()};
    if (!record(open_.begin, stream_, cudaEventRecordExternal)) drop();
}

cuda_spans::pair cuda_spans::end_captured() {
    const pair ended = std::exchange(open_, {});
    if (ended.begin == nullptr) return {};
    of_graphs_.push_back(ended);
    return record(ended.end, stream_, cudaEventRecordExternal) ? ended : pair{};
}

void cuda_spans::expect(const pair& of_graph, stream::span_callback told) {
    if (of_graph.begin == nullptr) return;
    const std::lock_guard lock(mutex_);
    if (waiting_.size() < max_waiting) waiting_.push_back({of_graph, std::move(told), true});
}

void cuda_spans::drop() {
    const pair dropped = std::exchange(open_, {});
    if (dropped.begin == nullptr || dropped.end == nullptr) {
        destroy(dropped.begin);
        destroy(dropped.end);
        return;
    }
    const std::lock_guard lock(mutex_);
    free_.push_back(dropped);
}

std::vector<cuda_spans::waiting> cuda_spans::take_finished() {
    std::vector<waiting> finished;
    const std::lock_guard lock(mutex_);
    while (!waiting_.empty() && reached(waiting_.front().events.end)) {
        finished.push_back(std::move(waiting_.front()));
        waiting_.pop_front();
    }
    return finished;
}

void cuda_spans::report_finished() {
    std::vector<waiting> finished = take_finished();
    if (finished.empty()) return;
    const clock::time_point now = clock::now();
    const cudaEvent_t last = finished.back().events.end;
    for (const waiting& w : finished) {
        const auto from_begin = between(w.events.begin, last), from_end = between(w.events.end, last);
        if (from_begin >= from_end && from_end >= clock::duration::zero()) w.told(now - from_begin, now - from_end);
    }
    const std::lock_guard lock(mutex_);
    for (const waiting& w : finished) {
        if (!w.of_graph) free_.push_back(w.events);
    }
}

void cuda_spans::close() {
    drop();
    const std::lock_guard lock(mutex_);
    for (const waiting& w : waiting_) {
        if (!w.of_graph) free_.push_back(w.events);
    }
    waiting_.clear();
    for (std::vector<pair>* const pairs : {&free_, &of_graphs_}) {
        for (const pair& p : *pairs) {
            destroy(p.begin);
            destroy(p.end);
        }
        pairs->clear();
    }
}

}  // namespace faceflow::internal
