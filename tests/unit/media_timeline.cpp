// SPDX-License-Identifier: Apache-2.0
#include "media/timeline.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "media/natural_order.hpp"
#include "media/reconnect.hpp"

namespace faceflow::internal::media {
namespace {

using namespace std::chrono_literals;
constexpr std::int64_t ms = 1'000'000;

TEST(timeline, counts_from_the_stated_origin) {
    timeline time(40 * ms);
    time.set_origin(1480 * ms);
    EXPECT_EQ(time.place(1560 * ms), 80 * ms);
    EXPECT_EQ(time.place(1700 * ms), 220 * ms);
}

TEST(timeline, counts_from_the_first_frame_where_no_origin_is_stated) {
    timeline time(40 * ms);
    EXPECT_EQ(time.place(5000 * ms), 0);
    EXPECT_EQ(time.place(5033 * ms), 33 * ms);
}

TEST(timeline, never_starts_below_zero) {
    timeline time(40 * ms);
    time.set_origin(100 * ms);
    EXPECT_EQ(time.place(20 * ms), 0);
    EXPECT_EQ(time.place(60 * ms), 40 * ms);
}

TEST(timeline, frames_without_a_time_last_the_nominal_duration) {
    timeline time(40 * ms);
    EXPECT_EQ(time.place(std::nullopt), 0);
    EXPECT_EQ(time.place(std::nullopt), 40 * ms);
    EXPECT_EQ(time.place(std::nullopt), 80 * ms);
}

TEST(timeline, a_clock_that_begins_behind_frames_without_a_time_goes_on_from_them) {
    for (const bool stated : {false, true}) {
        timeline time(40 * ms);
        if (stated) time.set_origin(40 * ms);
        EXPECT_EQ(time.place(std::nullopt), 0);
        for (int i = 1; i < 5; ++i)
            EXPECT_EQ(time.place(i * 40 * ms), i * 40 * ms);
        EXPECT_EQ(time.counts().order, 0U);
        EXPECT_EQ(time.counts().jumps, 0U);
    }
}

TEST(timeline, a_clock_that_begins_anew_behind_a_frame_without_a_time_goes_on_from_it) {
    timeline time(40 * ms);
    for (int i = 0; i < 5; ++i)
        static_cast<void>(time.place(i * 40 * ms));
    time.restart(3s);
    EXPECT_EQ(time.place(std::nullopt), 3160 * ms);
    EXPECT_EQ(time.place(40 * ms), 3200 * ms);
    EXPECT_EQ(time.place(80 * ms), 3240 * ms);
    EXPECT_EQ(time.counts().order + time.counts().jumps, 0U);
}

// The times of all frames of a recording, whose every raw time is known in advance as far as `known`.
std::vector<std::int64_t> place_all(timeline& time, const std::vector<std::int64_t>& raw, std::size_t known = 64,
                                    std::optional<std::int64_t> longest_gap = std::nullopt) {
    std::vector<std::int64_t> placed;
    for (std::size_t i = 0; i < raw.size(); ++i) {
        const auto coming = [&] {
            std::vector<std::int64_t> next(
                raw.begin() + static_cast<std::ptrdiff_t>(i) + 1,
                raw.begin() + static_cast<std::ptrdiff_t>(std::min(raw.size(), i + 1 + known)));
            std::ranges::sort(next);
            return next;
        };
        placed.push_back(time.place(raw[i], longest_gap, known > 0 ? timeline::outlook(coming) : timeline::outlook()));
    }
    return placed;
}

std::vector<std::int64_t> evenly(std::size_t frames, std::int64_t from = 0, std::int64_t step = 40 * ms) {
    std::vector<std::int64_t> times(frames);
    for (std::size_t i = 0; i < frames; ++i)
        times[i] = from + static_cast<std::int64_t>(i) * step;
    return times;
}

TEST(timeline, puts_a_frame_whose_time_does_not_grow_between_its_neighbours) {
    timeline time(40 * ms);
    const auto placed = place_all(time, {0, 0, 80 * ms, 80 * ms, 160 * ms, 140 * ms, 240 * ms, 280 * ms});
    EXPECT_EQ(std::ranges::adjacent_find(placed, std::ranges::greater_equal()), placed.end());
    for (std::size_t i = 0; i < placed.size(); ++i)
        EXPECT_LE(std::abs(placed[i] - evenly(8)[i]), 20 * ms) << i;
    EXPECT_EQ(time.counts().order, 3U);
    EXPECT_EQ(time.counts().jumps, 0U);
}

TEST(timeline, twins_are_put_halfway_to_the_next_frame_whatever_the_nominal_rate) {
    timeline time(100 * ms);
    EXPECT_EQ(place_all(time, {0, 0, 80 * ms, 80 * ms, 160 * ms}),
              (std::vector<std::int64_t>{0, 40 * ms, 80 * ms, 120 * ms, 160 * ms}));
}

TEST(timeline, a_clock_that_stands_still_does_not_stop_time) {
    timeline time(40 * ms);
    auto raw = evenly(5);
    raw.insert(raw.end(), 200, 160 * ms);
    const auto rest = evenly(5, 200 * ms);
    raw.insert(raw.end(), rest.begin(), rest.end());
    const auto placed = place_all(time, raw);
    EXPECT_EQ(std::ranges::adjacent_find(placed, std::ranges::greater_equal()), placed.end());
    EXPECT_EQ(time.counts().order, 200U);
}

TEST(timeline, goes_on_after_the_last_frame_when_the_clock_is_set_back_for_good) {
    // Far, and by less than two seconds; known in advance or not.
    for (const std::int64_t back : {3'600'000 * ms, 960 * ms, 400 * ms}) {
        for (const std::size_t known : {0, 64}) {
            timeline time(40 * ms);
            auto raw = evenly(100, back);
            const auto second = evenly(100, 99 * 40 * ms);
            raw.insert(raw.end(), second.begin(), second.end());
            EXPECT_EQ(place_all(time, raw, known), evenly(200)) << back << ' ' << known;
            EXPECT_EQ(time.counts().jumps, 1U) << back << ' ' << known;
            EXPECT_EQ(time.counts().outliers, 0U);
        }
    }
}

TEST(timeline, goes_on_after_the_last_frame_when_a_clock_that_may_be_set_is_set_on) {
    for (const std::size_t known : {0, 64}) {
        timeline time(40 * ms);
        auto raw = evenly(50);
        const auto second = evenly(50, 36'000'000 * ms);
        raw.insert(raw.end(), second.begin(), second.end());
        EXPECT_EQ(place_all(time, raw, known, 10'000 * ms), evenly(100));
        EXPECT_EQ(time.counts().jumps, 1U);
    }
}

TEST(timeline, keeps_the_gaps_of_a_recording_that_states_them) {
    timeline time(40 * ms);
    const std::vector<std::int64_t> lapse = {0, 25'200'000 * ms, 50'400'000 * ms, 50'400'040 * ms};
    EXPECT_EQ(place_all(time, lapse), lapse);
    EXPECT_EQ(time.counts().jumps, 0U);
}

TEST(timeline, one_wrong_time_shifts_no_other) {
    for (const std::int64_t wrong : {36'000'000 * ms, 5'000 * ms, 1'500 * ms, 300 * ms, -36'000'000 * ms, -700 * ms}) {
        for (const std::size_t wrong_frames : {1, 2, 5}) {
            timeline time(40 * ms);
            auto raw = evenly(100);
            for (std::size_t i = 0; i < wrong_frames; ++i)
                raw[50 + i] += wrong;
            const auto placed = place_all(time, raw);
            const auto right = evenly(100);
            for (std::size_t i = 0; i < placed.size(); ++i) {
                const bool mended = i >= 50 && i < 50 + wrong_frames;
                EXPECT_LE(std::abs(placed[i] - right[i]), mended ? 40 * ms : 0)
                    << wrong << ' ' << wrong_frames << ' ' << i;
            }
            EXPECT_EQ(std::ranges::adjacent_find(placed, std::ranges::greater_equal()), placed.end());
            EXPECT_EQ(time.counts().outliers, wrong_frames) << wrong;
            EXPECT_EQ(time.counts().jumps, 1U) << wrong;
        }
    }
}

TEST(timeline, a_live_clock_that_goes_on_after_wrong_times_is_taken_up_again) {
    for (const std::int64_t wrong : {36'000'000 * ms, -700 * ms}) {
        timeline time(40 * ms);
        auto raw = evenly(100);
        raw[50] += wrong;
        raw[51] += wrong;
        EXPECT_EQ(place_all(time, raw, 0, 10'000 * ms), evenly(100)) << wrong;
        EXPECT_EQ(time.counts().outliers, 2U) << wrong;
    }
}

TEST(timeline, a_wrong_first_time_is_an_outlier_too) {
    timeline time(40 * ms);
    time.set_origin(0);
    auto raw = evenly(50);
    raw[0] = 36'000'000 * ms;
    EXPECT_EQ(place_all(time, raw), evenly(50));
}

TEST(timeline, says_what_the_clock_of_the_last_frame_adds) {
    timeline time(40 * ms);
    time.set_origin(1'000 * ms);
    EXPECT_EQ(time.place(1'000 * ms), 0);
    EXPECT_EQ(time.offset(), -1'000 * ms);
    EXPECT_EQ(time.place(0), 40 * ms);
    EXPECT_EQ(time.offset(), 40 * ms);
}

TEST(timeline, an_input_that_was_lost_and_kept_its_clock_keeps_its_times) {
    timeline time(40 * ms);
    EXPECT_EQ(time.place(1'000 * ms), 0);
    time.restart(3s);
    EXPECT_EQ(time.place(3'200 * ms), 2'200 * ms);
}

TEST(timeline, goes_on_by_the_wall_clock_after_a_restart) {
    timeline time(40 * ms);
    ASSERT_EQ(time.place(7000 * ms), 0);
    ASSERT_EQ(time.place(7040 * ms), 40 * ms);
    time.restart(3s);
    EXPECT_EQ(time.place(123 * ms), 3040 * ms);
    EXPECT_EQ(time.place(163 * ms), 3080 * ms);
    time.restart(0s);
    EXPECT_EQ(time.place(0), 3120 * ms);
}

TEST(backoff, doubles_from_250_ms_to_4_s) {
    const backoff::clock::time_point start{};
    backoff pauses(start, 60s);
    for (const auto expected : {250ms, 500ms, 1000ms, 2000ms, 4000ms, 4000ms})
        EXPECT_EQ(pauses.pause(start), expected);
}

TEST(backoff, never_reaches_past_its_end) {
    const backoff::clock::time_point start{};
    backoff pauses(start, 600ms);
    EXPECT_EQ(pauses.pause(start), 250ms);
    EXPECT_EQ(pauses.pause(start + 250ms), 350ms);
    EXPECT_FALSE(pauses.exhausted(start + 599ms));
    EXPECT_TRUE(pauses.exhausted(start + 600ms));
    EXPECT_EQ(pauses.left(start + 700ms), 0ms);
}

TEST(backoff, may_never_end) {
    const auto now = backoff::clock::now();
    const backoff pauses(now, std::chrono::milliseconds::max());
    EXPECT_FALSE(pauses.exhausted(now + std::chrono::hours(24 * 365)));
}

TEST(natural_order, numbers_count_as_numbers) {
    EXPECT_TRUE(natural_less("img2.png", "img10.png"));
    EXPECT_FALSE(natural_less("img10.png", "img2.png"));
    EXPECT_TRUE(natural_less("a1b2", "a1b10"));
    EXPECT_TRUE(natural_less("img9.png", "img0010.png"));
    EXPECT_TRUE(natural_less("99999999999999999999998", "99999999999999999999999"));
}

TEST(natural_order, is_a_strict_order) {
    const char* names[] = {"", "1", "01", "a", "A", "a1", "a01", "a1.png", "b"};
    for (const char* a : names) {
        EXPECT_FALSE(natural_less(a, a)) << a;
        for (const char* b : names) {
            if (std::string_view(a) != b) {
                EXPECT_NE(natural_less(a, b), natural_less(b, a)) << a << ' ' << b;
            }
        }
    }
}

TEST(natural_order, pictures_are_known_by_their_extension) {
    EXPECT_TRUE(has_picture_extension("a/b.JPG"));
    EXPECT_TRUE(has_picture_extension("x.y.webp"));
    EXPECT_FALSE(has_picture_extension("png"));
    EXPECT_FALSE(has_picture_extension("a.png/b"));
    EXPECT_FALSE(has_picture_extension("video.mp4"));
}

}  // namespace
}  // namespace faceflow::internal::media
