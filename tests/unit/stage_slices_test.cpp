// SPDX-License-Identifier: Apache-2.0
// What stage processes tell of their work, and what their owner believes of it.
#include "flow/multi_process/stage_slices.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <thread>

#include "support.hpp"

namespace faceflow::internal::flow {
namespace {

using std::chrono::microseconds;
using clock = trace::clock;

std::int64_t ticks(clock::time_point t) {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(t.time_since_epoch()).count();
}

TEST(slice_log, tells_each_thing_once_with_its_frame_stage_and_times) {
    slice_log log(false);
    trace& t = log.recorder();
    const auto now = clock::now();
    const auto row = t.row_of("detect");
    t.span(row, name(stage::detect), now + microseconds(3), now + microseconds(9), {1, 42});
    trace::crossing c;
    c.up = false;
    c.bytes = 4096;
    c.pinned = true;
    c.stage = name(stage::region);
    c.frame = {1, 43};
    c.enqueued = now + microseconds(10);
    c.begin = now + microseconds(11);
    c.end = now + microseconds(12);
    c.from = c.to = row;
    t.transfer(c);
    const auto told = log.take();
    ASSERT_EQ(told.size(), 2u);
    EXPECT_EQ(told[0].what, slice_kind::work);
    EXPECT_EQ(told[0].at, static_cast<std::uint8_t>(stage::detect));
    EXPECT_EQ(told[0].source, 1u);
    EXPECT_EQ(told[0].sequence, 42u);
    EXPECT_EQ(told[0].begin, ticks(now + microseconds(3)));
    EXPECT_EQ(told[0].end, ticks(now + microseconds(9)));
    EXPECT_EQ(told[1].what, slice_kind::download);
    EXPECT_EQ(told[1].at, static_cast<std::uint8_t>(stage::region));
    EXPECT_EQ(told[1].bytes, 4096u);
    EXPECT_EQ(told[1].pinned, 1u);
    EXPECT_EQ(told[1].enqueued, ticks(now + microseconds(10)));
    EXPECT_TRUE(log.take().empty());
}

TEST(slice_log, a_stage_that_went_face_by_face_is_one_slice_where_whole_ones_are_asked_for) {
    const auto now = clock::now();
    for (const bool whole : {true, false}) {
        slice_log log(whole);
        trace& t = log.recorder();
        const auto row = t.row_of("region");
        for (int i = 0; i < 4; ++i)
            t.span(row, name(stage::region), now + microseconds(10 * i), now + microseconds(10 * i + 5), {0, 7});
        t.span(row, name(stage::landmark), now + microseconds(50), now + microseconds(60), {0, 7});
        const auto told = log.take();
        ASSERT_EQ(told.size(), whole ? 2u : 5u);
        EXPECT_EQ(told[0].begin, ticks(now));
        EXPECT_EQ(told[0].end, ticks(now + microseconds(whole ? 35 : 5)));
    }
}

TEST(slice_log, what_one_message_has_no_room_for_comes_with_the_next) {
    slice_log log(false);
    const auto row = log.recorder().row_of("detect");
    for (std::uint64_t i = 0; i < max_slices + 10; ++i)
        log.recorder().span(row, name(stage::detect), clock::now(), clock::now(), {0, i});
    EXPECT_EQ(log.take().size(), max_slices);
    const auto rest = log.take();
    ASSERT_EQ(rest.size(), 10u);
    EXPECT_EQ(rest.back().sequence, max_slices + 9);
}

class slices_told : public testing::Test {
protected:
    void SetUp() override {
        before_ = ticks(clock::now());
        book.begin({0, 5});
        good.sequence = 5;
        good.at = static_cast<std::uint8_t>(stage::detect);
        good.enqueued = good.begin = ticks(clock::now());
        good.end = ticks(clock::now());
    }
    std::size_t refused(const stage_slice& s) { return book.draw(stage_role::detect, std::span(&s, 1)); }
    std::size_t refused(const std::function<void(stage_slice&)>& change) {
        stage_slice s = good;
        change(s);
        return refused(s);
    }

    trace into;
    slice_trace book{into, ""};
    stage_slice good;
    std::int64_t before_ = 0;
};

TEST_F(slices_told, that_lie_within_their_frame_are_drawn) {
    EXPECT_EQ(refused(good), 0u);
    book.end({0, 5});
    EXPECT_EQ(refused(good), 0u) << "told with the reply to a later frame";
    EXPECT_EQ(into.recorded(), 2u);
}

TEST_F(slices_told, that_make_no_sense_are_left_out) {
    EXPECT_EQ(refused([](auto& s) { s.end = s.begin - 1; }), 1u) << "ends before it begins";
    EXPECT_EQ(refused([](auto& s) { s.enqueued = s.begin + 1; }), 1u) << "begins before it was asked for";
    EXPECT_EQ(refused([this](auto& s) { s.enqueued = s.begin = before_ - 1000; }), 1u) << "before the frame came";
    EXPECT_EQ(refused([](auto& s) { s.end += 3'600'000'000'000; }), 1u) << "in the future";
    EXPECT_EQ(refused([](auto& s) { s.begin = s.enqueued = INT64_MIN; }), 1u);
    EXPECT_EQ(refused([](auto& s) { s.end = INT64_MAX; }), 1u);
    EXPECT_EQ(refused([](auto& s) { s.at = 200; }), 1u) << "no such stage";
    EXPECT_EQ(refused([](auto& s) { s.what = static_cast<slice_kind>(9); }), 1u) << "no such kind";
    EXPECT_EQ(refused([](auto& s) { s.sequence = 6; }), 1u) << "a frame that never was";
    EXPECT_EQ(refused([](auto& s) { s.source = 3; }), 1u) << "a source that never was";
    EXPECT_EQ(into.recorded(), 0u);
}

TEST_F(slices_told, of_a_time_after_the_frame_was_through_are_left_out) {
    book.end({0, 5});
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    EXPECT_EQ(refused([](auto& s) { s.end = ticks(clock::now()); }), 1u);
}

TEST_F(slices_told, of_frames_long_gone_are_left_out) {
    book.end({0, 5});
    for (std::uint64_t i = 100; i < 500; ++i) {
        book.begin({0, i});
        book.end({0, i});
    }
    EXPECT_EQ(refused(good), 1u);
}

}  // namespace
}  // namespace faceflow::internal::flow
