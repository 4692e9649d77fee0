// SPDX-License-Identifier: Apache-2.0
// The memory of a CUDA device: one stream-ordered pool that never grows past its cap. For src/device/cuda alone.
#pragma once

#include <cuda_runtime_api.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "device/memory.hpp"
#include "device/sharing.hpp"

namespace faceflow {

// What it has taken from the card it keeps until it goes, so that nothing on the way of a frame asks the driver for memory.
// Allocations are ordered on a stream of the pool's own, which is waited for: memory is then good on every stream. Nothing
// else runs on that stream, so no work of the device is waited for, but a call may cost milliseconds the first time: not
// for the per-frame path. Thread-safe.
class cuda_pool final : public memory_resource {
public:
    // `cap` bytes of device `index`, which is current; the card gives memory in steps of 2 MiB, so that much it may go over.
    // errc::unsupported for a device without memory pools, errc::out_of_memory for a cap that the card cannot hold.
    [[nodiscard]] static result<std::unique_ptr<cuda_pool>> create(int index, std::size_t cap);
    // What was allocated has been given back.
    ~cuda_pool() override;
    cuda_pool(const cuda_pool&) = delete;
    cuda_pool& operator=(const cuda_pool&) = delete;

    [[nodiscard]] result<std::byte*> allocate(std::size_t bytes) override;
    void deallocate(std::byte* memory, std::size_t bytes) noexcept override;

    // See device::export_memory. The descriptor is the pool's, and good for every allocation of it.
    [[nodiscard]] result<memory_export> export_memory(std::byte* memory, std::size_t bytes) const;

    // How often an allocation has waited for the pool's stream: host syncs that are no frame's, and in no ledger.
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

}  // namespace faceflow
