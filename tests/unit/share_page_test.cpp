// SPDX-License-Identifier: Apache-2.0
// Who is woken, who is left alone and who needs a message, in every order in which the two ends can come to it.
#include "ipc/share_page.hpp"

#include <gtest/gtest.h>

#include <thread>

#include "support.hpp"

namespace faceflow::internal::ipc {
namespace {

struct share_page_of_two : testing::Test {
    share_page page = share_page::create(2).value();
};

TEST_F(share_page_of_two, one_that_does_not_wait_needs_a_message) {
    EXPECT_FALSE(page.ring(1));
    EXPECT_EQ(page.bell().value, 1u);
    page.fall_asleep(1);
    page.wake_up();
    EXPECT_FALSE(page.ring(2));
    page.look_out(2);
    page.wake_up();
    EXPECT_FALSE(page.ring(3));
}

TEST_F(share_page_of_two, one_that_waits_needs_none_for_the_next_frame_and_one_for_those_behind_it) {
    page.fall_asleep(0);
    EXPECT_TRUE(page.ring(1));
    EXPECT_FALSE(page.ring(2));
    page.look_out(2);
    EXPECT_TRUE(page.ring(3));
    EXPECT_FALSE(page.ring(4));
    // Slept in vain, and looks now.
    page.fall_asleep(4);
    page.look_out(4);
    EXPECT_TRUE(page.ring(5));
    EXPECT_FALSE(page.ring(6));
    page.look_out(6);
    page.fall_asleep(6);
    EXPECT_TRUE(page.ring(7));
}

TEST_F(share_page_of_two, what_a_client_says_too_late_is_not_for_the_frame_after) {
    // The server rings while the client passes from its sleep to its look: it sees the bell at once, and is gone.
    page.fall_asleep(0);
    EXPECT_TRUE(page.ring(1));
    page.look_out(0);
    EXPECT_FALSE(page.ring(2)) << "it would never hear of this one by its socket";
    EXPECT_FALSE(page.ring(3));
    page.fall_asleep(1);
    EXPECT_FALSE(page.ring(4));
}

TEST_F(share_page_of_two, a_wait_that_begins_while_the_bell_rings_is_left_as_it_is) {
    // The bell is up, but the server has not looked at the word yet: the client has taken the frame, and waits for the next.
    page.bell().value = 1;
    page.fall_asleep(1);
    EXPECT_TRUE(page.ring(1));
    EXPECT_TRUE(page.ring(2)) << "the sleeper was forgotten";
    page.bell().value = 3;
    page.look_out(3);
    EXPECT_TRUE(page.ring(3));
    EXPECT_TRUE(page.ring(4));
}

TEST_F(share_page_of_two, a_word_that_was_scribbled_over_keeps_nobody) {
    semaphore& word = page[page.leases() + 1];
    std::uint64_t serial = 0;
    for (const std::uint64_t scribble : {UINT64_MAX, std::uint64_t{3}, std::uint64_t{4}, std::uint64_t{1} << 63}) {
        word.value = scribble;
        [[maybe_unused]] const bool any = page.ring(++serial);
    }
    std::atomic<bool> over{false};
    std::thread scribbler([&] {
        while (!over)
            page.fall_asleep(word.value.load() / 4 + 1);
    });
    for (int i = 0; i < 10000; ++i)
        [[maybe_unused]] const bool any = page.ring(++serial);
    over = true;
    scribbler.join();
}

// Two threads at full speed, by turns asleep and looking: a frame is either met on the bell or its message is counted.
TEST_F(share_page_of_two, every_frame_is_heard_of) {
    constexpr std::uint64_t frames = 20000;
    std::atomic<std::uint64_t> messages{0}, seen{0};
    std::thread client([&] {
        for (std::uint64_t round = 0; seen < frames; ++round) {
            const std::uint64_t rung = page.bell().value.load(std::memory_order_acquire);
            if (rung > seen) {
                seen = rung;
                continue;
            }
            const auto soon = std::chrono::steady_clock::now() + std::chrono::seconds(10);
            if (round % 2 == 0) {
                page.look_out(rung);
                EXPECT_TRUE(look_until(page.bell(), rung + 1, soon));
            } else {
                page.fall_asleep(rung);
                EXPECT_TRUE(wait_until(page.bell(), rung + 1, soon));
                page.wake_up();
            }
        }
    });
    for (std::uint64_t serial = 1; serial <= frames; ++serial) {
        if (!page.ring(serial)) ++messages;
        if (serial % 7 == 0) std::this_thread::yield();
    }
    client.join();
    EXPECT_LE(messages, frames);
    EXPECT_EQ(seen, frames);
}

TEST(look_until, sees_a_raise_and_gives_up_at_its_deadline) {
    semaphore t;
    const auto past = std::chrono::steady_clock::time_point{};
    EXPECT_FALSE(look_until(t, 1, past));
    raise(t, 1);
    EXPECT_TRUE(look_until(t, 1, past));
    std::thread other([&] { raise(t, 2); });
    EXPECT_TRUE(look_until(t, 2, std::chrono::steady_clock::time_point::max()));
    other.join();
}

}  // namespace
}  // namespace faceflow::internal::ipc
