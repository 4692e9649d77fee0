// A device that can be held up, as one that is slow or busy with another program's work.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "device/device.hpp"

namespace faceflow::test {

// Passes everything on to the device beneath. Between hold() and let_go() no task and no transfer of its streams goes on.
class held_device final : public device {
public:
    explicit held_device(std::unique_ptr<device> beneath) : beneath_(std::move(beneath)) {}
    ~held_device() override { let_go(); }

    void hold() {
        const std::lock_guard lock(gate_->mutex);
        gate_->closed = true;
    }
    void let_go() {
        {
            const std::lock_guard lock(gate_->mutex);
            gate_->closed = false;
        }
        gate_->opened.notify_all();
    }

    device_kind kind() const noexcept override { return beneath_->kind(); }
    int index() const noexcept override { return beneath_->index(); }
    const std::string& description() const noexcept override { return beneath_->description(); }
    bool computes_on_host() const noexcept override { return beneath_->computes_on_host(); }
    bool shares_host_memory() const noexcept override { return beneath_->shares_host_memory(); }
    std::byte* kernel_address(std::byte* a) const noexcept override { return beneath_->kernel_address(a); }
    result<std::unique_ptr<stream>> make_stream(std::string label) override {
        auto made = beneath_->make_stream(std::move(label));
        if (!made) return tl::unexpected(std::move(made.error()));
        return std::make_unique<held_stream>(*this, std::move(*made));
    }
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
    result<void> register_words(std::span<std::byte> pages) override { return beneath_->register_words(pages); }
    void unregister_words(std::span<std::byte> pages) noexcept override { beneath_->unregister_words(pages); }
    ledger& book() noexcept override { return book_; }

protected:
    void copy(stream& on, direction d, std::byte* device_memory, const host_block& host, std::size_t bytes) override {
        stream& below = static_cast<held_stream&>(on).beneath();
        below.run([gate = gate_] { return gate->pass(); });
        static_cast<void>(transfer(below, d, device_memory, host, bytes, {}));
    }
    result<void> wait_on_host(event& e) override { return wait_until_done(*beneath_, e, {}); }

private:
    struct gate {
        std::mutex mutex;
        std::condition_variable opened;
        bool closed = false;
        result<void> pass() {
            std::unique_lock lock(mutex);
            opened.wait(lock, [&] { return !closed; });
            return {};
        }
    };
    class held_stream final : public stream {
    public:
        held_stream(held_device& owner, std::unique_ptr<stream> beneath)
            : owner_(owner),
              beneath_(std::move(beneath)) {}
        device& owner() const noexcept override { return owner_; }
        const std::string& label() const noexcept override { return beneath_->label(); }
        void run(task work) override {
            beneath_->run([gate = owner_.gate_, work = std::move(work)] {
                static_cast<void>(gate->pass());
                return work();
            });
        }
        void record(event& e) override { beneath_->record(e); }
        void wait(const event& e) override { beneath_->wait(e); }
        void signal(timeline& t, std::uint64_t value) override { beneath_->signal(t, value); }
        void wait(const timeline& t, std::uint64_t value) override { beneath_->wait(t, value); }
        result<void> take_error() override { return beneath_->take_error(); }
        stream& beneath() const { return *beneath_; }

    private:
        held_device& owner_;
        const std::unique_ptr<stream> beneath_;
    };

    const std::unique_ptr<device> beneath_;
    const std::shared_ptr<gate> gate_ = std::make_shared<gate>();
    ledger book_;
};

}  // namespace faceflow::test
