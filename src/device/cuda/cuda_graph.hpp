// SPDX-License-Identifier: Apache-2.0
// What a CUDA stream has captured, made ready to be launched. For src/device/cuda alone.
#pragma once

#include <cuda_runtime_api.h>

#include <memory>
#include <vector>

#include "device/cuda/cuda_spans.hpp"
#include "device/device.hpp"

namespace faceflow {

// Owner of a cudaGraph_t; null when the capture failed.
class captured_work {
public:
    explicit captured_work(cudaGraph_t taken) noexcept : graph_(taken) {}
    ~captured_work();
    captured_work(const captured_work&) = delete;
    [[nodiscard]] cudaGraph_t native() const noexcept { return graph_; }

private:
    const cudaGraph_t graph_;
};

// What a capture keeps in mind of what was added: the nodes that may differ in each launch, in their order, and spans.
struct captured_notes {
    std::vector<cudaGraphNode_t> changing;  // kernels of the stages, and transfers
    std::size_t transfers = 0;              // of those
    std::vector<cuda_spans::pair> spans;    // events of the stream's cuda_spans
};

// A cudaGraphExec_t. The device is current in every call but the destructor.
class cuda_graph final : public graph {
public:
    // Looks at each node first: kernels, memory sets and copies within the device can be repeated as they stand, and transfers
    // that were noted. Host functions, and copies that nobody noted, read what may be gone by then, and would pass by the
    // ledger: errc::unsupported, saying which. Then instantiates the graph and brings it to the device, in the order of `on`.
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
    const std::unique_ptr<captured_work> work_;  // whose nodes name those of the other
    const captured_notes notes_;
    const cudaGraphExec_t ready_;
};

}  // namespace faceflow
