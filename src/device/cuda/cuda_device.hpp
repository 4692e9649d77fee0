// An NVIDIA GPU, through the CUDA runtime. Those who include this need no CUDA header.
#pragma once

#include <array>
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

// What another process needs to use a CUDA device's memory in place. `on` is a device of make_cuda_device.

// A POSIX file descriptor of the pool, for cudaMemPoolImportFromShareableHandle; the caller closes it. errc::unsupported
// where the device does not export memory.
[[nodiscard]] result<int> export_pool(device& on);
// Names one allocation of the pool (a slab's memory, from its start), for cudaMemPoolImportPointer; plain bytes, made to be
// sent. The other process frees its pointer before this one deallocates.
using allocation_name = std::array<std::byte, 64>;
[[nodiscard]] result<allocation_name> export_allocation(device& on, std::byte* memory);

}  // namespace faceflow
