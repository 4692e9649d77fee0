// SPDX-License-Identifier: Apache-2.0
// An NVIDIA GPU, through the CUDA runtime. Those who include this need no CUDA header.
#pragma once

#include <cstddef>
#include <memory>

#include "device/device.hpp"

namespace faceflow {

// Device `index` of those that CUDA_VISIBLE_DEVICES leaves, on its primary context. Its pool is one stream-ordered CUDA pool;
// pinned host memory is cudaHostAlloc's, good for every device. Transfers are cudaMemcpyAsync: from pageable memory CUDA
// stages them, and may first wait for the stream's earlier work. Kernels are no host functions, so streams run no tasks.
// Thread-safe; leaves a thread's current device as it was.
//
// Errors: errc::unavailable when the device does not answer (device_count in cuda_probe.hpp says why there is none), errc::unsupported
// when it has no memory pools, errc::out_of_memory for a cap above what the card has.
[[nodiscard]] result<std::unique_ptr<device>> make_cuda_device(int index, std::size_t memory_cap);

}  // namespace faceflow
