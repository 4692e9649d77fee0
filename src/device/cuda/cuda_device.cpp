// SPDX-License-Identifier: Apache-2.0
#include "device/cuda/cuda_device.hpp"

#include <fmt/format.h>

#include <array>
#include <new>
#include <string>
#include <utility>

#include "core/sealed_memory.hpp"
#include "core/try.hpp"
#include "device/cuda/cuda_error.hpp"
#include "device/cuda/cuda_import.hpp"
#include "device/cuda/cuda_pool.hpp"
#include "device/cuda/cuda_semaphores.hpp"
#include "device/cuda/cuda_stream.hpp"
#include "device/cuda/cupti_counter.hpp"

namespace faceflow::internal {
namespace {

struct facts {
    std::string description, architecture, bus_id;
    // The device reads pageable memory in place (CPU and GPU share a page table) instead of the driver staging it.
    bool reads_pageable = false;
};

result<facts> look_up(int index) {
    cudaDeviceProp properties{};
    FACEFLOW_TRY(checked(cudaGetDeviceProperties(&properties, index), "cudaGetDeviceProperties"));
    std::array<char, 32> bus_id{};
    if (cudaDeviceGetPCIBusId(bus_id.data(), static_cast<int>(bus_id.size()), index) != cudaSuccess) {
        forget_last_error();
        bus_id.fill('\0');
    }
    return facts{
        fmt::format("{}, CUDA device {}, compute capability {}.{}, {:.0f} GiB", properties.name, index,
                    properties.major, properties.minor, static_cast<double>(properties.totalGlobalMem) / 0x1p30),
        fmt::format("sm_{}{}", properties.major, properties.minor), bus_id.data(),
        properties.pageableMemoryAccessUsesHostPageTables != 0};
}

// The general advice for out-of-memory errors is about the card's memory.
error no_pinned_memory(error e, std::size_t bytes) {
    if (e.code == errc::out_of_memory) {
        e.message = fmt::format(
            "no {:.1f} MiB of page-locked host memory: free host memory, raise the container's limit, "
            "or use --pinned off",
            static_cast<double>(bytes) / 0x1p20);
    }
    return e;
}

class cuda_device final : public device {
public:
    cuda_device(int index, facts f, std::unique_ptr<cuda_pool> memory, std::size_t memory_cap)
        : index_(index),
          facts_(std::move(f)),
          memory_(std::move(memory)),
          pool_(*memory_, memory_cap),
          words_(index) {}

    device_kind kind() const noexcept override { return device_kind::cuda; }
    int index() const noexcept override { return index_; }
    const std::string& description() const noexcept override { return facts_.description; }
    std::string architecture() const override { return facts_.architecture; }
    std::string bus_id() const override { return facts_.bus_id; }
    bool computes_on_host() const noexcept override { return false; }
    bool shares_host_memory() const noexcept override { return false; }
    bool imports_read_only() const noexcept override { return false; }
    std::byte* kernel_address(std::byte*) const noexcept override { return nullptr; }

    result<std::unique_ptr<stream>> make_stream(std::string label) override {
        return cuda_stream::create(*this, words_, std::move(label));
    }
    result<std::unique_ptr<event>> make_event() override { return cuda_event::create(index_); }
    capped_resource& pool() noexcept override { return pool_; }
    result<host_block> allocate_host(std::size_t bytes, bool pinned) override;
    void release_host(const host_block& block) noexcept override;
    ledger& book() noexcept override { return book_; }

    result<memory_export> export_memory(std::byte* memory, std::size_t bytes) override {
        return memory_->export_memory(memory, bytes);
    }
    result<std::unique_ptr<memory_import>> import_memory(const memory_export& from, access) override {
        FACEFLOW_TRY(require_kind(from, device_kind::cuda));
        return import_cuda_memory(index_, from);
    }
    result<void> register_semaphores(std::span<std::byte> pages) override { return words_.add(pages); }
    void unregister_semaphores(std::span<std::byte> pages) noexcept override { words_.remove(pages); }
    result<std::unique_ptr<transfer_counter>> make_transfer_counter() override {
        return make_cupti_counter(index_, *memory_);
    }

protected:
    void copy(stream& s, direction d, std::byte* device_memory, const host_block& host, std::size_t bytes) override;
    result<void> wait_on_host(event& e) override { return static_cast<cuda_event&>(e).wait(); }

private:
    const int index_;
    const facts facts_;
    const std::unique_ptr<cuda_pool> memory_;
    capped_resource pool_;
    cuda_semaphores words_;
    ledger book_;
};

result<host_block> cuda_device::allocate_host(std::size_t bytes, bool pinned) {
    void* memory = nullptr;
    if (pinned) {
        const current_device scope(index_);
        if (auto made = checked(cudaHostAlloc(&memory, bytes, cudaHostAllocPortable), "cudaHostAlloc"); !made)
            return tl::unexpected(no_pinned_memory(std::move(made.error()), bytes));
    } else {
        memory = ::operator new(bytes, page_alignment, std::nothrow);
        if (memory == nullptr) return fail(errc::out_of_memory, "the machine is out of memory");
    }
    return host_block{static_cast<std::byte*>(memory), bytes, pinned};
}

void cuda_device::release_host(const host_block& block) noexcept {
    if (!block.pinned) {
        ::operator delete(block.data, page_alignment);
        return;
    }
    const current_device scope(index_);
    if (cudaFreeHost(block.data) != cudaSuccess) forget_last_error();
}

void cuda_device::copy(stream& s, direction d, std::byte* device_memory, const host_block& host, std::size_t bytes) {
    auto& to = static_cast<cuda_stream&>(s);
    const bool up = d == direction::host_to_device;
    if (up) {
        to.add_copy(device_memory, host.data, bytes, cudaMemcpyHostToDevice);
    } else {
        to.add_copy(host.data, device_memory, bytes, cudaMemcpyDeviceToHost);
    }
    // CUDA says only that copies of pageable memory may be synchronous; transfer() guarantees it.
    if (!host.pinned && (!up || facts_.reads_pageable))
        to.submit("cudaStreamSynchronize", [](cudaStream_t handle) { return cudaStreamSynchronize(handle); });
}

}  // namespace

result<std::unique_ptr<device>> make_cuda_device(int index, std::size_t memory_cap) {
    FACEFLOW_ASSIGN(auto known, look_up(index));
    const current_device scope(index);
    FACEFLOW_TRY(checked(scope.status(), "cudaSetDevice"));
    FACEFLOW_ASSIGN(auto memory, cuda_pool::create(index, memory_cap));
    return std::make_unique<cuda_device>(index, std::move(known), std::move(memory), memory_cap);
}

}  // namespace faceflow::internal
