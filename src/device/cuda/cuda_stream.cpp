// SPDX-License-Identifier: Apache-2.0
#include "device/cuda/cuda_stream.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/try.hpp"
#include "device/cuda/cuda_graph.hpp"

namespace faceflow::internal {

result<std::unique_ptr<cuda_event>> cuda_event::create(int index) {
    const current_device scope(index);
    FACEFLOW_TRY(checked(scope.status(), "cudaSetDevice"));
    cudaEvent_t made = nullptr;
    if (auto created = checked(cudaEventCreateWithFlags(&made, cudaEventDisableTiming | cudaEventBlockingSync),
                               "cudaEventCreateWithFlags");
        !created) {
        return tl::unexpected(std::move(created.error()));
    }
    return std::unique_ptr<cuda_event>(new cuda_event(index, made));
}

cuda_event::~cuda_event() {
    const current_device scope(index_);
    if (cudaEventDestroy(event_) != cudaSuccess) forget_last_error();
}

bool cuda_event::done() const noexcept {
    const cudaError_t status = cudaEventQuery(event_);
    if (status != cudaSuccess) forget_last_error();
    // An event recorded during a capture is part of the graph and is never reached.
    return status != cudaErrorNotReady && status != cudaErrorCapturedEvent;
}

result<void> cuda_event::wait() {
    return checked(cudaEventSynchronize(event_), "cudaEventSynchronize");
}

result<std::unique_ptr<cuda_stream>> cuda_stream::create(device& owner, const cuda_semaphores& words,
                                                         std::string label) {
    const current_device scope(owner.index());
    FACEFLOW_TRY(checked(scope.status(), "cudaSetDevice"));
    cudaStream_t made = nullptr;
    if (auto created = checked(cudaStreamCreateWithFlags(&made, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
        !created) {
        return tl::unexpected(std::move(created.error()));
    }
    return std::unique_ptr<cuda_stream>(new cuda_stream(owner, words, std::move(label), made));
}

cuda_stream::~cuda_stream() {
    const current_device scope(owner_.index());
    spans_.close();
    // cudaStreamDestroy alone would return with the work still running.
    if (cudaStreamSynchronize(stream_) != cudaSuccess) forget_last_error();
    if (cudaStreamDestroy(stream_) != cudaSuccess) forget_last_error();
}

void cuda_stream::run(task) {
    keep(fail(errc::unsupported, fmt::format("stream '{}' of CUDA device {} runs kernels and copies, no host functions",
                                             label_, owner_.index())));
}

void cuda_stream::enqueue(task adds) {
    if (failed()) return;
    const current_device scope(owner_.index());
    keep(attempt(adds));
}

// Relaxed mode: libraries may allocate on streams of their own while they add their work.
result<std::unique_ptr<graph>> cuda_stream::capture(const task& adds) {
    if (failed()) return fail(errc::interrupted, "the stream " + label_ + " has failed: nothing can be captured");
    const current_device scope(owner_.index());
    const std::lock_guard lock(adding_);
    if (auto begun = checked(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeRelaxed), "cudaStreamBeginCapture");
        !begun) {
        return tl::unexpected(std::move(begun.error()));
    }
    captured_notes notes;
    capturing_ = true;
    notes_ = &notes;
    auto added = attempt(adds);
    capturing_ = false;
    notes_ = nullptr;
    spans_.drop();
    // Even after an error: until the capture ends, the stream accepts no other work.
    cudaGraph_t captured = nullptr;
    auto ended = checked(cudaStreamEndCapture(stream_, &captured), "cudaStreamEndCapture");
    auto work = std::make_unique<captured_work>(captured);
    auto kept = take_error();  // the error of work added through this stream, if any
    if (added) added = std::move(kept);
    if (!added) return tl::unexpected(std::move(added.error()));
    if (!ended) return tl::unexpected(std::move(ended.error()));
    return cuda_graph::create(owner_.index(), std::move(work), std::move(notes), stream_);
}

void cuda_stream::launch(graph& captured) {
    if (static_cast<const cuda_graph&>(captured).notes().transfers > 0)
        keep(fail(errc::internal, "a graph with transfers was launched as captured, so the ledger would miss them"));
    submit("cudaGraphLaunch", [&](cudaStream_t handle) {
        return cudaGraphLaunch(static_cast<const cuda_graph&>(captured).native(), handle);
    });
}

void cuda_stream::launch(graph& captured, const task& adds) {
    if (failed()) return;
    const auto& its = static_cast<const cuda_graph&>(captured);
    const current_device scope(owner_.index());
    relaunch now{its};
    relaunched_ = &now;
    auto added = attempt(adds);
    relaunched_ = nullptr;
    if (added && now.nodes != its.notes().changing.size())
        added = fail(errc::internal, fmt::format("a graph of {} changing pieces of work was launched with {}",
                                                 its.notes().changing.size(), now.nodes));
    if (!added) return keep(std::move(added));
    if (failed()) return;
    auto launched = checked(cudaGraphLaunch(its.native(), stream_), "cudaGraphLaunch");
    if (!launched) return keep(std::move(launched));
    for (std::size_t i = 0; i < std::min(now.told.size(), its.notes().spans.size()); ++i)
        spans_.expect(its.notes().spans[i], std::move(now.told[i]));
}

cudaError_t cuda_stream::note_node() {
    cudaStreamCaptureStatus status{};
    const cudaGraphNode_t* last = nullptr;
    std::size_t count = 0;
#if CUDART_VERSION >= 13000
    const cudaError_t asked = cudaStreamGetCaptureInfo(stream_, &status, nullptr, nullptr, &last, nullptr, &count);
#else
    const cudaError_t asked = cudaStreamGetCaptureInfo_v2(stream_, &status, nullptr, nullptr, &last, &count);
#endif
    if (asked != cudaSuccess) return asked;
    if (count != 1) return cudaErrorStreamCaptureInvalidated;
    notes_->changing.push_back(last[0]);
    return cudaSuccess;
}

cudaGraphNode_t cuda_stream::next_node() {
    const auto& changing = relaunched_->of.notes().changing;
    const std::size_t at = relaunched_->nodes++;
    return at < changing.size() ? changing[at] : nullptr;
}

void cuda_stream::add_kernel(const char* name, const kernel_call& call) {
    if (failed()) return;
    const current_device scope(owner_.index());
    const auto added = [&]() -> cudaError_t {
        if (relaunching()) {
            const cudaGraphNode_t node = next_node();
            if (node == nullptr) return cudaErrorInvalidValue;
            cudaKernelNodeParams changed{};
            changed.func = const_cast<void*>(call.kernel);
            changed.gridDim = call.blocks;
            changed.blockDim = call.threads;
            changed.kernelParams = call.arguments;
            return cudaGraphExecKernelNodeSetParams(relaunched_->of.native(), node, &changed);
        }
        cudaLaunchConfig_t how{};
        how.gridDim = call.blocks;
        how.blockDim = call.threads;
        how.stream = stream_;
        const cudaError_t launched = cudaLaunchKernelExC(&how, call.kernel, call.arguments);
        return launched == cudaSuccess && capturing_ ? note_node() : launched;
    };
    keep(checked(added(), name));
}

void cuda_stream::add_copy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) {
    if (failed()) return;
    const current_device scope(owner_.index());
    const auto added = [&]() -> cudaError_t {
        if (relaunching()) {
            const cudaGraphNode_t node = next_node();
            if (node == nullptr) return cudaErrorInvalidValue;
            return cudaGraphExecMemcpyNodeSetParams1D(relaunched_->of.native(), node, to, from, bytes, kind);
        }
        const cudaError_t copied = cudaMemcpyAsync(to, from, bytes, kind, stream_);
        if (copied != cudaSuccess || !capturing_) return copied;
        ++notes_->transfers;
        return note_node();
    };
    keep(checked(added(), "cudaMemcpyAsync"));
}

void cuda_stream::begin_span() {
    if (relaunching()) return;
    const current_device scope(owner_.index());
    if (capturing_) return spans_.begin_captured();
    spans_.report_finished();
    if (!failed()) spans_.begin();
}

void cuda_stream::end_span(span_callback told) {
    if (relaunching()) return relaunched_->told.push_back(std::move(told));
    const current_device scope(owner_.index());
    if (capturing_) {
        notes_->spans.push_back(spans_.end_captured());
    } else if (failed()) {
        spans_.drop();
    } else {
        spans_.end(std::move(told));
    }
}

// Even on a failed stream: work added before the error must still be waited for.
void cuda_stream::record(event& e) {
    const current_device scope(owner_.index());
    const std::lock_guard lock(adding_);
    keep(checked(cudaEventRecord(static_cast<cuda_event&>(e).native(), stream_), "cudaEventRecord"));
}

void cuda_stream::wait(const event& e) {
    const current_device scope(owner_.index());
    const std::lock_guard lock(adding_);
    keep(checked(cudaStreamWaitEvent(stream_, static_cast<const cuda_event&>(e).native(), 0), "cudaStreamWaitEvent"));
}

// If the device accepts no more work, the host raises the semaphore, so that no process waits for ever.
void cuda_stream::signal(semaphore& t, std::uint64_t value) {
    const current_device scope(owner_.index());
    const std::lock_guard lock(adding_);
    auto added = words_.store(stream_, t, value);
    if (!added) raise(t, value);
    keep(std::move(added));
}

void cuda_stream::wait(const semaphore& t, std::uint64_t value) {
    const current_device scope(owner_.index());
    const std::lock_guard lock(adding_);
    keep(words_.await(stream_, t, value));
}

result<void> cuda_stream::take_error() {
    {
        const current_device scope(owner_.index());
        spans_.report_finished();
    }
    const std::lock_guard lock(mutex_);
    return std::exchange(error_, result<void>{});
}

bool cuda_stream::failed() const {
    const std::lock_guard lock(mutex_);
    return !error_.has_value();
}

void cuda_stream::keep(result<void> outcome) {
    if (outcome) return;
    const std::lock_guard lock(mutex_);
    if (error_) error_ = std::move(outcome);
}

}  // namespace faceflow::internal
