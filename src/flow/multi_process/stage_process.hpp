// SPDX-License-Identifier: Apache-2.0
// The owner's side of one stage process: starts it, calls it, and restarts it when it has died.
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

namespace faceflow::internal::flow {

struct stage_setup {
    stage_hello hello;
    std::filesystem::path program;
    ipc::control_page* own = nullptr;  // the stage's control page, which outlives this
    std::vector<int> pages;            // descriptors of all pages sent with the greeting, in order
    exported_slabs* slabs = nullptr;   // the slabs that it maps; null for stages that receive frames in messages
    int restarts = 5;                  // limit within ten seconds; at one more the flow fails
    std::chrono::nanoseconds patience = std::chrono::milliseconds(500);  // see watchdog
    // takes a line for the user; called on any thread
    std::function<void(const std::string&)> note;
    // Starts a process on a thread that outlives it: a process is killed when the thread that started it ends.
    using starter = std::function<result<ipc::child_process>()>;
    std::function<result<ipc::child_process>(const starter&)> spawn;
    // Receives what the process counted and did since its last reply; called with each reply, errors included.
    std::function<void(const stage_counters&, std::span<const stage_slice>)> account =
        [](const stage_counters&, std::span<const stage_slice>) {};
};

struct stage_response {
    stage_reply reply;
    std::vector<stage_slice> slices;
    std::vector<std::byte> payload;
};

// Thread-safe; concurrent calls are serialised.
class stage_process {
public:
    explicit stage_process(stage_setup setup);
    ~stage_process();

    // Starts the process and waits until it is ready; call it first. A process that dies meanwhile is restarted. If the
    // process refuses to start, returns its error.
    [[nodiscard]] result<void> open();

    // errc::lost when the process died or lost its device during the call (the next call goes to a new process);
    // errc::unavailable, permanently, once it has died too often; otherwise the stage's own error.
    [[nodiscard]] result<stage_response> call(const stage_call& call, std::span<const vision::detection> faces,
                                              std::span<const std::span<const std::byte>> payload);

    // Collects counters that the process has not yet reported, once its work is done; those of a dead process are lost.
    // Call it between calls.
    void collect_counters();

    // Called periodically on one thread: notices a death between calls and kills a process that hangs. `ready` returns
    // whether the call with that buffer and serial has all of its inputs; if not, the process is waiting, not hung.
    void check_health(const std::function<bool(std::uint32_t buffer, std::uint64_t serial)>& ready);

    // Whether the work of the call was done; ask once passed() has reached its serial.
    [[nodiscard]] bool completed(std::uint32_t buffer, std::uint64_t serial) const;
    [[nodiscard]] bool sent(std::uint32_t buffer, std::uint64_t serial) const;
    [[nodiscard]] semaphore& passed(std::uint32_t buffer) const {
        return (*setup_.own)[page_semaphores::passed(buffer)];
    }

    [[nodiscard]] std::uint64_t peak_bytes() const noexcept { return peak_bytes_.load(std::memory_order_relaxed); }
    // Leases that the process holds for frames in work, as last reported; those of a dead process are released.
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
    // `said_why`: `how` is what the process itself reported before it ended.
    void reap(const std::string& how, bool said_why = false);
    [[nodiscard]] bool hangs(const std::function<bool(std::uint32_t, std::uint64_t)>& ready);
    [[nodiscard]] std::string title() const;

    stage_setup setup_;
    std::mutex calls_;  // held during a call; also guards replacing the process
    std::optional<ipc::channel> channel_;
    exported_slabs::announced slabs_announced_;
    watchdog watchdog_;  // used only by check_health
    ipc::restart_budget budget_;
    std::string last_end_;

    mutable std::mutex state_;  // guards what check_health uses concurrently with a call
    std::optional<ipc::child_process> child_;
    bool dead_ = true;
    std::string hung_;  // the reason, if it was killed for hanging
    result<void> health_;

    std::atomic<bool> in_call_{false}, starting_{false};
    std::array<std::atomic<std::uint64_t>, max_in_flight> sent_{};
    std::atomic<std::uint64_t> answered_{0}, peak_bytes_{0}, leases_{0}, restarts_{0};
};

}  // namespace faceflow::internal::flow
