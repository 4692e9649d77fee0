// SPDX-License-Identifier: Apache-2.0
#include "device/cuda/cuda_graph.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <vector>

#include "core/try.hpp"
#include "device/cuda/cuda_error.hpp"

namespace faceflow::internal {
namespace {

bool on_device(const void* memory) {
    cudaPointerAttributes found{};
    if (cudaPointerGetAttributes(&found, memory) != cudaSuccess) {
        forget_last_error();
        return false;
    }
    return found.type == cudaMemoryTypeDevice;
}

result<void> check_copy(cudaGraphNode_t node) {
    cudaMemcpy3DParms copied{};
    FACEFLOW_TRY(checked(cudaGraphMemcpyNodeGetParams(node, &copied), "cudaGraphMemcpyNodeGetParams"));
    if (copied.kind == cudaMemcpyDeviceToDevice) return {};
    if (copied.kind == cudaMemcpyDefault && on_device(copied.srcPtr.ptr) && on_device(copied.dstPtr.ptr)) return {};
    return fail(errc::unsupported, "what was captured copies from or to host memory, and cannot be launched again");
}

result<void> check_nodes(cudaGraph_t of, const captured_notes& notes);

result<void> check_node(cudaGraphNode_t node, const captured_notes& notes) {
    cudaGraphNodeType type{};
    FACEFLOW_TRY(checked(cudaGraphNodeGetType(node, &type), "cudaGraphNodeGetType"));
    switch (type) {
        case cudaGraphNodeTypeKernel:
        case cudaGraphNodeTypeMemset:
        case cudaGraphNodeTypeEmpty:
        case cudaGraphNodeTypeEventRecord:
        case cudaGraphNodeTypeMemAlloc:
        case cudaGraphNodeTypeMemFree: return {};
        case cudaGraphNodeTypeMemcpy: {
            const bool noted = std::find(notes.changing.begin(), notes.changing.end(), node) != notes.changing.end();
            return noted ? result<void>{} : check_copy(node);
        }
        case cudaGraphNodeTypeGraph: {
            cudaGraph_t inner = nullptr;
            FACEFLOW_TRY(checked(cudaGraphChildGraphNodeGetGraph(node, &inner), "cudaGraphChildGraphNodeGetGraph"));
            return check_nodes(inner, notes);
        }
        case cudaGraphNodeTypeHost:
            return fail(errc::unsupported, "what was captured calls a host function, and cannot be launched again");
        default:
            return fail(errc::unsupported,
                        fmt::format("what was captured has a node of CUDA's type {} that is not known to be safe to "
                                    "launch again",
                                    static_cast<int>(type)));
    }
}

result<void> check_nodes(cudaGraph_t of, const captured_notes& notes) {
    std::size_t count = 0;
    FACEFLOW_TRY(checked(cudaGraphGetNodes(of, nullptr, &count), "cudaGraphGetNodes"));
    std::vector<cudaGraphNode_t> nodes(count);
    if (count == 0) return {};
    FACEFLOW_TRY(checked(cudaGraphGetNodes(of, nodes.data(), &count), "cudaGraphGetNodes"));
    for (const cudaGraphNode_t node : nodes) {
        FACEFLOW_TRY(check_node(node, notes));
    }
    return {};
}

}  // namespace

captured_work::~captured_work() {
    if (graph_ != nullptr && cudaGraphDestroy(graph_) != cudaSuccess) forget_last_error();
}

result<std::unique_ptr<graph>> cuda_graph::create(int index, std::unique_ptr<captured_work> work, captured_notes notes,
                                                  cudaStream_t s) {
    FACEFLOW_TRY(check_nodes(work->native(), notes));
    cudaGraphExec_t ready = nullptr;
    // Libraries may have captured allocations: those of one launch are freed before the next.
    if (auto made = checked(cudaGraphInstantiate(&ready, work->native(), cudaGraphInstantiateFlagAutoFreeOnLaunch),
                            "cudaGraphInstantiate");
        !made) {
        return tl::unexpected(std::move(made.error()));
    }
    auto g = std::unique_ptr<cuda_graph>(new cuda_graph(index, std::move(work), std::move(notes), ready));
    FACEFLOW_TRY(checked(cudaGraphUpload(ready, s), "cudaGraphUpload"));
    return g;
}

// CUDA frees a graph that is still running once it is done.
cuda_graph::~cuda_graph() {
    const current_device scope(index_);
    if (cudaGraphExecDestroy(ready_) != cudaSuccess) forget_last_error();
}

}  // namespace faceflow::internal
