// SPDX-License-Identifier: Apache-2.0
// Captured work of a CUDA stream, ready to be launched. Private to src/device/cuda.
#pragma once

#include <cuda_runtime_api.h>

#include <memory>
#include <vector>

#include "device/cuda/cuda_spans.hpp"
#include "device/device.hpp"

namespace faceflow::internal {

// Owns a cudaGraph_t; null when the capture failed.
class captured_work {
public:
    explicit captured_work(cudaGraph_t taken) noexcept : graph_(taken) {}
    ~captured_work();
    captured_work(const captured_work&) = delete;
    [[nodiscard]] cudaGraph_t native() const noexcept { return graph_; }

private:
    const cudaGraph_t graph_;
};

// What a capture records about the added work: the nodes whose arguments may change with each launch, in order, and
// spans.
struct captured_notes {
    std::vector<cudaGraphNode_t> changing;  // kernels of the stages, and transfers
    std::size_t transfers = 0;              // among them
    std::vector<cuda_spans::pair> spans;    // their events belong to the stream's cuda_spans
};

// A cudaGraphExec_t. The device must be current in every call but the destructor.
class cuda_graph final : public graph {
public:
    // Checks each node first: kernels, memsets, copies within the device and noted transfers can be repeated. Host
    // functions and copies that were not noted may access memory that is gone by then, and would bypass the ledger:
    // errc::unsupported, naming the node. Then instantiates the graph and uploads it to the device, in order on `s`.
    [[nodiscard]] static result<std::unique_ptr<graph>> create(int index, std::unique_ptr<captured_work> work,
                                                               captured_notes notes, cudaStream_t s);
    ~cuda_graph() override;
    [[nodiscard]] cudaGraphExec_t native() const noexcept { return ready_; }
    [[nodiscard]] const captured_notes& notes() const noexcept { return notes_; }

private:
    cuda_graph(int index, std::unique_ptr<captured_work> work, captured_notes notes, cudaGraphExec_t ready)
        : index_(index),
          work_(std::move(work)),
          notes_(std::move(notes)),
          ready_(ready) {}
    const int index_;
    const std::unique_ptr<captured_work> work_;  // kept because its nodes identify those of ready_
    const captured_notes notes_;
    const cudaGraphExec_t ready_;
};

}  // namespace faceflow::internal
