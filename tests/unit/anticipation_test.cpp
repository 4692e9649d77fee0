// SPDX-License-Identifier: Apache-2.0
// When a client looks for the next frame, by times that are given: nothing here sleeps.
#include "client/anticipation.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <random>
#include <vector>

namespace faceflow::internal::client {
namespace {

constexpr std::int64_t us = 1000, ms = 1'000'000, second = 1'000'000'000;
constexpr std::int64_t start = 3600 * second;  // of a machine that has been up for a while

// Frames at these times, from the first sequence on.
cadence beat_of(const std::vector<std::int64_t>& times, std::uint64_t sequence = 0) {
    cadence c;
    for (const std::int64_t t : times)
        c.add(sequence++, t);
    return c;
}

std::vector<std::int64_t> regular(std::size_t n, std::int64_t period, std::int64_t first = start) {
    std::vector<std::int64_t> times;
    for (std::size_t i = 0; i < n; ++i)
        times.push_back(first + static_cast<std::int64_t>(i) * period);
    return times;
}

// By the same numbers every time.
class noise {
public:
    std::int64_t upto(std::int64_t most) {
        return static_cast<std::int64_t>(generator_() % static_cast<std::uint64_t>(2 * most + 1)) - most;
    }

private:
    std::mt19937_64 generator_{7};
};

TEST(cadence, needs_eight_frames) {
    EXPECT_FALSE(cadence().next());
    EXPECT_FALSE(beat_of(regular(7, 16 * ms)).next());
    EXPECT_TRUE(beat_of(regular(8, 16 * ms)).next());
}

TEST(cadence, a_regular_source_is_due_to_the_nanosecond) {
    const auto due = beat_of(regular(40, 16'666'667)).next();
    ASSERT_TRUE(due);
    EXPECT_NEAR(static_cast<double>(due->earliest_ns), static_cast<double>(start + std::int64_t{40} * 16'666'667), 2);
    EXPECT_NEAR(static_cast<double>(due->latest_ns), static_cast<double>(due->earliest_ns), 4);
}

TEST(cadence, one_late_frame_moves_nothing) {
    for (const std::size_t late : {3u, 9u, 15u}) {
        auto times = regular(16, 20 * ms);
        times[late] += 9 * ms;
        const auto due = beat_of(times).next();
        ASSERT_TRUE(due);
        EXPECT_NEAR(static_cast<double>(due->earliest_ns), static_cast<double>(start + 16 * 20 * ms), 1e3) << late;
        EXPECT_NEAR(static_cast<double>(due->latest_ns), static_cast<double>(start + 16 * 20 * ms), 1e3) << late;
    }
}

TEST(cadence, the_span_holds_frames_that_come_early_and_late) {
    noise n;
    cadence c;
    int held = 0, asked = 0;
    for (std::uint64_t i = 0; i < 500; ++i) {
        const std::int64_t t = start + static_cast<std::int64_t>(i) * 33'333'333 + n.upto(100 * us);
        if (const auto due = c.next()) {
            ++asked;
            EXPECT_LT(due->latest_ns - due->earliest_ns, 250 * us);
            if (due->earliest_ns - 50 * us <= t && t <= due->latest_ns + 50 * us) ++held;
        }
        c.add(i, t);
    }
    EXPECT_EQ(asked, 492);
    EXPECT_GT(held, 440);
}

TEST(cadence, frames_that_are_missing_are_counted_by_their_numbers) {
    cadence c = beat_of(regular(16, 16 * ms));
    // 64 that nobody read, and then a few here and there.
    std::uint64_t sequence = 15 + 65;
    for (const std::uint64_t step : {0u, 1u, 3u, 2u, 1u, 7u}) {
        sequence += step;
        c.add(sequence, start + static_cast<std::int64_t>(sequence) * 16 * ms);
        const auto due = c.next();
        ASSERT_TRUE(due);
        EXPECT_NEAR(static_cast<double>(due->earliest_ns),
                    static_cast<double>(start + static_cast<std::int64_t>(sequence + 1) * 16 * ms), 10);
    }
}

TEST(cadence, a_long_gap_or_a_source_that_begins_anew_is_learnt_anew) {
    for (const auto& [sequence, after] : {std::pair<std::uint64_t, std::int64_t>{16, 3 * second},
                                          {0, 16 * ms},
                                          {15, 16 * ms},
                                          {5000, 16 * ms},
                                          {16, -second},
                                          {16, 0}}) {
        cadence c = beat_of(regular(16, 16 * ms));
        c.add(sequence, start + 15 * 16 * ms + after);
        EXPECT_FALSE(c.next()) << sequence << ", " << after;
    }
}

TEST(cadence, the_largest_numbers_are_numbers_like_others) {
    constexpr auto most = std::numeric_limits<std::uint64_t>::max();
    cadence c = beat_of(regular(8, 16 * ms), most - 7);
    const auto due = c.next();
    ASSERT_TRUE(due);
    EXPECT_NEAR(static_cast<double>(due->earliest_ns), static_cast<double>(start + 8 * 16 * ms), 2);
    c.add(0, start + 8 * 16 * ms);
    EXPECT_FALSE(c.next());
}

// A client and its clock: sleeps that end late by as much as is said, looks that last until the frame or the end.
class client {
public:
    explicit client(std::int64_t timers_late = 60 * us) : timers_late_(timers_late) {}

