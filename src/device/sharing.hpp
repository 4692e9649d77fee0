// SPDX-License-Identifier: Apache-2.0
// Sharing device memory between processes: what a process sends so that another can access an allocation in place.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "core/sealed_memory.hpp"
#include "core/unique_fd.hpp"

namespace faceflow::internal {

enum class device_kind : std::uint8_t {
    cpu,       // host memory is device memory
    emulated,  // a GPU made of host memory, unreadable to the host
    cuda,
};

// Plain data, sent as is in a message.
struct memory_location {
    device_kind kind = device_kind::cpu;
    std::uint64_t offset = 0;          // within the memory behind the descriptor; 0 on cuda
    std::uint64_t bytes = 0;           // > 0
    std::array<std::byte, 64> name{};  // on cuda: identifies the allocation within the pool (cudaMemPoolPtrExportData)
};

// The descriptor is sent beside `where` (SCM_RIGHTS). The export stays valid while any process holds the descriptor.
struct memory_export {
    memory_location where;
    unique_fd descriptor;
};

// Owns a mapping of another process's memory. Made by a device, which outlives it; no work on any stream may still use
// it when it is destroyed. On cpu and emulated the memory lasts while it is imported, even if its owner dies; on cuda
// the importers must destroy their imports before the owner deallocates.
class memory_import {
public:
    memory_import() = default;
    virtual ~memory_import() = default;
    memory_import(const memory_import&) = delete;
    memory_import& operator=(const memory_import&) = delete;

    // An address of the importing device.
    [[nodiscard]] virtual std::byte* data() const noexcept = 0;
    [[nodiscard]] virtual std::size_t bytes() const noexcept = 0;
};

}  // namespace faceflow::internal
