// SPDX-License-Identifier: Apache-2.0
// Streams and events of an emulated device: a queue with a thread, and marks that the thread reaches.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "device/device.hpp"

namespace faceflow::internal {

// One recording of an event. Shared by the event, the stream that will reach it and all that wait for it, so that
// re-recording the event does not affect them. Thread-safe.
class stream_mark {
public:
    void reach();
    void wait();
    [[nodiscard]] bool reached() const noexcept { return reached_.load(std::memory_order_acquire); }

private:
    std::atomic<bool> reached_{false};
    std::mutex mutex_;
    std::condition_variable changed_;
};

class emulated_event final : public event {
public:
    [[nodiscard]] bool done() const noexcept override;
    // The latest recording; null before the first.
    [[nodiscard]] std::shared_ptr<stream_mark> latest() const;
    void renew(std::shared_ptr<stream_mark> mark);

private:
    mutable std::mutex mutex_;
    std::shared_ptr<stream_mark> latest_;
};

// FIFO, on a thread of its own; any thread may add work. The queue is unbounded: slots and staging blocks limit
// producers. The destructor finishes all queued work.
class emulated_stream final : public stream {
public:
    // Errors of start_thread.
    [[nodiscard]] static result<std::unique_ptr<stream>> create(device& owner, std::string label);
    ~emulated_stream() override;

    [[nodiscard]] device& owner() const noexcept override { return owner_; }
    [[nodiscard]] const std::string& label() const noexcept override { return label_; }
    void run(task work) override;
    [[nodiscard]] result<std::unique_ptr<graph>> capture(const task& adds) override;
    void launch(graph& captured) override;
    void launch(graph& captured, const task& adds) override;
    [[nodiscard]] bool capturing() const noexcept override { return captured_ != nullptr; }
    void record(event& e) override;
    void wait(const event& e) override;
    void signal(semaphore& t, std::uint64_t value) override;
    void wait(const semaphore& t, std::uint64_t value) override;
    [[nodiscard]] result<void> take_error() override;

    // The capture in progress contains a transfer, so only launch(graph, adds) may launch the graph.
    void captures_transfer() noexcept { captured_transfer_ = true; }
    // Adds a mark to wait for without an event.
    [[nodiscard]] std::shared_ptr<stream_mark> add_mark();

private:
    struct work_item {
        task work;
        std::optional<tag> noted;  // by the thread that added it
    };
    struct reach_item {
        std::shared_ptr<stream_mark> mark;
    };
    struct wait_item {
        std::shared_ptr<stream_mark> mark;
    };
    struct signal_item {
        semaphore& word;
        std::uint64_t value;
    };
    struct semaphore_item {
        const semaphore& word;
        std::uint64_t value;
    };
    using item = std::variant<work_item, reach_item, wait_item, signal_item, semaphore_item>;

    emulated_stream(device& owner, std::string label) : owner_(owner), label_(std::move(label)) {}
    void add(item i);
    void work_through();
    void perform(item& i);
    void perform(const work_item& i);
    [[nodiscard]] bool failed();

    device& owner_;
    const std::string label_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<item> items_;
    bool closing_ = false;
    result<void> error_;
    bool captured_transfer_ = false;
    std::vector<task>* captured_ = nullptr;  // of the capture in progress; only for the thread that adds tasks
    std::thread thread_;
};

}  // namespace faceflow::internal
