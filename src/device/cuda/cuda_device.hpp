// SPDX-License-Identifier: Apache-2.0
// An NVIDIA GPU through the CUDA runtime. Including this needs no CUDA header.
#pragma once

#include <cstddef>
#include <memory>

#include "device/device.hpp"

namespace faceflow::internal {

// Device `index` among those that CUDA_VISIBLE_DEVICES leaves, on its primary context. Its pool is one stream-ordered
// CUDA pool; pinned host memory is cudaHostAlloc's and valid for every device. Transfers are cudaMemcpyAsync: CUDA
// stages pageable memory, and may first wait for earlier work of the stream. Kernels are not host functions, so streams
// run no tasks. Thread-safe; preserves the thread's current device.
//
// Errors: errc::unavailable when the device does not answer (device_count in cuda_probe.hpp says why there is none),
// errc::unsupported when it has no memory pools, errc::out_of_memory for a cap above the card's memory.
[[nodiscard]] result<std::unique_ptr<device>> make_cuda_device(int index, std::size_t memory_cap);

}  // namespace faceflow::internal
