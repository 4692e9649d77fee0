// SPDX-License-Identifier: Apache-2.0
// The owner's end of one stage process: starts it, calls it, and starts it again when it has died.
#pragma once

#include <array>
#include <atomic>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "flow/multi_process/exported_slabs.hpp"
#include "flow/multi_process/stage_protocol.hpp"
#include "flow/multi_process/watchdog.hpp"
#include "ipc/channel.hpp"
#include "ipc/child_process.hpp"
#include "ipc/control_page.hpp"
#include "ipc/restart_budget.hpp"
#include "vision/records.hpp"

namespace faceflow::flow {

struct stage_setup {
    stage_hello hello;
    std::filesystem::path program;
    ipc::control_page* own = nullptr;  // the stage's control page, which outlives this
    std::vector<int> pages;            // descriptors of all that go with the greeting, in their order
    exported_slabs* slabs = nullptr;   // what it maps; null for stages that are sent their frames
    int restarts = 5;                  // within ten seconds; one more and the flow gives up
    std::chrono::nanoseconds patience = std::chrono::milliseconds(500);  // see watchdog
    std::function<void(const std::string&)> note;                        // a line for the user, from any thread
    // Starts a process from a thread that outlives it: with the thread that starts it, a process ends.
    using starter = std::function<result<ipc::child_process>()>;
    std::function<result<ipc::child_process>(const starter&)> spawn;
    // Told what the process counted and did since its last reply, with each reply, also one that is an error.
    std::function<void(const stage_counters&, std::span<const stage_slice>)> account =
        [](const stage_counters&, std::span<const stage_slice>) {};
};

struct stage_response {
    stage_reply reply;
    std::vector<stage_slice> slices;
    std::vector<std::byte> payload;
};

// Thread-safe; calls follow one another.
class stage_process {
public:
    explicit stage_process(stage_setup setup);
    ~stage_process();

    // Starts the process and waits until it is ready; before any call. One that dies meanwhile is started again. The error of
    // one that refuses is its own.
    [[nodiscard]] result<void> open();

    // errc::lost when the process died over it or lost its device (and the next call goes to a new one); errc::unavailable for
    // good once it has died too often; the stage's own error otherwise.
    [[nodiscard]] result<stage_response> call(const stage_call& call, std::span<const vision::detection> faces,
                                              std::span<const std::span<const std::byte>> payload);

    // Has the process tell what it has not told yet, once its work is done; what of it a dead one had is lost. Between calls.
    void collect_counters();

    // Called now and then from one thread: notices a death between calls, ends a process that hangs. `ready` tells whether a
    // call with that buffer and serial has all that it waits for: without it, waiting is no hanging.
    void check_health(const std::function<bool(std::uint32_t buffer, std::uint64_t serial)>& ready);

    // After the device has passed its work on the call: whether that was done.
    [[nodiscard]] bool completed(std::uint32_t buffer, std::uint64_t serial) const;
    [[nodiscard]] bool sent(std::uint32_t buffer, std::uint64_t serial) const;
    [[nodiscard]] semaphore& passed(std::uint32_t buffer) const {
        return (*setup_.own)[page_semaphores::passed(buffer)];
    }

    [[nodiscard]] std::uint64_t peak_bytes() const noexcept { return peak_bytes_.load(std::memory_order_relaxed); }
    // That the process holds for frames in work, as it last told; what a dead one held is free.
    [[nodiscard]] std::uint64_t leases() const noexcept { return leases_.load(std::memory_order_relaxed); }
    [[nodiscard]] std::uint64_t restarts() const noexcept { return restarts_.load(std::memory_order_relaxed); }
    [[nodiscard]] result<void> health() const;

private:
    [[nodiscard]] result<void> launch();
    [[nodiscard]] result<void> greet();
    [[nodiscard]] result<ipc::message> await_answer(const ipc::channel::payload_target& buffer);
    [[nodiscard]] result<void> restart();
    [[nodiscard]] result<void> share_slabs();
    [[nodiscard]] result<stage_response> exchange(const stage_call& call, std::span<const vision::detection> faces,
                                                  std::span<const std::span<const std::byte>> payload);
    [[nodiscard]] result<stage_response> receive_reply();
    void enter(const stage_response& answer);
    [[nodiscard]] tl::unexpected<error> lost(const error& why);
    // `said_why`: `how` is what the process itself said before it ended.
    void reap(const std::string& how, bool said_why = false);
    [[nodiscard]] bool hangs(const std::function<bool(std::uint32_t, std::uint64_t)>& ready);
    [[nodiscard]] std::string title() const;

    stage_setup setup_;
    std::mutex calls_;  // held over a call; the process is replaced under it
    std::optional<ipc::channel> channel_;
    exported_slabs::announced slabs_announced_;
    watchdog watchdog_;  // check_health's own
    ipc::restart_budget budget_;
    std::string last_end_;

    mutable std::mutex state_;  // of what check_health touches beside a call
    std::optional<ipc::child_process> child_;
    bool dead_ = true;
    std::string hung_;  // how, when it was ended for that
    result<void> health_;

    std::atomic<bool> in_call_{false}, starting_{false};
    std::array<std::atomic<std::uint64_t>, max_in_flight> sent_{};
    std::atomic<std::uint64_t> answered_{0}, peak_bytes_{0}, leases_{0}, restarts_{0};
};

}  // namespace faceflow::flow
