// SPDX-License-Identifier: Apache-2.0
// Changes of faces whose first seconds are known.
#include "vision/baseline.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>

#include "helpers/synthetic_face.hpp"
#include "vision/measurer.hpp"

namespace faceflow::internal::vision {
namespace {

constexpr std::int64_t second = 1'000'000'000, step = second / 25;

face face_with(float mouth, float presence = 1, float facing = 1) {
    face f;
    f.presence = presence;
    f.measures.facing = facing;
    f.measures.eye_open_right = f.measures.eye_open_left = 0.3f;
    f.measures.smile_width = 0.5f;
    f.measures.brow_right = f.measures.brow_left = 0.3f;
    f.measures.mouth_open = mouth;
    return f;
}

// One second, in 26 frames.
face_baseline after_a_second_of(float mouth) {
    face_baseline b({.length_ns = second});
    for (int i = 0; i <= 25; ++i)
        EXPECT_TRUE(std::isnan(b.update(face_with(mouth), i == 0 ? 0 : step).mouth_open)) << i;
    return b;
}

TEST(baseline, is_the_zero_of_what_follows) {
    face_baseline b = after_a_second_of(0.05f);
    EXPECT_NEAR(b.update(face_with(0.25f), step).mouth_open, 0.2, 1e-6);
    EXPECT_NEAR(b.update(face_with(0.01f), step).mouth_open, -0.04, 1e-6);
    face other = face_with(0.05f);
    other.measures.eye_open_right = 0.1f;
    other.measures.eye_open_left = 0.2f;
    other.measures.smile_width = 0.7f;
    other.measures.brow_right = 0.35f;
    other.measures.brow_left = 0.25f;
    const face_changes c = b.update(other, step);
    EXPECT_NEAR(c.eye_open_right, -0.2, 1e-6);
    EXPECT_NEAR(c.eye_open_left, -0.1, 1e-6);
    EXPECT_NEAR(c.mouth_open, 0, 1e-6);
    EXPECT_NEAR(c.smile_width, 0.2, 1e-6);
    EXPECT_NEAR(c.brow_right, 0.05, 1e-6);
    EXPECT_NEAR(c.brow_left, -0.05, 1e-6);
}

TEST(baseline, stays_as_it_is_once_it_is_known) {
    face_baseline b = after_a_second_of(0.05f);
    for (int i = 0; i < 500; ++i)
        EXPECT_NEAR(b.update(face_with(0.5f), step).mouth_open, 0.45, 1e-6);
}

TEST(baseline, is_a_median_that_a_word_does_not_move) {
    face_baseline b({.length_ns = second});
    for (int i = 0; i <= 25; ++i)
        (void)b.update(face_with(i % 5 == 0 ? 0.6f : 0.02f), i == 0 ? 0 : step);
    EXPECT_NEAR(b.update(face_with(0.02f), step).mouth_open, 0, 1e-6);
    face_baseline even({.length_ns = 3 * step});
    for (const float mouth : {0.1f, 0.4f, 0.2f, 0.3f})
        (void)even.update(face_with(mouth), mouth == 0.1f ? 0 : step);
    EXPECT_NEAR(even.update(face_with(0), step).mouth_open, -0.25, 1e-6) << "between the two in the middle";
}

TEST(baseline, waits_for_frames_that_are_seen_well) {
    face_baseline b({.length_ns = second});
    for (int i = 0; i < 100; ++i) {
        EXPECT_TRUE(std::isnan(b.update(face_with(0.9f, 0.6f), step).mouth_open));
        EXPECT_TRUE(std::isnan(b.update(face_with(0.9f, 1, 0.6f), step).mouth_open));
        EXPECT_TRUE(std::isnan(b.update(face_with(0.9f, 1, not_measured), step).mouth_open));
    }
    for (int i = 0; i < 25; ++i)
        EXPECT_TRUE(std::isnan(b.update(face_with(0.1f), step).mouth_open)) << i;
    EXPECT_NEAR(b.update(face_with(0.1f), step).mouth_open, 0, 1e-6);
}

TEST(baseline, takes_its_seconds_by_time_not_by_frames) {
    face_baseline slow({.length_ns = second});
    EXPECT_TRUE(std::isnan(slow.update(face_with(0.1f), 0).mouth_open));
    EXPECT_TRUE(std::isnan(slow.update(face_with(0.1f), second / 2).mouth_open));
    EXPECT_TRUE(std::isnan(slow.update(face_with(0.1f), second / 2).mouth_open));
    EXPECT_NEAR(slow.update(face_with(0.1f), second / 2).mouth_open, 0, 1e-6);
}

TEST(baseline, goes_without_what_was_never_measured) {
    face_baseline b({.length_ns = second});
    face f = face_with(not_measured);
    for (int i = 0; i <= 25; ++i)
        (void)b.update(f, i == 0 ? 0 : step);
    const face_changes c = b.update(face_with(0.5f), step);
    EXPECT_TRUE(std::isnan(c.mouth_open));
    EXPECT_NEAR(c.smile_width, 0, 1e-6);
}

TEST(baseline, of_very_many_frames_is_that_of_some_of_them) {
    face_baseline b({.length_ns = 600 * second});
    std::int64_t taken = 0;
    for (int i = 0; taken < 600 * second; ++i) {
        const std::int64_t between = i == 0 ? 0 : second / 100;
        taken += between;
        ASSERT_TRUE(std::isnan(b.update(face_with(static_cast<float>(i % 1000) / 1000), between).mouth_open)) << i;
    }
    EXPECT_NEAR(b.update(face_with(0.5f), step).mouth_open, 0, 0.02);
}

// ---- of tracks ------------------------------------------------------------------------------------------------------

frame_faces frame_at(int number, double lids, std::int64_t track = 1) {
    frame_faces frame{{}, number * step, 1920, 1080, {test::synthetic_face{.lids = lids}.made()}};
    frame.faces[0].track = track;
    frame.faces[0].presence = 1;
    return frame;
}

float change_of(face_measurer& m, frame_faces frame) {
    m.update(frame);
    return frame.faces[0].changes.eye_open_right;
}

TEST(face_measurer_with_a_baseline, has_one_for_each_track) {
    face_measurer m({.baseline_seconds = 1});
    for (int i = 0; i <= 25; ++i)
        EXPECT_TRUE(std::isnan(change_of(m, frame_at(i, 1))));
    EXPECT_NEAR(change_of(m, frame_at(26, 1)), 0, 1e-3);
    EXPECT_LT(change_of(m, frame_at(27, 0.5)), -0.05f);
    for (int i = 28; i <= 53; ++i)
        EXPECT_TRUE(std::isnan(change_of(m, frame_at(i, 0.5, 2)))) << i;
    EXPECT_NEAR(change_of(m, frame_at(54, 0.5, 2)), 0, 1e-3);
    m.forget();
    EXPECT_TRUE(std::isnan(change_of(m, frame_at(55, 0.5, 2))));
}

TEST(face_measurer_with_a_baseline, has_changes_only_where_asked) {
    face_measurer m;
    for (int i = 0; i < 100; ++i)
        EXPECT_TRUE(std::isnan(change_of(m, frame_at(i, 1))));
}

TEST(face_measurer_with_a_baseline, has_none_of_faces_without_a_track) {
    face_measurer m({.baseline_seconds = 0.1});
    for (int i = 0; i < 10; ++i)
        EXPECT_TRUE(std::isnan(change_of(m, frame_at(i, 1, 0))));
}

}  // namespace
}  // namespace faceflow::internal::vision
