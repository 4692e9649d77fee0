// SPDX-License-Identifier: Apache-2.0
// The memory of the CPU as a device. For src/device/cpu alone.
#pragma once

#include <cstddef>
#include <map>
#include <mutex>
#include <new>
#include <string>

#include "device/memory.hpp"
#include "device/sharing.hpp"

namespace faceflow {

// Allocations from `shareable` bytes on lie in sealed memory of their own, which other processes can map; smaller ones, and
// large ones for which the process has no descriptor left, on the heap: who must share them exports them at once. Thread-safe.
class host_pool final : public memory_resource {
public:
    static constexpr std::size_t shareable = std::size_t{64} << 10;
    static constexpr std::align_val_t alignment{capped_resource::alignment};

    [[nodiscard]] result<std::byte*> allocate(std::size_t bytes) override;
    void deallocate(std::byte* memory, std::size_t bytes) noexcept override;

    // See device::export_memory.
    [[nodiscard]] result<memory_export> export_memory(std::byte* memory, std::size_t bytes);

private:
    struct shared_block {
        unique_fd descriptor;
        mapping view;
    };
    [[nodiscard]] std::byte* allocate_shared(std::size_t bytes);
    [[nodiscard]] bool deallocate_shared(std::byte* memory) noexcept;

    std::mutex mutex_;
    std::map<std::byte*, shared_block> shared_;
    std::string refusal_;  // why one is on the heap that should not be
};

}  // namespace faceflow
