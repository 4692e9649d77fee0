// SPDX-License-Identifier: Apache-2.0
// The memory of a CUDA device: one stream-ordered pool that never grows past its cap. Private to src/device/cuda.
#pragma once

#include <cuda_runtime_api.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "device/memory.hpp"
#include "device/sharing.hpp"

namespace faceflow::internal {

// The pool keeps the memory it takes from the card until it is destroyed, so that no frame waits for the driver to
// allocate. Allocations are ordered on the pool's own stream and waited for: the memory is then valid on every stream.
// Nothing else runs on that stream, so no other work is waited for, but a call may take milliseconds the first time:
// too slow for the per-frame path. Thread-safe.
class cuda_pool final : public memory_resource {
public:
    // `cap` bytes of device `index`, which must be current. The card gives memory in steps of 2 MiB, so the cap may be
    // exceeded by less than one step. errc::unsupported for a device without memory pools, errc::out_of_memory for a
    // cap above the card's memory.
    [[nodiscard]] static result<std::unique_ptr<cuda_pool>> create(int index, std::size_t cap);
    // All allocations must have been returned.
    ~cuda_pool() override;
    cuda_pool(const cuda_pool&) = delete;
    cuda_pool& operator=(const cuda_pool&) = delete;

    [[nodiscard]] result<std::byte*> allocate(std::size_t bytes) override;
    void deallocate(std::byte* memory, std::size_t bytes) noexcept override;

    // See device::export_memory. The descriptor is the pool's and serves all of its allocations.
    [[nodiscard]] result<memory_export> export_memory(std::byte* memory, std::size_t bytes) const;

    // How often an allocation waited for the pool's stream. These host syncs belong to no frame, and no ledger counts
    // them.
    [[nodiscard]] std::uint64_t waits() const noexcept { return waits_.load(std::memory_order_relaxed); }

private:
    cuda_pool(int index, bool exportable) : index_(index), exportable_(exportable) {}
    [[nodiscard]] result<void> open(std::size_t cap);
    [[nodiscard]] tl::unexpected<error> no_room(std::size_t bytes) const;

    const int index_;
    const bool exportable_;
    std::size_t size_ = 0;
    cudaMemPool_t pool_ = nullptr;
    cudaStream_t stream_ = nullptr;
    std::atomic<std::uint64_t> waits_{0};
};

}  // namespace faceflow::internal
