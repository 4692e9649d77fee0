// SPDX-License-Identifier: Apache-2.0
// A device that fails for good after some work, as a GPU's context does after an illegal access.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <utility>

#include "device_above.hpp"

namespace faceflow::internal::test {

// Passes everything on to the device beneath until its streams have begun `tasks` tasks and transfers. From then on every one of
// them, every transfer and every wait fails with errc::device_lost.
class losing_device final : public device_above {
public:
    static constexpr const char* message = "an illegal address; the device's context is lost";

    losing_device(std::unique_ptr<device> beneath, int tasks) : device_above(std::move(beneath)), left_(tasks) {}

    result<std::unique_ptr<stream>> make_stream(std::string label) override {
        auto made = beneath_->make_stream(std::move(label));
        if (!made) return tl::unexpected(std::move(made.error()));
        return std::make_unique<losing_stream>(*this, std::move(*made));
    }

protected:
    void copy(stream& on, direction d, std::byte* device_memory, const host_block& host, std::size_t bytes) override {
        stream& below = static_cast<losing_stream&>(on).beneath();
        if (use_up()) {
            static_cast<void>(transfer(below, d, device_memory, host, bytes, {}));
        } else {
            below.run([] { return failed(); });
        }
    }
    result<void> wait_on_host(event& e) override {
        auto waited = wait_until_done(*beneath_, e, {});
        return left_ > 0 ? waited : failed();
    }

private:
    class losing_stream final : public stream {
    public:
        losing_stream(losing_device& owner, std::unique_ptr<stream> beneath)
            : owner_(owner),
              beneath_(std::move(beneath)) {}
        device& owner() const noexcept override { return owner_; }
        const std::string& label() const noexcept override { return beneath_->label(); }
        void run(task work) override {
            beneath_->run([this, work = std::move(work)] { return owner_.use_up() ? work() : failed(); });
        }
        void record(event& e) override { beneath_->record(e); }
        void wait(const event& e) override { beneath_->wait(e); }
        void signal(semaphore& t, std::uint64_t value) override { beneath_->signal(t, value); }
        void wait(const semaphore& t, std::uint64_t value) override { beneath_->wait(t, value); }
        result<void> take_error() override { return beneath_->take_error(); }
        stream& beneath() const { return *beneath_; }

    private:
        losing_device& owner_;
        const std::unique_ptr<stream> beneath_;
    };

    static result<void> failed() { return fail(errc::device_lost, message); }
    // False once the device is lost.
    bool use_up() { return left_ > 0 && --left_ > 0; }

    std::atomic<int> left_;
};

}  // namespace faceflow::internal::test
