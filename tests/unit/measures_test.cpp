// SPDX-License-Identifier: Apache-2.0
// What is measured of faces whose expression and pose are known.
#include "vision/measures.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>

#include "helpers/synthetic_face.hpp"

namespace faceflow::internal::vision {
namespace {

using test::synthetic_face;

std::array<float, 6> lengths_of(const face_measures& m) {
    return {m.eye_open_right, m.eye_open_left, m.mouth_open, m.smile_width, m.brow_right, m.brow_left};
}

TEST(measures, of_lengths_stay_as_they_are_when_the_head_turns) {
    const auto straight = lengths_of(measure(synthetic_face{}.made()));
    for (const double yaw : {-60.0, -30.0, 15.0, 45.0}) {
        for (const double pitch : {-30.0, 0.0, 25.0}) {
            for (const double roll : {-40.0, 0.0, 90.0}) {
                const auto now = lengths_of(measure(synthetic_face{.head = {yaw, pitch, roll}}.made()));
                for (std::size_t i = 0; i < now.size(); ++i)
                    EXPECT_NEAR(now[i], straight[i], 0.002 * straight[i]) << i << " at " << yaw << ", " << pitch;
            }
        }
    }
}

TEST(measures, of_lengths_stay_within_a_tenth_near_a_camera) {
    const auto straight = lengths_of(measure(synthetic_face{}.made()));
    for (const double yaw : {-30.0, 0.0, 30.0}) {
        const auto now = lengths_of(measure(synthetic_face{.head = {yaw, 10, 0}, .distance_cm = 60}.made()));
        for (std::size_t i = 0; i < now.size(); ++i)
            EXPECT_NEAR(now[i], straight[i], 0.1 * straight[i]) << i << " at " << yaw;
    }
}

TEST(measures, of_near_and_far_faces_are_the_same) {
    const face_measures near = measure(synthetic_face{.gaze = {10, -5, 0}, .scale = 100}.made());
    const face_measures far = measure(synthetic_face{.gaze = {10, -5, 0}, .scale = 4}.made());
    for (std::size_t i = 0; i < lengths_of(near).size(); ++i)
        EXPECT_NEAR(lengths_of(near)[i], lengths_of(far)[i], 1e-3);
    EXPECT_NEAR(near.gaze_right_yaw, far.gaze_right_yaw, 0.05);
    EXPECT_NEAR(near.facing, far.facing, 1e-3);
}

TEST(measures, eyes_that_shut_are_less_open_and_change_nothing_else) {
    const face_measures open = measure(synthetic_face{}.made()), half = measure(synthetic_face{.lids = 0.5}.made()),
                        shut = measure(synthetic_face{.lids = 0}.made());
    EXPECT_GT(open.eye_open_right, 0.2f);
    EXPECT_LT(open.eye_open_right, 0.4f);
    EXPECT_NEAR(half.eye_open_left, 0.5f * open.eye_open_left, 1e-3);
    EXPECT_NEAR(shut.eye_open_right, 0, 1e-3);
    EXPECT_NEAR(shut.brow_right, open.brow_right, 1e-4);
    EXPECT_NEAR(shut.mouth_open, open.mouth_open, 1e-4);
}

TEST(measures, each_side_is_the_person_s_own) {
    face f = synthetic_face{}.made();
    const face_measures before = measure(f);
    for (const std::size_t i : {160, 158})  // upper lid of the eye that is left in the picture
        f.landmarks[i].y -= 5;
    for (const std::size_t i : {293, 334, 296, 283, 282, 295})  // brow that is right in the picture
        f.landmarks[i].y -= 5;
    const face_measures after = measure(f);
    EXPECT_GT(after.eye_open_right, before.eye_open_right + 0.01f);
    EXPECT_EQ(after.eye_open_left, before.eye_open_left);
    EXPECT_GT(after.brow_left, before.brow_left + 0.01f);
    EXPECT_EQ(after.brow_right, before.brow_right);
}

TEST(measures, an_open_mouth_and_a_smile_are_seen) {
    face f = synthetic_face{}.made();
    const face_measures before = measure(f);
    f.landmarks[14].y += 0.1f * 8.89f * 40;
    f.landmarks[61].x -= 0.05f * 8.89f * 40;
    const face_measures after = measure(f);
    EXPECT_NEAR(after.mouth_open - before.mouth_open, 0.1, 0.005);
    EXPECT_NEAR(after.smile_width - before.smile_width, 0.05, 0.005);
}

TEST(facing, is_whole_from_the_front_and_half_in_profile) {
    EXPECT_GT(measure(synthetic_face{}.made()).facing, 0.99f);
    EXPECT_NEAR(measure(synthetic_face{.head = {90, 0, 0}}.made()).facing, 0.5, 0.01);
    float before = 1;
    for (const double yaw : {15.0, 30.0, 45.0, 60.0, 75.0}) {
        const float left = measure(synthetic_face{.head = {yaw, 0, 0}}.made()).facing;
        EXPECT_NEAR(left, measure(synthetic_face{.head = {-yaw, 0, 0}}.made()).facing, 0.01);
        EXPECT_LT(left, before);
        before = left;
    }
}

TEST(measures, of_numbers_that_are_none_are_none_and_crash_nothing) {
    constexpr float nan = std::numeric_limits<float>::quiet_NaN(), infinite = std::numeric_limits<float>::infinity();
    for (const float wrong : {nan, infinite, -infinite, 1e30f}) {
        for (const std::size_t i : {33u, 133u, 160u, 14u, 61u, 105u, 468u, 473u}) {
            face f = synthetic_face{}.made();
            f.landmarks[i] = {wrong, wrong, wrong};
            [[maybe_unused]] const face_measures m = measure(f);
        }
        face f = synthetic_face{}.made();
        f.landmarks[160].x = wrong;
        EXPECT_FALSE(std::isfinite(measure(f).eye_open_right));
        EXPECT_TRUE(std::isfinite(measure(f).eye_open_left));
        f = synthetic_face{}.made();
        f.pose.matrix.fill(wrong);
        EXPECT_FALSE(std::isfinite(measure(f).facing));
        EXPECT_FALSE(std::isfinite(measure(f).gaze_right_yaw));
    }
    const face_measures empty = measure(face{});
    EXPECT_TRUE(std::isnan(empty.eye_open_right) && std::isnan(empty.brow_left) && std::isnan(empty.gaze_left_yaw) &&
                std::isnan(empty.facing));
}

// A portrait that looks into the camera (tests/data/goldens), as the model's own runtime sees it in two crops.
TEST(measures, of_a_portrait_are_those_of_open_eyes_that_look_into_the_camera) {
    for (const std::string name : {"crop0", "crop1"}) {
        std::ifstream file(FACEFLOW_TEST_DATA "/goldens/" + name + ".landmarks478.json");
        const auto marks = nlohmann::json::parse(file);
        face f;
        for (std::size_t i = 0; i < f.landmarks.size(); ++i)
            f.landmarks[i] = {marks[i][0].get<float>(), marks[i][1].get<float>(), marks[i][2].get<float>()};
        test::find_pose(f, 192, 192);
        const face_measures m = measure(f);
        for (const float open : {m.eye_open_right, m.eye_open_left})
            EXPECT_NEAR(open, 0.32, 0.03) << name;
        for (const float gaze :
             {m.gaze_camera_right_yaw, m.gaze_camera_left_yaw, m.gaze_camera_right_pitch, m.gaze_camera_left_pitch})
            EXPECT_NEAR(gaze, 0, 10) << name;
        EXPECT_GT(m.facing, 0.9f);
    }
}

}  // namespace
}  // namespace faceflow::internal::vision