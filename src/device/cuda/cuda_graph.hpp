// What a CUDA stream has captured, made ready to be launched. For src/device/cuda alone.
#pragma once

#include <cuda_runtime_api.h>

#include <memory>

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

// A cudaGraphExec_t. The device is current in every call but the destructor.
class cuda_graph final : public graph {
public:
    // Looks at each node first: kernels, memory sets and copies within the device can be repeated as they stand. Host functions,
    // and copies from or to host memory, read what may be gone by then, and would pass by the ledger: errc::unsupported,
    // saying which. Then instantiates the graph and brings it to the device, in the order of `on`.
    [[nodiscard]] static result<std::unique_ptr<graph>> create(int index, const captured_work& work, cudaStream_t on);
    ~cuda_graph() override;
    [[nodiscard]] cudaGraphExec_t native() const noexcept { return ready_; }

private:
    cuda_graph(int index, cudaGraphExec_t ready) : index_(index), ready_(ready) {}
    const int index_;
    const cudaGraphExec_t ready_;
};

}  // namespace faceflow
