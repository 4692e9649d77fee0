#include "media/timeline.hpp"

#include <gtest/gtest.h>

#include "media/natural_order.hpp"
#include "media/reconnect.hpp"

namespace faceflow::media {
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

TEST(timeline, rejects_frames_that_are_out_of_order) {
    timeline time(40 * ms);
    ASSERT_EQ(time.place(0), 0);
    ASSERT_EQ(time.place(80 * ms), 80 * ms);
    EXPECT_EQ(time.place(80 * ms), std::nullopt);
    EXPECT_EQ(time.event(), timeline_event::out_of_order);
    EXPECT_EQ(time.place(40 * ms), std::nullopt);
    EXPECT_EQ(time.place(120 * ms), 120 * ms);
    EXPECT_EQ(time.event(), timeline_event::none);
}

TEST(timeline, goes_on_when_the_clock_is_set_back_far) {
    timeline time(40 * ms);
    ASSERT_EQ(time.place(10'000 * ms), 0);
    ASSERT_EQ(time.place(20'000 * ms), 10'000 * ms);
    EXPECT_EQ(time.place(1000 * ms), 10'040 * ms);
    EXPECT_EQ(time.event(), timeline_event::jump);
    EXPECT_EQ(time.place(1033 * ms), 10'073 * ms);
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
}  // namespace faceflow::media
