// SPDX-License-Identifier: Apache-2.0
// Streams and events of a CUDA device, and access to their native handles. Private to src/device/cuda and kernels.
#pragma once

#include <cuda_runtime_api.h>

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "device/cuda/cuda_error.hpp"
#include "device/cuda/cuda_semaphores.hpp"
#include "device/cuda/cuda_spans.hpp"
#include "device/device.hpp"

namespace faceflow::internal {

class cuda_graph;
struct captured_notes;

// A kernel and its launch configuration; `arguments` as for cudaLaunchKernel.
struct kernel_call {
    const void* kernel = nullptr;
    dim3 blocks, threads;
    void** arguments = nullptr;
};

// A cudaEvent_t without timing. A host that waits for it sleeps (cudaEventBlockingSync) instead of spinning: each wait
// ends some 50 us later (docs/gpu.md), but leaves the core free for decoding and drawing.
class cuda_event final : public event {
public:
    // `index`: the event's device.
    [[nodiscard]] static result<std::unique_ptr<cuda_event>> create(int index);
    ~cuda_event() override;

    // True also when the device has failed: nothing more will come, and nothing must wait for it.
    [[nodiscard]] bool done() const noexcept override;
    // Blocks the host. Returns the error of a failed device.
    [[nodiscard]] result<void> wait();
    [[nodiscard]] cudaEvent_t native() const noexcept { return event_; }

private:
    cuda_event(int index, cudaEvent_t made) : index_(index), event_(made) {}
    const int index_;
    const cudaEvent_t event_;
};

// A non-blocking cudaStream_t: not ordered with the default stream. It runs no host tasks: run() is errc::unsupported
// as an error of the stream. Errors of adding work are noticed at once, errors on the device when the host waits.
class cuda_stream final : public stream {
public:
    [[nodiscard]] static result<std::unique_ptr<cuda_stream>> create(device& owner, const cuda_semaphores& words,
                                                                     std::string label);
    ~cuda_stream() override;

    [[nodiscard]] device& owner() const noexcept override { return owner_; }
    [[nodiscard]] const std::string& label() const noexcept override { return label_; }
    void run(task work) override;
    void enqueue(task adds) override;
    [[nodiscard]] result<std::unique_ptr<graph>> capture(const task& adds) override;
    void launch(graph& captured) override;
    void launch(graph& captured, const task& adds) override;
    [[nodiscard]] bool capturing() const noexcept override { return capturing_; }
    [[nodiscard]] bool relaunching() const noexcept override { return relaunched_ != nullptr; }
    void begin_span() override;
    void end_span(span_callback told) override;
    [[nodiscard]] void* handle() const noexcept override { return stream_; }
    void record(event& e) override;
    void wait(const event& e) override;
    void signal(semaphore& t, std::uint64_t value) override;
    void wait(const semaphore& t, std::uint64_t value) override;
    [[nodiscard]] result<void> take_error() override;

    // Adds work: calls `work(cudaStream_t)`, which returns a cudaError_t, with the device current, unless the stream
    // has failed; an error becomes the stream's, under the name `call`. Skipped while a graph is relaunched: that work
    // stays as it was captured.
    template <class Work>
    void submit(const char* call, Work&& work) {
        if (failed() || relaunching()) return;
        const current_device scope(owner_.index());
        keep(checked(work(stream_), call));
    }
    // Adds a kernel or a copy of pinned memory whose arguments may differ at each launch of a graph that contains it.
    void add_kernel(const char* name, const kernel_call& call);
    void add_copy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind);
    [[nodiscard]] cudaStream_t native() const noexcept { return stream_; }

private:
    // A relaunch in progress: the graph, and how many of its changing nodes and spans have been passed.
    struct relaunch {
        const cuda_graph& of;
        std::size_t nodes = 0;
        std::vector<span_callback> told = {};
    };

    cuda_stream(device& owner, const cuda_semaphores& words, std::string label, cudaStream_t made)
        : owner_(owner),
          words_(words),
          label_(std::move(label)),
          stream_(made),
          spans_(made) {}
    [[nodiscard]] bool failed() const;
    // Notes that the last captured node may change.
    [[nodiscard]] cudaError_t note_node();
    // The next changing node of the graph being relaunched; null when there are no more.
    [[nodiscard]] cudaGraphNode_t next_node();
    // Keeps the first error.
    void keep(result<void> outcome);

    device& owner_;
    const cuda_semaphores& words_;
    const std::string label_;
    const cudaStream_t stream_;
    cuda_spans spans_;
    // Held throughout a capture, so that work of other threads comes after it and is not captured.
    std::recursive_mutex adding_;
    // Only for the thread that adds work.
    bool capturing_ = false;
    captured_notes* notes_ = nullptr;  // of the capture in progress
    relaunch* relaunched_ = nullptr;
    mutable std::mutex mutex_;
    result<void> error_;
};

// The handle of a CUDA stream. Work added through it is in stream order but bypasses the stream's error handling:
// prefer cuda_stream::submit for kernels.
[[nodiscard]] inline cudaStream_t native(const stream& s) noexcept {
    return static_cast<const cuda_stream&>(s).native();
}

}  // namespace faceflow::internal
