// SPDX-License-Identifier: Apache-2.0
// The memory of the CPU device. Private to src/device/cpu.
#pragma once

#include <cstddef>
#include <map>
#include <mutex>
#include <new>
#include <string>

#include "device/memory.hpp"
#include "device/sharing.hpp"

namespace faceflow::internal {

// Allocations of `shareable` bytes and more lie each in their own sealed memory, which other processes can map. Smaller
// ones, and large ones if the process has no descriptor left, lie on the heap: a caller that needs to share memory
// exports it right after allocating it, to find out. Thread-safe.
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
    std::string refusal_;  // why the last large allocation went to the heap
};

}  // namespace faceflow::internal