    // The next frame comes at that time; false when the client slept when it came.
    bool frame(std::uint32_t source, std::uint64_t sequence, std::int64_t at) {
        bool met = false;
        while (!met) {
            const auto look = ahead.next(now);
            if (!look || look->from_ns >= at) break;
            if (look->from_ns > now) {
                const std::int64_t timer = look->from_ns + timers_late_;
                now = std::min(timer, at);
                ahead.woke(look->from_ns, now, at < timer);
                if (at < timer) break;  // the bell has ended the sleep
            }
            met = look->until_ns >= at;
            const std::int64_t until = std::max(now, std::min(look->until_ns, at));
            ahead.looked(now, until);
            looking += until - now;
            longest = std::max(longest, until - now);
            ++looks;
            now = until;
        }
        now = std::max(now, at);
        ahead.came(source, sequence, at, now + us);
        return met;
    }

    anticipation ahead;
    std::int64_t now = start, looking = 0, longest = 0;
    int looks = 0;

private:
    const std::int64_t timers_late_;
};

TEST(anticipation, meets_the_frames_of_a_regular_source_once_it_knows_it) {
    for (const std::int64_t period : {second / 120, second / 60, second / 30, second / 5}) {
        client c;
        int met = 0;
        for (std::uint64_t i = 0; i < 200; ++i)
            met += c.frame(0, i, start + static_cast<std::int64_t>(i) * period) ? 1 : 0;
        EXPECT_EQ(met, 192) << period;
        EXPECT_LT(c.looking, 192 * 120 * us) << "no longer than timers are uncertain";
    }
}

TEST(anticipation, meets_most_frames_of_a_source_that_is_somewhat_irregular) {
    client c;
    noise n;
    int met = 0;
    for (std::uint64_t i = 0; i < 600; ++i)
        met += c.frame(0, i, start + static_cast<std::int64_t>(i) * second / 60 + n.upto(80 * us)) ? 1 : 0;
    EXPECT_GT(met, 520);
    EXPECT_LE(c.longest, anticipation::longest_look_ns);
}

TEST(anticipation, begins_earlier_where_timers_are_later) {
    const auto first_look = [](std::int64_t late) {
        client c(late);
        for (std::uint64_t i = 0; i < 40; ++i)
            static_cast<void>(c.frame(0, i, start + static_cast<std::int64_t>(i) * 33 * ms));
        const auto look = c.ahead.next(c.now);
        return look ? start + 40 * 33 * ms - look->from_ns : -1;
    };
    EXPECT_NEAR(static_cast<double>(first_look(200 * us)), 225e3, 5e3);
    EXPECT_NEAR(static_cast<double>(first_look(1 * us)), 45e3, 5e3) << "and never trusts them wholly";
    EXPECT_NEAR(static_cast<double>(first_look(3 * ms)), 525e3, 5e3) << "nor pays for any lateness";
}

TEST(anticipation, sleeps_where_frames_come_at_random) {
    client c;
    noise n;
    std::int64_t at = start;
    for (std::uint64_t i = 0; i < 500; ++i)
        static_cast<void>(c.frame(0, i, at += 20 * ms + n.upto(15 * ms)));
    EXPECT_EQ(c.looks, 0);
}

TEST(anticipation, sleeps_where_frames_come_too_fast_to_pay_for) {
    client c;
    for (std::uint64_t i = 0; i < 2000; ++i)
        static_cast<void>(c.frame(0, i, start + static_cast<std::int64_t>(i) * ms));
    EXPECT_LE(c.looking, 2000 * ms / 20 + anticipation::longest_look_ns);
}

TEST(anticipation, finds_its_beat_again_after_a_change_of_rate) {
    client c;
    std::int64_t at = start;
    std::uint64_t sequence = 0;
    for (int i = 0; i < 60; ++i)
        static_cast<void>(c.frame(0, sequence++, at += second / 60));
    std::vector<bool> met;
    for (int i = 0; i < 60; ++i)
        met.push_back(c.frame(0, sequence++, at += second / 25));
    EXPECT_FALSE(met.front());
    EXPECT_EQ(std::count(met.begin() + 16, met.end(), true), 44);
    EXPECT_LE(c.longest, anticipation::longest_look_ns);
}

TEST(anticipation, looks_once_for_a_frame_that_does_not_come) {
    client c;
    for (std::uint64_t i = 0; i < 30; ++i)
        static_cast<void>(c.frame(0, i, start + static_cast<std::int64_t>(i) * 16 * ms));
    const int before = c.looks;
    EXPECT_FALSE(c.frame(0, 30, start + 3600 * second));
    EXPECT_EQ(c.looks, before + 1) << "in an hour";
}

TEST(anticipation, meets_the_frame_after_64_that_were_lost) {
    client c;
    for (std::uint64_t i = 0; i < 30; ++i)
        static_cast<void>(c.frame(0, i, start + static_cast<std::int64_t>(i) * 16 * ms));
    static_cast<void>(c.frame(0, 94, start + 94 * 16 * ms));
    EXPECT_TRUE(c.frame(0, 95, start + 95 * 16 * ms));
}

TEST(anticipation, knows_the_beat_of_each_source) {
    client c;
    int met = 0;
    for (std::uint64_t i = 0; i < 100; ++i) {
        met += c.frame(0, i, start + static_cast<std::int64_t>(i) * 40 * ms) ? 1 : 0;
        met += c.frame(1, 2 * i, start + 7 * ms + static_cast<std::int64_t>(i) * 40 * ms) ? 1 : 0;
        met += c.frame(1, 2 * i + 1, start + 27 * ms + static_cast<std::int64_t>(i) * 40 * ms) ? 1 : 0;
    }
    EXPECT_GT(met, 280);
}

TEST(anticipation, never_looks_longer_than_its_share) {
    for (int round = 0; round < 20; ++round) {
        std::mt19937_64 random(static_cast<std::uint64_t>(round));
        anticipation ahead;
        std::int64_t now = start, looking = 0;
        std::uint64_t sequence = 0;
        for (int i = 0; i < 3000; ++i) {
            now += static_cast<std::int64_t>(random() % 100) == 0 ? 500 * ms : 10 * ms;
            for (std::uint32_t source = 0; source < 1 + static_cast<std::uint32_t>(round); ++source)
                ahead.came(source, sequence, now + static_cast<std::int64_t>(random() % 300) * us, now);
            ++sequence;
            // Every look is a long one: nothing comes of it.
            while (const auto look = ahead.next(now)) {
                EXPECT_LE(look->until_ns - look->from_ns, anticipation::longest_look_ns);
                ahead.looked(look->from_ns, look->until_ns);
                looking += look->until_ns - look->from_ns;
                now = look->until_ns;
            }
        }
        EXPECT_LE(static_cast<double>(looking), anticipation::share * static_cast<double>(now - start) +
                                                    static_cast<double>(anticipation::longest_look_ns));
    }
}

TEST(anticipation, times_that_are_nobodys_are_left_out) {
    anticipation ahead;
    constexpr auto least = std::numeric_limits<std::int64_t>::min(), most = std::numeric_limits<std::int64_t>::max();
    std::mt19937_64 random(1);
    for (int i = 0; i < 10000; ++i) {
        const std::int64_t odd[] = {
            least, most, 0, -1, start, start + 11 * second, static_cast<std::int64_t>(random())};
        ahead.came(static_cast<std::uint32_t>(random()), random() % 3 == 0 ? random() : static_cast<std::uint64_t>(i),
                   odd[random() % std::size(odd)], start);
        const auto look = ahead.next(start);
        EXPECT_TRUE(!look || look->from_ns >= start);
    }
}

}  // namespace
}  // namespace faceflow::internal::client
