// SPDX-License-Identifier: Apache-2.0
// A GPU emulated in host memory: a machine without a GPU gets every flow, count and race of a discrete one.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "device/device.hpp"
#include "device/emulated/arena.hpp"
#include "device/emulated/copy_engine.hpp"
#include "device/emulated/imported_memory.hpp"
#include "device/emulated/link.hpp"

namespace faceflow::internal {

// Its addresses are PROT_NONE to the host: accessing one without a transfer crashes (see install_fault_reporter). Tasks
// run on their stream's thread, all streams concurrently, and access memory through kernel_address. Copies of one
// direction run one after another and take the time that `link` would take, which the ledger is charged with. Pinned
// memory is ordinary memory, touched in advance. Thread-safe.
class emulated_device final : public device {
public:
    // errc::out_of_memory when the address space cannot be reserved.
    [[nodiscard]] static result<std::unique_ptr<emulated_device>> create(int index, std::size_t memory_cap,
                                                                         const link_model& link);

    [[nodiscard]] device_kind kind() const noexcept override { return device_kind::emulated; }
    [[nodiscard]] int index() const noexcept override { return index_; }
    [[nodiscard]] const std::string& description() const noexcept override { return description_; }
    [[nodiscard]] bool computes_on_host() const noexcept override { return true; }
    [[nodiscard]] bool shares_host_memory() const noexcept override { return false; }
    // nullptr for an address outside this device.
    [[nodiscard]] std::byte* kernel_address(std::byte* device_address) const noexcept override;

    // errc::unavailable when no thread can be started.
    [[nodiscard]] result<std::unique_ptr<stream>> make_stream(std::string label) override;
    [[nodiscard]] result<std::unique_ptr<event>> make_event() override;
    [[nodiscard]] capped_resource& pool() noexcept override { return pool_; }
    [[nodiscard]] result<host_block> allocate_host(std::size_t bytes, bool pinned) override;
    void release_host(const host_block& block) noexcept override;
    [[nodiscard]] ledger& book() noexcept override { return book_; }

    [[nodiscard]] const link_model& link() const noexcept { return link_; }

    // Exported offsets are relative to the arena. Each import maps its own pages at addresses of its own.
    [[nodiscard]] result<memory_export> export_memory(std::byte* memory, std::size_t bytes) override;
    [[nodiscard]] result<std::unique_ptr<memory_import>> import_memory(const memory_export& from,
                                                                       access wanted) override;
    [[nodiscard]] result<void> register_semaphores(std::span<std::byte>) override { return {}; }
    void unregister_semaphores(std::span<std::byte>) noexcept override {}

    // What the copy engines have copied, and how often a host thread was blocked, since the device was made.
    [[nodiscard]] transfer_totals crossed() const;
    [[nodiscard]] result<std::unique_ptr<transfer_counter>> make_transfer_counter() override;

protected:
    void copy(stream& s, direction d, std::byte* device_memory, const host_block& host, std::size_t bytes) override;
    [[nodiscard]] result<void> wait_on_host(event& e) override;

private:
    emulated_device(int index, std::size_t memory_cap, const link_model& link, std::unique_ptr<emulated_arena> arena);
    // The address through which the copy engine accesses own or imported device memory; nullptr unless all of it is one
    // or the other.
    [[nodiscard]] std::byte* reach(std::byte* device_memory, std::size_t bytes, bool to_write) const noexcept;
    void copy_up_from_pageable(stream& s, std::byte* to, const std::byte* from, std::size_t bytes);
    void copy_down_to_pageable(stream& s, std::byte* to, const std::byte* from, std::size_t bytes);

    const int index_;
    const link_model link_;
    const std::string description_;
    const std::unique_ptr<emulated_arena> arena_;
    capped_resource pool_;
    import_table imports_;
    copy_engine up_, down_;
    std::atomic<std::uint64_t> waits_{0};
    staging_buffers staging_;
    ledger book_;
};

}  // namespace faceflow::internal
