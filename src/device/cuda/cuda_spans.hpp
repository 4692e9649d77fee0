// SPDX-License-Identifier: Apache-2.0
// Measures how long a CUDA stream's work takes, by pairs of timing events. Private to src/device/cuda.
#pragma once

#include <cuda_runtime_api.h>

#include <deque>
#include <mutex>
#include <vector>

#include "device/device.hpp"

namespace faceflow::internal {

// Costs the host two event records per span and never waits: the first call of report_finished that finds both events
// reached reports the span. Its length is device time; it is placed in host time as if the last span found by the same
// call had ended just then. A span that cannot be timed is left out, without an error of the stream. The stream's
// device must be current in every call. begin, end and drop are for the thread that adds to the stream; the rest is
// thread-safe.
class cuda_spans {
public:
    explicit cuda_spans(cudaStream_t of) : stream_(of) {}
    cuda_spans(const cuda_spans&) = delete;

    struct pair {
        cudaEvent_t begin = nullptr, end = nullptr;
    };

    void begin();
    void end(stream::span_callback told);
    // For capture: the events become nodes of the graph, which records them at each launch. They stay owned by this
    // object until close. A pair is empty if timing failed.
    void begin_captured();
    [[nodiscard]] pair end_captured();
    // Reports the span of a launch that was just added once both ends are known; with several launches, the last one's.
    void expect(const pair& of_graph, stream::span_callback told);
    // Discards the span that was begun; its end will not come.
    void drop();
    void report_finished();
    // Call it before the stream is destroyed; spans not reported by then never are.
    void close();

private:
    struct waiting {
        pair events;
        stream::span_callback told;
        bool of_graph = false;
    };
    // Limit of spans waiting to be reported; further ones are not timed.
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

}  // namespace faceflow::internal
