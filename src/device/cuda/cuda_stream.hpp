// SPDX-License-Identifier: Apache-2.0
// Streams and events of a CUDA device, and the way to the handles beneath them. For src/device/cuda and kernels alone.
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

namespace faceflow {

class cuda_graph;
struct captured_notes;

// A kernel with what it is launched with; `arguments` as cudaLaunchKernel takes them.
struct kernel_call {
    const void* kernel = nullptr;
    dim3 blocks, threads;
    void** arguments = nullptr;
};

// A cudaEvent_t without a clock. A host that waits for it sleeps (cudaEventBlockingSync) instead of spinning: each wait ends
// some 50 us later (docs/gpu.md), and leaves its core to decoding and drawing meanwhile.
class cuda_event final : public event {
public:
    // The event's device is `index`.
    [[nodiscard]] static result<std::unique_ptr<cuda_event>> create(int index);
    ~cuda_event() override;

    // Also when the device has failed: nothing more will come, and nobody is to wait for it.
    [[nodiscard]] bool done() const noexcept override;
    // Blocks. The error of a device that has failed.
    [[nodiscard]] result<void> wait();
    [[nodiscard]] cudaEvent_t native() const noexcept { return event_; }

private:
    cuda_event(int index, cudaEvent_t made) : index_(index), event_(made) {}
    const int index_;
    const cudaEvent_t event_;
};

// A non-blocking cudaStream_t: it does not order itself against the default stream. It runs no host tasks: run() is an
// errc::unsupported of the stream. An error is noticed when work is added; one that happens on the device, when the host
// waits.
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

    // Adds work: calls `work(cudaStream_t)`, which returns a cudaError_t, with the device current, unless the stream has
    // failed; an error becomes the stream's, under the name of the `call`. Work of a graph that is launched again stays as it was
    // captured, and is not added.
    template <class Work>
    void submit(const char* call, Work&& work) {
        if (failed() || relaunching()) return;
        const current_device scope(owner_.index());
        keep(checked(work(stream_), call));
    }
    // Adds a kernel, or a copy of pinned memory, that may have other arguments at each launch of a graph that it is part of.
    void add_kernel(const char* name, const kernel_call& call);
    void add_copy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind);
    [[nodiscard]] cudaStream_t native() const noexcept { return stream_; }

private:
    // A graph that is being launched again, and how far its changing nodes and spans are through.
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
    // The node that was captured last is one that changes.
    [[nodiscard]] cudaError_t note_node();
    // The next that changes, of the graph that is launched again; null: there are no more.
    [[nodiscard]] cudaGraphNode_t next_node();
    // The first error stays.
    void keep(result<void> outcome);

    device& owner_;
    const cuda_semaphores& words_;
    const std::string label_;
    const cudaStream_t stream_;
    cuda_spans spans_;
    // Held throughout a capture: what other threads add meanwhile comes behind it, and not into it.
    std::recursive_mutex adding_;
    // For the thread that adds work.
    bool capturing_ = false;
    captured_notes* notes_ = nullptr;  // of the capture in progress
    relaunch* relaunched_ = nullptr;
    mutable std::mutex mutex_;
    result<void> error_;
};

// The handle of a stream of a CUDA device. Work put on it is in the stream's order, but passes by its errors: kernels are
// better launched in cuda_stream::submit.
[[nodiscard]] inline cudaStream_t native(const stream& s) noexcept {
    return static_cast<const cuda_stream&>(s).native();
}

}  // namespace faceflow
