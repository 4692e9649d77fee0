// SPDX-License-Identifier: Apache-2.0
// Blinks in openness whose course is known.
#include "vision/blinks.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <numbers>
#include <random>
#include <vector>

namespace faceflow::internal::vision {
namespace {

constexpr float wide_open = 0.3f;

// Eyes that shut at some times, each for so long (from where they begin to close to where they are open again).
struct lid_course {
    std::vector<double> at;
    double seconds = 0.2;
    double depth = 0.85;

    [[nodiscard]] float operator()(double t) const {
        for (const double begin : at) {
            const double along = (t - begin) / seconds;
            if (along > 0 && along < 1)
                return wide_open * static_cast<float>(1 - depth * std::pow(std::sin(along * std::numbers::pi), 2));
        }
        return wide_open;
    }
};

std::int64_t nanoseconds(double seconds) {
    return std::llround(seconds * 1e9);
}

std::vector<blink> blinks_in(const std::function<float(double)>& openness, double fps, double seconds = 10,
                             blink_detector detector = blink_detector()) {
    std::vector<blink> found;
    for (int i = 0; i < static_cast<int>(seconds * fps); ++i) {
        if (const auto b = detector.update(nanoseconds(i / fps), openness(i / fps))) found.push_back(*b);
    }
    return found;
}

TEST(blinks, are_found_at_any_frame_rate_and_only_these) {
    const lid_course eyes{{2.013, 3.5, 5.27, 5.77, 8.1}};
    for (const double fps : {15.0, 25.0, 29.97, 30.0, 60.0, 120.0}) {
        const auto found = blinks_in(eyes, fps);
        ASSERT_EQ(found.size(), eyes.at.size()) << fps;
        for (std::size_t i = 0; i < found.size(); ++i) {
            const double frame = 1e9 / fps;
            // They pass 80 % of open at 0.16 of their course and at 0.84.
            EXPECT_NEAR(static_cast<double>(found[i].onset_ns), (eyes.at[i] + 0.032) * 1e9, 0.5 * frame) << fps;
            EXPECT_NEAR(static_cast<double>(found[i].apex_ns), (eyes.at[i] + 0.1) * 1e9, 0.6 * frame) << fps;
            EXPECT_NEAR(static_cast<double>(found[i].offset_ns), (eyes.at[i] + 0.168) * 1e9, 0.5 * frame) << fps;
            EXPECT_GT(found[i].depth, 0.5f);
            EXPECT_LT(found[i].depth, 0.86f);
        }
    }
}

TEST(blinks, are_found_at_ten_frames_a_second_when_a_frame_falls_into_them) {
    EXPECT_EQ(blinks_in(lid_course{{2.0, 4.0, 6.0}, 0.3}, 10).size(), 3u);
}

TEST(blinks, are_none_in_noise_and_in_slow_changes) {
    for (const double fps : {15.0, 30.0, 60.0}) {
        std::mt19937 rng(3);
        std::normal_distribution<float> noise(0, 0.015f);
        EXPECT_TRUE(blinks_in([&](double) { return wide_open + noise(rng); }, fps, 60).empty()) << fps;
        const auto swaying = [](double t) { return wide_open * static_cast<float>(0.8 + 0.2 * std::cos(t)); };
        EXPECT_TRUE(blinks_in(swaying, fps, 60).empty()) << fps;
    }
}

TEST(blinks, are_found_in_noise) {
    std::mt19937 rng(4);
    std::normal_distribution<float> noise(0, 0.01f);
    const lid_course eyes{{2, 4, 6, 8}};
    EXPECT_EQ(blinks_in([&](double t) { return eyes(t) + noise(rng); }, 30).size(), 4u);
}

TEST(blinks, go_by_what_is_open_for_each_face) {
    const lid_course eyes{{2, 4, 6}};
    for (const float as_open : {0.5f, 0.7f, 1.5f})
        EXPECT_EQ(blinks_in([&](double t) { return as_open * eyes(t); }, 30).size(), 3u) << as_open;
}

TEST(blinks, are_not_long_closures_nor_single_wrong_frames) {
    EXPECT_TRUE(blinks_in(lid_course{{3}, 1.5}, 30).empty());
    const auto asleep = [](double t) { return t > 3 && t < 6 ? 0.05f : wide_open; };
    EXPECT_TRUE(blinks_in(asleep, 30).empty());
    const auto one_wrong = [](double t) { return std::abs(t - 3) < 0.001 ? 0.1f : wide_open; };
    EXPECT_TRUE(blinks_in(one_wrong, 60).empty());
}

TEST(blinks, are_not_half_closures) {
    EXPECT_TRUE(blinks_in(lid_course{{3, 5}, 0.3, 0.3}, 30).empty());
}

TEST(blinks, are_found_again_after_a_long_closure_and_a_long_look_down) {
    const lid_course after{{8}};
    const auto opened = [&](double t) { return t > 3 && t < 6 ? 0.05f : after(t); };
    EXPECT_EQ(blinks_in(opened, 30).size(), 1u);
    const auto looks_down = [&](double t) { return t > 3 ? 0.6f * after(t) : wide_open; };
    EXPECT_EQ(blinks_in(looks_down, 30).size(), 1u) << "what is open has become less";
}

TEST(blinks, with_a_gap_in_them_are_given_up) {
    blink_detector d;
    const lid_course eyes{{2, 4}};
    std::vector<blink> found;
    for (int i = 0; i < 180; ++i) {
        if (i > 61 && i < 66) continue;  // in the first, 167 ms
        if (const auto b = d.update(nanoseconds(i / 30.0), eyes(i / 30.0))) found.push_back(*b);
    }
    ASSERT_EQ(found.size(), 1u);
    EXPECT_GT(found[0].onset_ns, nanoseconds(4));
}

TEST(blinks, get_over_a_lost_frame_and_a_number_that_is_none) {
    for (const bool lost : {false, true}) {
        blink_detector d;
        const lid_course eyes{{2}};
        int found = 0;
        for (int i = 0; i < 90; ++i) {
            if (i == 63 && lost) continue;
            const float openness = i == 63 ? std::numeric_limits<float>::quiet_NaN() : eyes(i / 30.0);
            found += d.update(nanoseconds(i / 30.0), openness) ? 1 : 0;
        }
        EXPECT_EQ(found, 1);
    }
}

TEST(blinks, in_numbers_that_are_none_are_none) {
    const auto nothing = [](double) { return std::numeric_limits<float>::quiet_NaN(); };
    EXPECT_TRUE(blinks_in(nothing, 30).empty());
    const auto zero = [](double) { return 0.0f; };
    EXPECT_TRUE(blinks_in(zero, 30).empty());
}

TEST(blinks, are_none_before_it_is_known_what_is_open) {
    EXPECT_TRUE(blinks_in(lid_course{{0.1}}, 30).empty());
    EXPECT_EQ(blinks_in(lid_course{{0.7}}, 30).size(), 1u);
}

TEST(blinks, start_anew_where_time_stands_still_or_goes_back) {
    blink_detector d;
    const lid_course eyes{{1.0}};
    constexpr auto last = std::numeric_limits<std::int64_t>::max(), first = std::numeric_limits<std::int64_t>::min();
    int found = 0;
    for (const std::int64_t begin : {first, std::int64_t{0}, std::int64_t{0}, last - nanoseconds(2), first}) {
        for (int i = 0; i < 60; ++i)
            found += d.update(begin + nanoseconds(i / 30.0), eyes(i / 30.0)) ? 1 : 0;
        EXPECT_FALSE(d.update(begin + nanoseconds(59 / 30.0), 0.1f));
    }
    EXPECT_EQ(found, 5);
}

TEST(blinks, are_the_same_each_time) {
    std::vector<std::vector<blink>> runs;
    for (int run = 0; run < 2; ++run) {
        std::mt19937 rng(9);
        std::normal_distribution<float> noise(0, 0.02f);
        const lid_course eyes{{2, 3, 5, 6.3, 8}};
        runs.push_back(blinks_in([&](double t) { return eyes(t) + noise(rng); }, 30));
    }
    ASSERT_EQ(runs[0].size(), runs[1].size());
    for (std::size_t i = 0; i < runs[0].size(); ++i) {
        EXPECT_EQ(runs[0][i].onset_ns, runs[1][i].onset_ns);
        EXPECT_EQ(runs[0][i].offset_ns, runs[1][i].offset_ns);
    }
}

}  // namespace
}  // namespace faceflow::internal::vision
