// SPDX-License-Identifier: Apache-2.0
// How long the work of a CUDA stream took, by pairs of events that have a clock. For src/device/cuda alone.
#pragma once

#include <cuda_runtime_api.h>

#include <deque>
#include <mutex>
#include <vector>

#include "device/device.hpp"

namespace faceflow {

// Costs the host two event records a span, and never waits: a span is told by the first call of report_finished that finds
// both its events reached. Its length is the device's; it is placed in the host's time as if the last span that was found with
// it had ended just then. Timing that fails is left out, and is no error of the stream. The stream's device is current in
// every call. begin, end and drop are for the thread that adds to the stream, the rest is thread-safe.
class cuda_spans {
public:
    explicit cuda_spans(cudaStream_t of) : stream_(of) {}
    cuda_spans(const cuda_spans&) = delete;

    struct pair {
        cudaEvent_t begin = nullptr, end = nullptr;
    };

    void begin();
    void end(stream::span_callback told);
    // While the stream captures: the events become nodes of the graph, which records them at each launch. They stay these spans'
    // until close. A pair without events where timing failed.
    void begin_captured();
    [[nodiscard]] pair end_captured();
    // What a launch that was just added times: once both ends are known, the last launch's.
    void expect(const pair& of_graph, stream::span_callback told);
    // No end will come for what was begun.
    void drop();
    void report_finished();
    // Before the stream goes; what was not told by then never is.
    void close();

private:
    struct waiting {
        pair events;
        stream::span_callback told;
        bool of_graph = false;
    };
    // Spans that wait to be told at most; with more, the next are not timed.
    static constexpr std::size_t max_waiting = 64;

    [[nodiscard]] pair take_pair();
    [[nodiscard]] std::vector<waiting> take_finished();

    const cudaStream_t stream_;
    pair open_;  // begun and not ended
    std::vector<pair> of_graphs_;
    std::mutex mutex_;
    std::vector<pair> free_;
    std::deque<waiting> waiting_;  // in the stream's order
};

}  // namespace faceflow
