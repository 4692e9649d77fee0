// SPDX-License-Identifier: Apache-2.0
#include "vision/one_euro.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

namespace faceflow::vision {
namespace {

constexpr std::int64_t second = 1'000'000'000;

face still_face(float side = 200) {
    face f;
    f.track = 1;
    f.box = {400, 300, side, side};
    for (std::size_t i = 0; i < f.landmarks.size(); ++i) {
        const auto t = static_cast<float>(i) / landmark_count;
        f.landmarks[i] = {400 + side * t, 300 + side * (1 - t), 0.2f * side * t};
    }
    return f;
}

// Root mean square distance from the truth with and without the filter, for a still face with the noise given in sides.
std::pair<double, double> jitter_of(float side, float noise, double fps) {
    landmark_smoother smoother;
    std::mt19937 rng(5);
    std::normal_distribution<float> shake(0, noise * side);
    const face truth = still_face(side);
    double raw = 0, smooth = 0;
    for (int i = 0; i < 150; ++i) {
        std::vector<face> faces{truth};
        for (point3& p : faces[0].landmarks)
            p = {p.x + shake(rng), p.y + shake(rng), p.z + shake(rng)};
        const face noisy = faces[0];
        smoother.update(static_cast<std::int64_t>(i / fps * 1e9), faces);
        if (i < 30) continue;
        for (std::size_t k = 0; k < truth.landmarks.size(); ++k) {
            raw += std::pow(noisy.landmarks[k].x - truth.landmarks[k].x, 2);
            smooth += std::pow(faces[0].landmarks[k].x - truth.landmarks[k].x, 2);
        }
    }
    return {std::sqrt(raw), std::sqrt(smooth)};
}

TEST(one_euro, halves_the_jitter_of_a_still_face_near_and_far) {
    for (const float side : {40.0f, 200.0f, 800.0f}) {
        for (const double fps : {25.0, 30.0, 60.0}) {
            const auto [raw, smooth] = jitter_of(side, 0.005f, fps);
            EXPECT_LT(smooth, 0.5 * raw) << side << " px at " << fps << " fps";
        }
    }
}

TEST(one_euro, the_first_sample_passes_unchanged) {
    landmark_smoother smoother;
    std::vector<face> faces{still_face()};
    smoother.update(5 * second, faces);
    const face truth = still_face();
    for (std::size_t i = 0; i < truth.landmarks.size(); ++i) {
        EXPECT_EQ(faces[0].landmarks[i].x, truth.landmarks[i].x);
        EXPECT_EQ(faces[0].landmarks[i].z, truth.landmarks[i].z);
    }
}

TEST(one_euro, lags_little_behind_a_fast_step) {
    landmark_smoother smoother;
    constexpr float side = 200;
    for (int i = 0; i < 60; ++i) {
        std::vector<face> faces{still_face(side)};
        for (point3& p : faces[0].landmarks)
            p.x += i < 30 ? 0 : side;  // jumps by its own size
        const float target = faces[0].landmarks[7].x;
        smoother.update(i * second / 30, faces);
        if (i == 30) {
            EXPECT_LT(std::fabs(faces[0].landmarks[7].x - target), 0.1f * side);
        }
        if (i >= 32) {
            EXPECT_LT(std::fabs(faces[0].landmarks[7].x - target), 0.02f * side);
        }
    }
}

TEST(one_euro, stays_close_to_a_face_that_moves_steadily) {
    landmark_smoother smoother;
    for (int i = 0; i < 90; ++i) {
        std::vector<face> faces{still_face(200)};
        for (point3& p : faces[0].landmarks)
            p.x += 10 * static_cast<float>(i);  // 1.5 sides a second
        const float target = faces[0].landmarks[7].x;
        smoother.update(i * second / 30, faces);
        if (i > 30) {
            EXPECT_LT(std::fabs(faces[0].landmarks[7].x - target), 0.02f * 200);
        }
    }
}

TEST(one_euro, does_the_same_at_every_size) {
    landmark_smoother near, far;
    for (int i = 0; i < 30; ++i) {
        std::vector<face> big{still_face(400)}, small{still_face(100)};
        const float step = 0.03f * static_cast<float>(i * i % 7);
        for (auto* faces : {&big, &small}) {
            for (point3& p : (*faces)[0].landmarks) {
                p.x += step * (*faces)[0].box.width;
            }
        }
        near.update(i * second / 30, big);
        far.update(i * second / 30, small);
        EXPECT_NEAR((big[0].landmarks[9].x - 400) / 4, small[0].landmarks[9].x - 400, 1e-2);
    }
}

TEST(one_euro, changes_nothing_but_landmarks) {
    landmark_smoother smoother;
    for (int i = 0; i < 3; ++i) {
        std::vector<face> faces{still_face()};
        faces[0].box.x += static_cast<float>(i);
        faces[0].keypoints[2] = {static_cast<float>(i), 3};
        faces[0].pose.yaw = static_cast<float>(i);
        smoother.update(i * second / 30, faces);
        EXPECT_EQ(faces[0].box.x, 400 + static_cast<float>(i));
        EXPECT_EQ(faces[0].keypoints[2].x, static_cast<float>(i));
        EXPECT_EQ(faces[0].pose.yaw, static_cast<float>(i));
    }
}

TEST(one_euro, tracks_do_not_touch_each_other_and_start_afresh_after_a_gap) {
    landmark_smoother smoother;
    std::vector<face> faces{still_face(), still_face()};
    faces[1].track = 2;
    for (point3& p : faces[1].landmarks)
        p.x += 1000;
    smoother.update(0, faces);
    const float other = faces[1].landmarks[0].x;
    smoother.update(second / 30, faces);
    EXPECT_EQ(faces[1].landmarks[0].x, other);

    std::vector<face> moved{still_face()};
    for (point3& p : moved[0].landmarks)
        p.x += 3;
    const float raw = moved[0].landmarks[0].x;
    smoother.update(second / 30 + second + second / 10, moved);
    EXPECT_EQ(moved[0].landmarks[0].x, raw);
}

TEST(one_euro, what_is_not_finite_passes_and_does_no_harm_later) {
    const float nan = std::numeric_limits<float>::quiet_NaN();
    landmark_smoother smoother;
    for (int i = 0; i < 20; ++i) {
        std::vector<face> faces{still_face()};
        if (i == 5) faces[0].landmarks[3].y = nan;
        if (i == 8) faces[0].box.width = 0;
        if (i == 10) faces[0].box.width = nan;
        smoother.update(i % 4 == 0 ? 0 : i * second / 30, faces);  // time stands still now and then
        if (i != 5) {
            for (const point3& p : faces[0].landmarks)
                EXPECT_TRUE(std::isfinite(p.x + p.y + p.z)) << i;
        }
    }
}

TEST(one_euro, the_same_input_gives_the_same_bits) {
    const auto run = [] {
        landmark_smoother smoother;
        std::mt19937 rng(2);
        std::vector<float> seen;
        for (int i = 0; i < 40; ++i) {
            std::vector<face> faces{still_face()};
            for (point3& p : faces[0].landmarks)
                p.x += static_cast<float>(rng() % 100) / 10;
            smoother.update(i * second / 30, faces);
            for (const point3& p : faces[0].landmarks)
                seen.push_back(p.x);
        }
        return seen;
    };
    EXPECT_EQ(run(), run());
}

}  // namespace
}  // namespace faceflow::vision
