// SPDX-License-Identifier: Apache-2.0
// Tells a stage process that hangs from one that has much to do, or hardly any of the machine to do it with.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>

#include "ipc/child_process.hpp"

namespace faceflow::flow {

// Judges by looks at one stage's processes. What counts is not how long something takes but what the process does meanwhile:
//
// | since its last sign of life, with work | hangs |
// | --- | --- |
// | it computes | after more processor time than its frames were ever seen to take, and the patience |
// | it is asleep, or stopped by a signal | after the patience |
// | it wakes now and then, and gets nowhere | after ten times that |
// | it waits for a processor (a busy machine, a quota) | never |
//
// Nor does time count in which nobody looked: of a machine that slept, of an owner that was stopped or had no processor itself.
// Nothing here looks at a clock or waits. One thread.
class watchdog {
public:
    using time_point = std::chrono::steady_clock::time_point;
    using nanoseconds = std::chrono::nanoseconds;
    using process_state = ipc::process_activity::state;

    // `threads`: that the stage computes with.
    watchdog(nanoseconds patience, std::int32_t threads) : patience_(patience), threads_(threads) {}

    struct look {
        time_point at;
        bool busy = false;       // has work whose inputs are there
        bool starting = false;   // loads its models: what it takes is not known, so only one that is stopped hangs
        std::uint64_t beat = 0;  // grows with each sign of life
        std::uint64_t done =
            0;  // another one once it has done what it was asked for: only then is it known what that takes
        int process = -1;
        nanoseconds cpu{0};  // of all its threads so far
    };
    enum class finding : std::uint8_t { lives, stopped, asleep, restless, computes };
    // `state` costs some system calls a thread: asked only when there was no sign of life for some looks.
    [[nodiscard]] finding judge(const look& now, const std::function<process_state()>& state);

    // For the user: what it did, for how long, and the option that allows more.
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
    nanoseconds longest_asleep_{0};  // between two of them
    // Of whole frames.
    nanoseconds cpu_at_begin_{0}, max_cpu_{0};
};

}  // namespace faceflow::flow
