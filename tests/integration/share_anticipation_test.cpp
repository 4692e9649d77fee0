// SPDX-License-Identifier: Apache-2.0
// Clients that are awake when a frame is due: they get what others get, and are nobody's loss. How often they are right in time is
// bench/handoff.sh's to say.
#include <poll.h>

#include <atomic>
#include <thread>

#include "share_testing.hpp"

namespace faceflow::internal::share {
namespace {

using namespace testing_share;
using namespace std::chrono_literals;

class share_anticipation : public share_test {
protected:
    // Regular, as far as the machine lets it be.
    void wait_for_beat() { std::this_thread::sleep_until(due_ += 8ms); }

private:
    std::chrono::steady_clock::time_point due_ = std::chrono::steady_clock::now();
};

TEST_F(share_anticipation, it_gets_every_frame_once_in_order_and_as_it_is) {
    test_client c(path, 16, FF_FIFO, 1);
    std::uint64_t announced = 0;
    std::thread source([&] {
        for (std::uint64_t i = 0; i < 120; ++i) {
            wait_for_beat();
            publish(i);
        }
        announced = server->counts().told.announced;
        server.reset();
    });
    std::uint64_t next = 0;
    while (const auto f = c.next()) {
        const auto info = info_of(f);
        EXPECT_EQ(info.sequence, next + info.dropped);
        expect_same(f, picture(info.sequence).view);
        next = info.sequence + 1;
    }
    source.join();
    EXPECT_EQ(c.status, FF_ENDED) << c.error();
    EXPECT_EQ(c.stats().frames, announced);
    EXPECT_LE(c.stats().met, announced);
}

TEST_F(share_anticipation, one_that_does_not_ask_for_it_never_looks) {
    test_client c(path);
    for (std::uint64_t i = 0; i < 40; ++i) {
        wait_for_beat();
        publish(i);
        ASSERT_NE(c.next(), nullptr) << c.error();
    }
    EXPECT_EQ(c.next(20), nullptr);
    EXPECT_EQ(c.stats().met, 0u);
    EXPECT_EQ(c.stats().looking_ns, 0u);
}

TEST_F(share_anticipation, frames_behind_the_one_that_it_was_awake_for_make_its_descriptor_readable) {
    open("cpu", 64, 2);
    test_client c(path, 4, FF_FIFO, 1);
    for (std::uint64_t i = 0; i < 80; ++i) {
        std::thread source([&] {
            wait_for_beat();
            publish(i, picture(i).view, 0);
            publish(i, picture(i).view, 1);
        });
        const auto first = c.next();
        source.join();
        ASSERT_NE(first, nullptr) << c.error();
        EXPECT_EQ(info_of(first).source, 0u);
        pollfd waiting{ff_client_descriptor(c.get()), POLLIN, 0};
        ASSERT_EQ(::poll(&waiting, 1, 5000), 1) << i;
        const auto second = c.next(0);
        ASSERT_NE(second, nullptr) << c.error();
        EXPECT_EQ(info_of(second).source, 1u);
        EXPECT_EQ(info_of(second).sequence, i);
    }
}

TEST_F(share_anticipation, one_that_is_killed_while_a_frame_is_due_harms_nobody) {
    test_client other(path);
    std::uint64_t sequence = 0;
    const auto beat = [&] {
        wait_for_beat();
        publish(sequence);
        const auto f = other.next();
        ASSERT_NE(f, nullptr) << other.error();
        EXPECT_EQ(info_of(f).sequence, sequence++);
        EXPECT_EQ(info_of(f).dropped, 0u);
    };
    for (int round = 0; round < 6; ++round) {
        auto victim = test::start_peer({"anticipate_frames", path.string()});
        ASSERT_OK(victim.to.receive(test::soon()));  // connected
        const auto patience = test::soon();
        while (!victim.to.receive(ipc::time_point{})) {  // until it knows the beat
            ASSERT_LT(std::chrono::steady_clock::now(), patience);
            ASSERT_NO_FATAL_FAILURE(beat());
        }
        // It begins to look some tens of microseconds before the next one.
        std::this_thread::sleep_for(8ms - 25us * round);
        victim.child.kill();
        for (int i = 0; i < 10; ++i)
            ASSERT_NO_FATAL_FAILURE(beat());
        ASSERT_TRUE(eventually([&] { return server->counts().connected == 1; }));
    }
    EXPECT_EQ(server->counts().malformed, 0u);
}

TEST_F(share_anticipation, one_that_looks_no_longer_is_sent_messages_and_holds_up_nobody) {
    test_client c(path, 4, FF_LATEST, 1);
    std::thread source([&] {
        for (std::uint64_t i = 0; i < 40; ++i) {
            wait_for_beat();
            publish(i);
        }
    });
    for (std::uint64_t seen = 0; seen < 39;) {
        const auto f = c.next();
        EXPECT_NE(f, nullptr) << c.error();
        seen = f == nullptr ? 39 : info_of(f).sequence;
    }
    source.join();
    test_client other(path);
    std::uint64_t sequence = 40;
    for (; sequence < 2000; ++sequence) {
        publish(sequence, picture(0).view);
        ASSERT_NE(other.next(), nullptr) << other.error();
    }
    pollfd waiting{ff_client_descriptor(c.get()), POLLIN, 0};
    EXPECT_EQ(::poll(&waiting, 1, 0), 1);
    ASSERT_NE(c.next(), nullptr) << c.error();
    publish(sequence, picture(0).view);
    const auto fresh = c.next();
    ASSERT_NE(fresh, nullptr) << c.error();
    EXPECT_EQ(info_of(fresh).sequence, sequence);
    EXPECT_EQ(c.stats().frames + c.stats().dropped, sequence + 1);
}

TEST_F(share_anticipation, the_end_comes_to_one_that_looks_for_a_frame) {
    test_client c(path, 4, FF_FIFO, 1);
    for (std::uint64_t i = 0; i < 30; ++i) {
        wait_for_beat();
        publish(i);
        ASSERT_NE(c.next(), nullptr) << c.error();
    }
    std::thread source([&] {
        wait_for_beat();
        server.reset();
    });
    EXPECT_EQ(c.next(), nullptr);
    EXPECT_EQ(c.status, FF_ENDED) << c.error();
    source.join();
}

}  // namespace
}  // namespace faceflow::internal::share
