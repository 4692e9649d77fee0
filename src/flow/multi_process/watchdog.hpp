// SPDX-License-Identifier: Apache-2.0
// Distinguishes a stage process that hangs from one that has much work or a small share of the machine.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>

#include "ipc/child_process.hpp"

namespace faceflow::internal::flow {

// Judges the processes of one stage from periodic looks. What matters is not how long something takes but what the
// process does meanwhile:
//
// | since its last sign of life, with work | hangs |
// | --- | --- |
// | it computes | after more processor time than its frames have taken so far, plus the patience |
// | it is asleep, or stopped by a signal | after the patience |
// | it wakes now and then without progress | after ten times the patience |
// | it waits for a processor (a busy machine, a quota) | never |
//
// Time without looks does not count either: a suspended machine, or an owner that was stopped or had no processor.
// Reads no clock and never waits. Use it from one thread.
class watchdog {
public:
    using time_point = std::chrono::steady_clock::time_point;
    using nanoseconds = std::chrono::nanoseconds;
    using process_state = ipc::process_activity::state;

    // `threads`: how many threads the stage computes with.
    watchdog(nanoseconds patience, std::int32_t threads) : patience_(patience), threads_(threads) {}

    struct look {
        time_point at;
        bool busy = false;       // has work whose inputs are ready
        bool starting = false;   // loads its models; their cost is unknown, so only a stopped process counts as hung
        std::uint64_t beat = 0;  // grows with each sign of life
        std::uint64_t done = 0;  // changes when a request is done; only then is a frame's processor time known
        int process = -1;
        nanoseconds cpu{0};  // of all its threads, since its start
    };
    enum class finding : std::uint8_t { lives, stopped, asleep, restless, computes };
    // `state` costs a few system calls per thread; it is called only after some looks without a sign of life.
    [[nodiscard]] finding judge(const look& now, const std::function<process_state()>& state);

    // For the user: what the process did, for how long, and the option that raises the limit.
    [[nodiscard]] std::string in_words(finding what) const;

private:
    void enter_sign(const look& now);
    void learn(const look& now);
    [[nodiscard]] nanoseconds sleep_limit() const;
    [[nodiscard]] nanoseconds cpu_limit() const;

    const nanoseconds patience_;
    const std::int32_t threads_;
    look last_;
    // Since the last sign of life.
    nanoseconds silent_{0}, asleep_{0}, restless_{0}, cpu_at_sign_{0};
    nanoseconds longest_asleep_{0};  // between two signs of life
    // Of whole frames.
    nanoseconds cpu_at_begin_{0}, max_cpu_{0};
};

}  // namespace faceflow::internal::flow
