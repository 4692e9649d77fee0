// SPDX-License-Identifier: Apache-2.0
// What is measured of faces from frame to frame.
#include "vision/measurer.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#include "helpers/synthetic_face.hpp"

namespace faceflow::internal::vision {
namespace {

using test::synthetic_face;

frame_faces synthetic_frame(double seconds, const synthetic_face& s) {
    return {{}, static_cast<std::int64_t>(std::llround(seconds * 1e9)), 1920, 1080, {s.made()}};
}

face_measures second_of(face_measurer& m, double seconds, const synthetic_face& s) {
    frame_faces frame = synthetic_frame(seconds, s);
    m.update(frame);
    return frame.faces[0].measures;
}

TEST(face_measurer, tells_how_fast_a_head_turns) {
    face_measurer m;
    const face_measures first = second_of(m, 0, {.head = {10, 5, 0}});
    EXPECT_TRUE(std::isnan(first.yaw_rate) && std::isnan(first.turn_rate));
    const face_measures turns = second_of(m, 0.04, {.head = {12, 5, 0}});
    EXPECT_NEAR(turns.yaw_rate, 50, 1);
    EXPECT_NEAR(turns.pitch_rate, 0, 1);
    EXPECT_NEAR(turns.turn_rate, 50 * std::cos(5 * test::radians), 1);
    const face_measures still = second_of(m, 0.08, {.head = {12, 5, 0}});
    EXPECT_EQ(still.yaw_rate, 0);
    EXPECT_NEAR(still.turn_rate, 0, 0.01);
}

TEST(face_measurer, tells_how_fast_openfaces_angles_change_where_asked) {
    const auto second = [](const measurer_options& options) {
        face_measurer m(options);
        frame_faces before = synthetic_frame(0, {.head = {10, 0, 0}}),
                    now = synthetic_frame(0.04, {.head = {12, 0, 0}});
        m.update(before);
        EXPECT_TRUE(std::isnan(before.faces[0].openface.ry_rate));
        m.update(now);
        return now.faces[0].openface;
    };
    const openface_pose asked = second({.openface = true});
    EXPECT_NEAR(asked.ry_rate, -50 * test::radians, 0.02);
    EXPECT_NEAR(asked.rx_rate, 0, 0.02);
    EXPECT_TRUE(std::isnan(second({}).ry_rate));
}

TEST(face_measurer, goes_the_short_way_round_a_full_turn) {
    face_measurer m;
    second_of(m, 0, {.head = {0, 0, 179}});
    EXPECT_NEAR(second_of(m, 0.1, {.head = {0, 0, -179}}).roll_rate, 20, 1);
}

TEST(face_measurer, keeps_what_the_pixels_told) {
    face_measurer m;
    frame_faces frame = synthetic_frame(0, {});
    frame.faces[0].measures.brightness = 100;
    frame.faces[0].measures.contrast = 20;
    frame.faces[0].measures.sharpness = 300;
    m.update(frame);
    const face_measures& got = frame.faces[0].measures;
    EXPECT_EQ(got.brightness, 100);
    EXPECT_EQ(got.contrast, 20);
    EXPECT_EQ(got.sharpness, 300);
    EXPECT_GT(got.facing, 0.9f);
}

TEST(face_measurer, has_no_rate_over_gaps_and_times_that_do_not_grow) {
    face_measurer m;
    second_of(m, 0, {});
    EXPECT_TRUE(std::isnan(second_of(m, 1.5, {}).yaw_rate));
    EXPECT_TRUE(std::isnan(second_of(m, 1.5, {}).yaw_rate));
    EXPECT_TRUE(std::isnan(second_of(m, 0.5, {}).yaw_rate));
    EXPECT_EQ(second_of(m, 0.6, {}).yaw_rate, 0);
}

TEST(face_measurer, gives_the_blinks_of_each_track_with_the_frame_that_ends_them) {
    face_measurer m;
    std::vector<std::pair<int, blink>> seen;
    for (int i = 0; i < 90; ++i) {
        frame_faces frame = synthetic_frame(i / 30.0, {.lids = i >= 60 && i < 65 ? 0.1 : 1.0});
        frame.faces.push_back(synthetic_face{}.made());
        frame.faces[0].track = 7;
        frame.faces[1].track = 8;
        m.update(frame);
        for (const blink& b : frame.blinks)
            seen.emplace_back(i, b);
    }
    ASSERT_EQ(seen.size(), 1u);
    EXPECT_EQ(seen[0].first, 65);
    EXPECT_EQ(seen[0].second.track, 7);
    EXPECT_EQ(seen[0].second.apex_ns, 2'000'000'000);
    EXPECT_NEAR(seen[0].second.depth, 0.9, 0.01);
}

TEST(face_measurer, leaves_faces_without_a_track_without_a_past) {
    face_measurer m;
    for (int i = 0; i < 3; ++i) {
        frame_faces frame = synthetic_frame(i / 30.0, {});
        frame.faces[0].track = 0;
        m.update(frame);
        EXPECT_TRUE(std::isnan(frame.faces[0].measures.yaw_rate));
        EXPECT_TRUE(std::isfinite(frame.faces[0].measures.eye_open_left));
    }
}

}  // namespace
}  // namespace faceflow::internal::vision
