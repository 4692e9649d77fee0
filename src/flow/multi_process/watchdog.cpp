// SPDX-License-Identifier: Apache-2.0
#include "flow/multi_process/watchdog.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace faceflow::internal::flow {
namespace {

using namespace std::chrono_literals;

// Longest time that one look counts for. Looks are 10 ms apart if the machine has time for them.
constexpr auto longest_look = 20ms;
// After this time without a sign of life, query the state of the threads.
constexpr auto unremarkable = 50ms;
// Frames differ in size, in faces, and in what else the machine does.
constexpr int margin = 4;
constexpr int for_the_restless = 10;
// Limit before any frame was done: the largest detector on a slow core.
constexpr watchdog::nanoseconds first_frame = 10s;

double seconds(watchdog::nanoseconds t) {
    return std::chrono::duration<double>(t).count();
}

}  // namespace

watchdog::nanoseconds watchdog::sleep_limit() const {
    return std::max(patience_, margin * longest_asleep_);
}

watchdog::nanoseconds watchdog::cpu_limit() const {
    const nanoseconds expected = max_cpu_ == nanoseconds(0) ? first_frame : margin * max_cpu_;
    return patience_ * threads_ + expected;
}

void watchdog::enter_sign(const look& now) {
    if (now.process == last_.process && now.beat != last_.beat)
        longest_asleep_ = std::clamp(asleep_, longest_asleep_, for_the_restless * patience_);
    silent_ = asleep_ = restless_ = nanoseconds(0);
    cpu_at_sign_ = now.cpu;
}

// Learns a frame's processor time; between two looks, several requests may count as one.
void watchdog::learn(const look& now) {
    const bool same = now.process == last_.process && !now.starting;
    if (same && now.done != last_.done) max_cpu_ = std::max(max_cpu_, now.cpu - cpu_at_begin_);
    if (!same || !now.busy || now.done != last_.done) cpu_at_begin_ = now.cpu;
}

watchdog::finding watchdog::judge(const look& now, const std::function<process_state()>& state) {
    learn(now);
    const bool sign = !now.busy || now.beat != last_.beat || now.process != last_.process;
    if (sign) enter_sign(now);
    const nanoseconds passed = std::clamp<nanoseconds>(now.at - last_.at, 0ns, longest_look);
    const bool worked = now.cpu != last_.cpu;
    last_ = now;
    if (sign) return finding::lives;
    silent_ += passed;
    if (now.starting) cpu_at_sign_ = now.cpu;
    if (now.cpu - cpu_at_sign_ > cpu_limit()) return finding::computes;
    if (silent_ < std::min<nanoseconds>(unremarkable, patience_ / 2)) return finding::lives;

    const process_state does = state();
    const bool waits = does == process_state::stopped || (does == process_state::sleeping && !now.starting);
    // A process that waits for a processor, or has just had one, is not asleep.
    asleep_ = waits && !worked ? asleep_ + passed : nanoseconds(0);
    if (waits) restless_ += passed;
    if (asleep_ > sleep_limit()) return does == process_state::stopped ? finding::stopped : finding::asleep;
    return restless_ > for_the_restless * sleep_limit() ? finding::restless : finding::lives;
}

std::string watchdog::in_words(finding what) const {
    const auto ended = [&](std::string_view did, nanoseconds limit) {
        return fmt::format(
            "it hung, and was ended: {} for {:.3g} s without getting on with its work; --stage-timeout "
            "({:.3g} s) allows more",
            did, seconds(limit), seconds(patience_));
    };
    switch (what) {
        case finding::lives: break;
        case finding::stopped: return ended("stopped by a signal", sleep_limit());
        case finding::asleep: return ended("asleep", sleep_limit());
        case finding::restless: return ended("awake now and then", for_the_restless * sleep_limit());
        case finding::computes: return ended("computing", cpu_limit());
    }
    return "it lives";
}

}  // namespace faceflow::internal::flow
