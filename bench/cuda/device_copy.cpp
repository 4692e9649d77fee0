// SPDX-License-Identifier: Apache-2.0
#include "cuda/device_copy.hpp"

#include "device/cuda/cuda_stream.hpp"

namespace faceflow::internal::bench {

void copy_within_cuda(stream& on, std::byte* to, const std::byte* from, std::size_t bytes) {
    static_cast<cuda_stream&>(on).submit("cudaMemcpyAsync", [&](cudaStream_t handle) {
        return cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, handle);
    });
}

}  // namespace faceflow::internal::bench
