// SPDX-License-Identifier: Apache-2.0
#include "device/cpu/cpu_device.hpp"

#include <chrono>
#include <cstring>
#include <new>

#include "core/processors.hpp"
#include "core/try.hpp"
#include "core/worker_pool.hpp"
#include "device/cpu/host_pool.hpp"

namespace faceflow::internal {
namespace {

class mapped_import final : public memory_import {
public:
    explicit mapped_import(mapping view) : view_(std::move(view)) {}
    std::byte* data() const noexcept override { return view_.data(); }
    std::size_t bytes() const noexcept override { return view_.bytes(); }

private:
    const mapping view_;
};

// Work runs when it is added, so an event is always reached.
class cpu_event final : public event {
public:
    bool done() const noexcept override { return true; }
};

class cpu_stream final : public stream {
public:
    cpu_stream(device& owner, std::string label) : owner_(owner), label_(std::move(label)) {}
    device& owner() const noexcept override { return owner_; }
    const std::string& label() const noexcept override { return label_; }
    void run(task work) override {
        if (!failed()) error_ = attempt(work);
    }
    void record(event&) override {}
    void wait(const event&) override {}
    void signal(semaphore& t, std::uint64_t value) override { raise(t, value); }
    void wait(const semaphore& t, std::uint64_t value) override {
        [[maybe_unused]] const bool always = wait_until(t, value, std::chrono::steady_clock::time_point::max());
    }
    bool failed() const { return !error_.has_value(); }
    result<void> take_error() override { return std::exchange(error_, result<void>{}); }

private:
    device& owner_;
    const std::string label_;
    result<void> error_;
};

class cpu_device final : public device {
public:
    cpu_device(std::size_t memory_cap, std::int32_t threads) : pool_(memory_, memory_cap), helpers_(threads) {}
    device_kind kind() const noexcept override { return device_kind::cpu; }
    int index() const noexcept override { return 0; }
    const std::string& description() const noexcept override { return description_; }
    bool computes_on_host() const noexcept override { return true; }
    bool shares_host_memory() const noexcept override { return true; }
    std::byte* kernel_address(std::byte* device_address) const noexcept override { return device_address; }
    worker_pool* helpers() noexcept override { return &helpers_; }
    result<std::unique_ptr<stream>> make_stream(std::string label) override {
        return std::make_unique<cpu_stream>(*this, std::move(label));
    }
    result<std::unique_ptr<event>> make_event() override { return std::make_unique<cpu_event>(); }
    capped_resource& pool() noexcept override { return pool_; }
    result<host_block> allocate_host(std::size_t bytes, bool pinned) override {
        auto* memory = static_cast<std::byte*>(::operator new(bytes, host_pool::alignment, std::nothrow));
        if (memory == nullptr) return fail(errc::out_of_memory, "the machine is out of memory");
        return host_block{memory, bytes, pinned};
    }
    void release_host(const host_block& block) noexcept override {
        ::operator delete(block.data, host_pool::alignment);
    }
    result<memory_export> export_memory(std::byte* memory, std::size_t bytes) override {
        return memory_.export_memory(memory, bytes);
    }
    result<std::unique_ptr<memory_import>> import_memory(const memory_export& from, access wanted) override {
        FACEFLOW_TRY(require_kind(from, device_kind::cpu));
        FACEFLOW_ASSIGN(auto view,
                        map_sealed_memory(from.descriptor.get(), from.where.offset, from.where.bytes, wanted));
        return std::make_unique<mapped_import>(std::move(view));
    }
    result<void> register_semaphores(std::span<std::byte>) override { return {}; }
    void unregister_semaphores(std::span<std::byte>) noexcept override {}
    ledger& book() noexcept override { return book_; }

protected:
    void copy(stream& s, direction d, std::byte* device_memory, const host_block& host, std::size_t bytes) override {
        if (static_cast<cpu_stream&>(s).failed()) return;
        if (d == direction::host_to_device) {
            std::memcpy(device_memory, host.data, bytes);
        } else {
            std::memcpy(host.data, device_memory, bytes);
        }
    }
    result<void> wait_on_host(event&) override { return {}; }

private:
    const std::string description_ = "host memory, no transfers";
    host_pool memory_;
    capped_resource pool_;
    ledger book_;
    worker_pool helpers_;
};

}  // namespace

std::unique_ptr<device> make_cpu_device(std::size_t memory_cap, std::int32_t threads) {
    return std::make_unique<cpu_device>(memory_cap, threads > 0 ? threads : usable_processors());
}

}  // namespace faceflow::internal
