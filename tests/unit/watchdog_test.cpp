// SPDX-License-Identifier: Apache-2.0
// When a stage process is taken for hung, on a clock that the tests move.
#include "flow/multi_process/watchdog.hpp"

#include <gmock/gmock.h>

#include <optional>

#include "support.hpp"

namespace faceflow::internal::flow {
namespace {

using namespace std::chrono_literals;
using finding = watchdog::finding;
using state = watchdog::process_state;

class watched {
public:
    // One look, `after` the last; in the meantime the process had `cpu` and is now in that state.
    finding look(watchdog::nanoseconds after, state does, watchdog::nanoseconds cpu = 0ns) {
        now.at += after;
        now.cpu += cpu;
        return last = dog.judge(now, [does] { return does; });
    }
    // How long it takes until it is found to hang; nullopt: longer than `most`.
    std::optional<watchdog::nanoseconds> found_after(watchdog::nanoseconds most, watchdog::nanoseconds step, state does,
                                                     watchdog::nanoseconds cpu = 0ns) {
        for (watchdog::nanoseconds at = step; at <= most; at += step) {
            if (look(step, does, cpu) != finding::lives) return at;
        }
        return std::nullopt;
    }
    // A frame that takes so much processor time, and the beginning of the next.
    void frame(watchdog::nanoseconds cpu) {
        // It has come; it is begun; it is done.
        for (int i = 0; i < 2; ++i) {
            ++now.beat;
            EXPECT_EQ(look(10ms, state::running, 1ms), finding::lives);
        }
        for (watchdog::nanoseconds at{0}; at < cpu; at += 10ms)
            EXPECT_EQ(look(10ms, state::running, 10ms), finding::lives);
        ++now.beat;
        ++now.done;
        EXPECT_EQ(look(10ms, state::running), finding::lives);
    }

    watchdog dog{500ms, 1};
    watchdog::look now{watchdog::time_point(1h), true, false, 1, 0, 7, 0ns};
    finding last = finding::lives;
};

TEST(stage_watchdog, finds_one_that_is_stopped_or_asleep_over_its_work) {
    for (const auto& [does, what] : {std::pair{state::stopped, finding::stopped}, {state::sleeping, finding::asleep}}) {
        watched w;
        const auto after = w.found_after(5s, 10ms, does);
        ASSERT_TRUE(after);
        EXPECT_GE(*after, 500ms);
        EXPECT_LE(*after, 700ms);
        EXPECT_EQ(w.last, what);
        EXPECT_THAT(w.dog.in_words(w.last), testing::HasSubstr("--stage-timeout"));
    }
}

TEST(stage_watchdog, finds_an_endless_loop_by_the_time_that_frames_were_seen_to_take) {
    watched w;
    w.frame(50ms);
    const auto after = w.found_after(60s, 10ms, state::running, 10ms);
    ASSERT_TRUE(after);
    EXPECT_GE(*after, 500ms + 4 * 50ms);
    EXPECT_LE(*after, 1s) << "as long as the first frame of all may take";
    EXPECT_EQ(w.last, finding::computes);
}

TEST(stage_watchdog, finds_an_endless_loop_in_the_first_frame_too) {
    watched w;
    EXPECT_TRUE(w.found_after(60s, 10ms, state::running, 10ms));
}

TEST(stage_watchdog, finds_one_that_wakes_now_and_then_and_gets_nowhere) {
    watched w;
    w.frame(10ms);
    const auto after = w.found_after(60s, 10ms, state::sleeping, 10us);
    ASSERT_TRUE(after);
    EXPECT_GE(*after, 5s);
    EXPECT_EQ(w.last, finding::restless);
}

// 3840x2176 instead of 640x384: a frame takes longer than the whole patience.
TEST(stage_watchdog, leaves_one_alone_whose_frames_take_long) {
    watched w;
    for (int i = 0; i < 5; ++i)
        w.frame(2s);
}

TEST(stage_watchdog, leaves_one_alone_that_waits_for_a_processor) {
    watched w;
    w.frame(30ms);
    EXPECT_FALSE(w.found_after(600s, 10ms, state::running));  // as good as none
    // 8 % of one: 8 ms in each 100.
    for (int i = 0; i < 8; ++i) {
        for (int k = 0; k < 9; ++k)
            EXPECT_EQ(w.look(10ms, state::running), finding::lives);
        EXPECT_EQ(w.look(10ms, state::running, 8ms), finding::lives);
    }
}

TEST(stage_watchdog, time_in_which_nobody_looked_does_not_count) {
    watched w;
    w.frame(30ms);
    for (const state does : {state::stopped, state::sleeping}) {
        // The whole family was stopped, or the machine was asleep; or the owner has hardly a processor itself.
        for (int i = 0; i < 5; ++i)
            EXPECT_EQ(w.look(8s, does), finding::lives);
        ++w.now.beat;
        EXPECT_EQ(w.look(10ms, does), finding::lives);
    }
}

TEST(stage_watchdog, leaves_one_alone_that_has_no_work_or_is_new) {
    watched w;
    w.now.busy = false;
    EXPECT_FALSE(w.found_after(10s, 10ms, state::sleeping));
    w.now.busy = true;
    for (int i = 0; i < 40; ++i) {
        EXPECT_FALSE(w.found_after(400ms, 10ms, state::sleeping));
        ++w.now.process;
    }
}

TEST(stage_watchdog, one_that_starts_may_compute_and_wait_but_not_be_stopped) {
    watched w;
    w.now.starting = true;
    EXPECT_FALSE(w.found_after(100s, 10ms, state::running, 10ms));
    EXPECT_FALSE(w.found_after(100s, 10ms, state::sleeping));
    const auto after = w.found_after(5s, 10ms, state::stopped);
    ASSERT_TRUE(after);
    EXPECT_LE(*after, 700ms);
    // What it took to start is no measure of its frames.
    w.now.starting = false;
    w.frame(20ms);
    EXPECT_TRUE(w.found_after(2s, 10ms, state::running, 10ms));
}

}  // namespace
}  // namespace faceflow::internal::flow
