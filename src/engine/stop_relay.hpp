// SPDX-License-Identifier: Apache-2.0
// Forwards a flag, the only thing that a signal handler can set, to all that wait for a run to stop.
#pragma once

#include <atomic>
#include <chrono>
#include <stop_token>
#include <thread>

#include "core/thread.hpp"
#include "core/try.hpp"

namespace faceflow::internal {

// Whatever has its token may be blocked, even while it opens. Outlives the run's parts.
class stop_relay {
public:
    // Errors of start_jthread. `flag` outlives this.
    [[nodiscard]] result<void> watch(const std::atomic<bool>& flag) {
        const auto forward = [&flag, halt = halt_](const std::stop_token& over) mutable {
            while (!over.stop_requested()) {
                if (flag.load(std::memory_order_relaxed)) halt.request_stop();
                std::this_thread::sleep_for(std::chrono::milliseconds(20));
            }
        };
        FACEFLOW_ASSIGN(watcher_, start_jthread("waiting for signals", forward, [](const error&) {}));
        return {};
    }

    // Stops the run for another reason. Thread-safe.
    void request_stop() noexcept { halt_.request_stop(); }
    [[nodiscard]] std::stop_token token() const noexcept { return halt_.get_token(); }

private:
    std::stop_source halt_;
    std::jthread watcher_;
};

}  // namespace faceflow::internal
