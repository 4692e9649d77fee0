// SPDX-License-Identifier: Apache-2.0
// A device that can be held up, as one that is slow or busy with another program's work.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "device_above.hpp"

namespace faceflow::internal::test {

// Passes everything on to the device beneath. Between hold() and let_go() no task and no transfer of its streams goes on.
class held_device final : public device_above {
public:
    explicit held_device(std::unique_ptr<device> beneath) : device_above(std::move(beneath)) {}
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

    result<std::unique_ptr<stream>> make_stream(std::string label) override {
        auto made = beneath_->make_stream(std::move(label));
        if (!made) return tl::unexpected(std::move(made.error()));
        return std::make_unique<held_stream>(*this, std::move(*made));
    }

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
        void signal(semaphore& t, std::uint64_t value) override { beneath_->signal(t, value); }
        void wait(const semaphore& t, std::uint64_t value) override { beneath_->wait(t, value); }
        result<void> take_error() override { return beneath_->take_error(); }
        stream& beneath() const { return *beneath_; }

    private:
        held_device& owner_;
        const std::unique_ptr<stream> beneath_;
    };

    const std::shared_ptr<gate> gate_ = std::make_shared<gate>();
};

}  // namespace faceflow::internal::test
