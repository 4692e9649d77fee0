// SPDX-License-Identifier: Apache-2.0
#include "vision/one_euro.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numbers>
#include <random>

namespace faceflow::internal::vision {
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

void filter(face_smoother& smoother, std::int64_t pts_ns, std::vector<face>& faces) {
    frame_faces frame{{}, pts_ns, 1920, 1080, std::move(faces)};
    smoother.update(frame);
    faces = std::move(frame.faces);
}

// Root mean square distance from the truth with and without the filter, for a still face with the noise given in sides.
std::pair<double, double> jitter_of(float side, float noise, double fps) {
    face_smoother smoother;
    std::mt19937 rng(5);
    std::normal_distribution<float> shake(0, noise * side);
    const face truth = still_face(side);
    double raw = 0, smooth = 0;
    for (int i = 0; i < 150; ++i) {
        std::vector<face> faces{truth};
        for (point3& p : faces[0].landmarks)
            p = {p.x + shake(rng), p.y + shake(rng), p.z + shake(rng)};
        const face noisy = faces[0];
        filter(smoother, static_cast<std::int64_t>(i / fps * 1e9), faces);
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
    face_smoother smoother;
    std::vector<face> faces{still_face()};
    filter(smoother, 5 * second, faces);
    const face truth = still_face();
    for (std::size_t i = 0; i < truth.landmarks.size(); ++i) {
        EXPECT_EQ(faces[0].landmarks[i].x, truth.landmarks[i].x);
        EXPECT_EQ(faces[0].landmarks[i].z, truth.landmarks[i].z);
    }
}

TEST(one_euro, lags_little_behind_a_fast_step) {
    face_smoother smoother;
    constexpr float side = 200;
    for (int i = 0; i < 60; ++i) {
        std::vector<face> faces{still_face(side)};
        for (point3& p : faces[0].landmarks)
            p.x += i < 30 ? 0 : side;  // jumps by its own size
        const float target = faces[0].landmarks[7].x;
        filter(smoother, i * second / 30, faces);
        if (i == 30) {
            EXPECT_LT(std::fabs(faces[0].landmarks[7].x - target), 0.1f * side);
        }
        if (i >= 32) {
            EXPECT_LT(std::fabs(faces[0].landmarks[7].x - target), 0.02f * side);
        }
    }
}

TEST(one_euro, stays_close_to_a_face_that_moves_steadily) {
    face_smoother smoother;
    for (int i = 0; i < 90; ++i) {
        std::vector<face> faces{still_face(200)};
        for (point3& p : faces[0].landmarks)
            p.x += 10 * static_cast<float>(i);  // 1.5 sides a second
        const float target = faces[0].landmarks[7].x;
        filter(smoother, i * second / 30, faces);
        if (i > 30) {
            EXPECT_LT(std::fabs(faces[0].landmarks[7].x - target), 0.02f * 200);
        }
    }
}

TEST(one_euro, does_the_same_at_every_size) {
    face_smoother near, far;
    for (int i = 0; i < 30; ++i) {
        std::vector<face> big{still_face(400)}, small{still_face(100)};
        const float step = 0.03f * static_cast<float>(i * i % 7);
        for (auto* faces : {&big, &small}) {
            for (point3& p : (*faces)[0].landmarks) {
                p.x += step * (*faces)[0].box.width;
            }
        }
        filter(near, i * second / 30, big);
        filter(far, i * second / 30, small);
        EXPECT_NEAR((big[0].landmarks[9].x - 400) / 4, small[0].landmarks[9].x - 400, 1e-2);
    }
}

TEST(one_euro, calms_box_keypoints_and_pose_as_it_does_landmarks) {
    face_smoother smoother;
    std::mt19937 rng(7);
    std::normal_distribution<float> shake(0, 1);
    double raw = 0, calm = 0, raw_yaw = 0, calm_yaw = 0;
    float last_yaw = 0;
    for (int i = 0; i < 150; ++i) {
        std::vector<face> faces{still_face()};
        face& f = faces[0];
        f.keypoints[2] = {500, 400};
        f.box.x += shake(rng);
        f.keypoints[2].x += shake(rng);
        for (point3& p : f.landmarks)
            p = {p.x + shake(rng), p.y + shake(rng), p.z + shake(rng)};
        const face noisy = f;
        filter(smoother, i * second / 30, faces);
        if (i >= 30) {
            raw += std::pow(noisy.box.x - 400, 2) + std::pow(noisy.keypoints[2].x - 500, 2);
            calm += std::pow(faces[0].box.x - 400, 2) + std::pow(faces[0].keypoints[2].x - 500, 2);
            calm_yaw += std::pow(faces[0].pose.yaw - last_yaw, 2);
            face_smoother fresh;
            std::vector<face> alone{noisy}, again{noisy};
            filter(fresh, 0, alone);
            filter(fresh, second / 30, again);  // of the same landmarks: the pose that they have
            raw_yaw += std::pow(again[0].pose.yaw - faces[0].pose.yaw, 2);
        }
        last_yaw = faces[0].pose.yaw;
    }
    EXPECT_LT(calm, 0.25 * raw);
    EXPECT_LT(calm_yaw, raw_yaw);
}

// How long a face that moves at a steady speed, in sides a second, is behind, in ms.
double lag_ms(float strength, float speed) {
    face_smoother smoother({.strength = strength});
    constexpr float side = 200;
    float behind = 0;
    for (int i = 0; i < 600; ++i) {
        std::vector<face> faces{still_face(side)};
        for (point3& p : faces[0].landmarks)
            p.x += speed * side * static_cast<float>(i) / 120;
        const float truth = faces[0].landmarks[7].x;
        filter(smoother, i * second / 120, faces);
        behind = truth - faces[0].landmarks[7].x;
    }
    return static_cast<double>(behind / (speed * side)) * 1000;
}

TEST(one_euro, lags_as_long_as_its_cutoff_says) {
    for (const float strength : {0.5f, 1.0f, 2.0f}) {
        for (const float speed : {0.1f, 0.3f, 1.0f}) {
            // lag * 2 pi * (min_cutoff + speed_factor * speed * (1 + lag * fps)) = strength
            const double turn = 2 * std::numbers::pi, s = 20 * static_cast<double>(speed);
            const double a = turn * s * 120, b = turn * (0.5 + s);
            const double said = 1000 * (std::sqrt(b * b + 4 * a * static_cast<double>(strength)) - b) / (2 * a);
            EXPECT_NEAR(lag_ms(strength, speed), said, 0.05 * said + 0.2) << strength << ", " << speed;
        }
    }
}

TEST(one_euro, tracks_do_not_touch_each_other_and_start_afresh_after_a_gap) {
    face_smoother smoother;
    std::vector<face> faces{still_face(), still_face()};
    faces[1].track = 2;
    for (point3& p : faces[1].landmarks)
        p.x += 1000;
    filter(smoother, 0, faces);
    const float other = faces[1].landmarks[0].x;
    filter(smoother, second / 30, faces);
    EXPECT_EQ(faces[1].landmarks[0].x, other);

    std::vector<face> moved{still_face()};
    for (point3& p : moved[0].landmarks)
        p.x += 3;
    const float raw = moved[0].landmarks[0].x;
    filter(smoother, second / 30 + second + second / 10, moved);
    EXPECT_EQ(moved[0].landmarks[0].x, raw);
}

TEST(one_euro, what_is_not_finite_passes_and_does_no_harm_later) {
    const float nan = std::numeric_limits<float>::quiet_NaN();
    face_smoother smoother;
    for (int i = 0; i < 20; ++i) {
        std::vector<face> faces{still_face()};
        if (i == 5) faces[0].landmarks[3].y = nan;
        if (i == 8) faces[0].box.width = 0;
        if (i == 10) faces[0].box.width = nan;
        filter(smoother, i % 4 == 0 ? 0 : i * second / 30, faces);  // time stands still now and then
        if (i != 5) {
            for (const point3& p : faces[0].landmarks)
                EXPECT_TRUE(std::isfinite(p.x + p.y + p.z)) << i;
        }
    }
}

TEST(one_euro, the_same_input_gives_the_same_bits) {
    const auto run = [] {
        face_smoother smoother;
        std::mt19937 rng(2);
        std::vector<float> seen;
        for (int i = 0; i < 40; ++i) {
            std::vector<face> faces{still_face()};
            for (point3& p : faces[0].landmarks)
                p.x += static_cast<float>(rng() % 100) / 10;
            filter(smoother, i * second / 30, faces);
            for (const point3& p : faces[0].landmarks)
                seen.push_back(p.x);
        }
        return seen;
    };
    EXPECT_EQ(run(), run());
}

}  // namespace
}  // namespace faceflow::internal::vision
