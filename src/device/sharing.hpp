// SPDX-License-Identifier: Apache-2.0
// Device memory in several processes at once: what one sends for another to reach an allocation in place.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "core/sealed_memory.hpp"
#include "core/unique_fd.hpp"

namespace faceflow {

enum class device_kind : std::uint8_t {
    cpu,       // host memory is device memory
    emulated,  // a GPU made of host memory, unreadable to the host
    cuda,
};

// Plain bytes, made to be sent in a message.
struct memory_location {
    device_kind kind = device_kind::cpu;
    std::uint64_t offset = 0;          // in the memory behind the descriptor; 0 on cuda
    std::uint64_t bytes = 0;           // > 0
    std::array<std::byte, 64> name{};  // on cuda: of the allocation within the pool (cudaMemPoolPtrExportData)
};

// The descriptor travels beside it (SCM_RIGHTS), and is good for as long as somebody holds it.
struct memory_export {
    memory_location where;
    unique_fd descriptor;
};

// Owner of another process's memory in this one. Made and outlived by a device; no work on any stream still uses it when it
// goes. The memory itself stays while it is imported, on cpu and emulated even when its owner dies; on cuda the importers let
// go before the owner deallocates.
class memory_import {
public:
    memory_import() = default;
    virtual ~memory_import() = default;
    memory_import(const memory_import&) = delete;
    memory_import& operator=(const memory_import&) = delete;

    // A device address of the importing device.
    [[nodiscard]] virtual std::byte* data() const noexcept = 0;
    [[nodiscard]] virtual std::size_t bytes() const noexcept = 0;
};

}  // namespace faceflow
