// SPDX-License-Identifier: Apache-2.0
// Semaphores on a CUDA device: host memory registered with the GPU, and the driver calls that store a value there and
// wait for one. Private to src/device/cuda.
#pragma once

#include <cuda.h>
#include <cuda_runtime_api.h>

#include <cstddef>
#include <shared_mutex>
#include <span>
#include <vector>

#include "core/semaphore.hpp"
#include "faceflow/result.hpp"

namespace faceflow::internal {

// The functions come from the driver that the runtime has loaded: nothing links libcuda. Thread-safe.
class cuda_semaphores {
public:
    explicit cuda_semaphores(int index);
    // Pages that another device of this process has registered are shared with it, not registered twice.
    [[nodiscard]] result<void> add(std::span<std::byte> pages);
    void remove(std::span<std::byte> pages) noexcept;
    ~cuda_semaphores();
    cuda_semaphores(const cuda_semaphores&) = delete;
    cuda_semaphores& operator=(const cuda_semaphores&) = delete;

    // Adds to `s` a store of `value`, after all earlier work and visible to the host, or a wait for at least `value`.
    // The device must be current. errc::invalid_argument for a semaphore outside the added pages, errc::unsupported
    // when the driver lacks the call.
    [[nodiscard]] result<void> store(cudaStream_t s, const semaphore& t, std::uint64_t value) const;
    [[nodiscard]] result<void> await(cudaStream_t s, const semaphore& t, std::uint64_t value) const;

private:
    struct range {
        std::byte* host;
        std::size_t bytes;
        std::byte* on_device;
        bool ours;
    };
    using stream_call = CUresult(CUDAAPI*)(CUstream, CUdeviceptr, cuuint64_t, unsigned int);
    struct operation {
        stream_call f;  // null if the driver lacks it
        const char* name;
        unsigned int flags;
    };
    [[nodiscard]] result<void> call(const operation& o, cudaStream_t s, const semaphore& t, std::uint64_t value) const;
    [[nodiscard]] CUdeviceptr address(const semaphore& t) const;  // 0: not registered

    const int index_;
    stream_call write_ = nullptr, wait_ = nullptr;
    mutable std::shared_mutex mutex_;
    std::vector<range> ranges_;
};

}  // namespace faceflow::internal
