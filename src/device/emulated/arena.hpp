// SPDX-License-Identifier: Apache-2.0
// The memory of an emulated device: addresses that the host cannot touch, and the bytes behind them.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string_view>
#include <utility>

#include "device/emulated/fault_reporter.hpp"
#include "device/memory.hpp"

namespace faceflow::internal {

// Device addresses lie in a PROT_NONE range; their bytes lie in a memfd at the same offset, which a second mapping
// makes accessible to kernels and copy engines. The memfd is sparse, so only touched pages take memory, and its size is
// sealed, so another process can map it once and it never shrinks. Large freed blocks return their pages.
//
// Allocates best fit with coalescing. Thread-safe. errc::out_of_memory when no hole is large enough.
class emulated_arena final : public memory_resource {
public:
    // `bytes` is rounded up to whole pages. errc::out_of_memory when the address space cannot be reserved.
    [[nodiscard]] static result<std::unique_ptr<emulated_arena>> create(std::string_view device_name,
                                                                        std::size_t bytes);
    ~emulated_arena() override;

    [[nodiscard]] result<std::byte*> allocate(std::size_t bytes) override;
    void deallocate(std::byte* memory, std::size_t bytes) noexcept override;

    // The address through which kernels access a device address; nullptr for an address outside this arena.
    [[nodiscard]] std::byte* mapped(const std::byte* device_address) const noexcept;
    [[nodiscard]] bool contains(const std::byte* device_address, std::size_t bytes) const noexcept;

    [[nodiscard]] int descriptor() const noexcept { return descriptor_; }
    [[nodiscard]] std::byte* base() const noexcept { return base_; }
    [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }

private:
    emulated_arena(std::string_view device_name, int descriptor, std::byte* base, std::byte* view, std::size_t bytes);
    void insert_hole(std::size_t offset, std::size_t bytes);
    void give_pages_back(std::size_t offset, std::size_t bytes) const noexcept;

    const int descriptor_;
    std::byte* const base_;
    std::byte* const view_;
    const std::size_t bytes_;
    const fault_range faults_;
    std::mutex mutex_;
    std::map<std::size_t, std::size_t> holes_;               // offset -> bytes; never two adjacent
    std::set<std::pair<std::size_t, std::size_t>> by_size_;  // the same holes as (bytes, offset)
};

}  // namespace faceflow::internal
