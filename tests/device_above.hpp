// SPDX-License-Identifier: Apache-2.0
// What devices of tests have in common that change one thing of another device.
#pragma once

#include <memory>
#include <utility>

#include "device/device.hpp"

namespace faceflow::internal::test {

// Passes all on to the device beneath but what its streams do, and has a ledger of its own.
class device_above : public device {
public:
    device_kind kind() const noexcept override { return beneath_->kind(); }
    int index() const noexcept override { return beneath_->index(); }
    const std::string& description() const noexcept override { return beneath_->description(); }
    bool computes_on_host() const noexcept override { return beneath_->computes_on_host(); }
    bool shares_host_memory() const noexcept override { return beneath_->shares_host_memory(); }
    std::byte* kernel_address(std::byte* a) const noexcept override { return beneath_->kernel_address(a); }
    result<std::unique_ptr<event>> make_event() override { return beneath_->make_event(); }
    capped_resource& pool() noexcept override { return beneath_->pool(); }
    result<host_block> allocate_host(std::size_t bytes, bool pinned) override {
        return beneath_->allocate_host(bytes, pinned);
    }
    void release_host(const host_block& block) noexcept override { beneath_->release_host(block); }
    result<memory_export> export_memory(std::byte* memory, std::size_t bytes) override {
        return beneath_->export_memory(memory, bytes);
    }
    result<std::unique_ptr<memory_import>> import_memory(const memory_export& from, access wanted) override {
        return beneath_->import_memory(from, wanted);
    }
    result<void> register_semaphores(std::span<std::byte> pages) override {
        return beneath_->register_semaphores(pages);
    }
    void unregister_semaphores(std::span<std::byte> pages) noexcept override { beneath_->unregister_semaphores(pages); }
    ledger& book() noexcept override { return book_; }

protected:
    explicit device_above(std::unique_ptr<device> beneath) : beneath_(std::move(beneath)) {}

    std::unique_ptr<device> beneath_;

private:
    ledger book_;
};

}  // namespace faceflow::internal::test
