// SPDX-License-Identifier: Apache-2.0
// Poses of other programs' conventions, by what those programs compute from them.
#include "vision/pose_convention.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <numbers>

#include "helpers/synthetic_face.hpp"

namespace faceflow::internal::vision {
namespace {

using test::synthetic_face;
using test::vec;

head_pose pose_at(const test::turn& t) {
    return synthetic_face{.head = t}.made().pose;
}

using matrix = std::array<vec, 3>;

matrix times(const matrix& a, const matrix& b) {
    matrix c{};
    for (std::size_t i = 0; i < 3; ++i) {
        for (std::size_t j = 0; j < 3; ++j) {
            for (std::size_t k = 0; k < 3; ++k)
                c[i][j] += a[i][k] * b[k][j];
        }
    }
    return c;
}

// Right-handed rotations about one axis.
matrix about_x(double a) {
    return {{{1, 0, 0}, {0, std::cos(a), -std::sin(a)}, {0, std::sin(a), std::cos(a)}}};
}
matrix about_y(double a) {
    return {{{std::cos(a), 0, std::sin(a)}, {0, 1, 0}, {-std::sin(a), 0, std::cos(a)}}};
}
matrix about_z(double a) {
    return {{{std::cos(a), -std::sin(a), 0}, {std::sin(a), std::cos(a), 0}, {0, 0, 1}}};
}

void expect_same_rotation(const head_pose& pose, const matrix& r, const vec& signs, double tolerance = 1e-5) {
    for (std::size_t i = 0; i < 3; ++i) {
        for (std::size_t j = 0; j < 3; ++j)
            EXPECT_NEAR(signs[i] * r[i][j] * signs[j], pose.matrix[4 * i + j], tolerance) << i << ", " << j;
    }
}

constexpr test::turn turns[] = {{0, 0, 0}, {40, 0, 0}, {0, -25, 0}, {0, 0, 30}, {-35, 20, -50}, {60, -30, 120}};

TEST(openface_pose, turns_a_face_as_openface_would) {
    for (const test::turn& t : turns) {
        const head_pose pose = pose_at(t);
        const openface_pose p = openface_of(pose);
        expect_same_rotation(pose, times(times(about_x(p.rx), about_y(p.ry)), about_z(p.rz)), {1, -1, -1});
    }
}

TEST(openface_pose, has_signs_and_units_of_its_own) {
    EXPECT_NEAR(openface_of(pose_at({30, 0, 0})).ry, -std::numbers::pi / 6, 0.01) << "the person's own left";
    EXPECT_NEAR(openface_of(pose_at({0, 20, 0})).rx, -std::numbers::pi / 9, 0.01) << "up";
    EXPECT_NEAR(openface_of(pose_at({0, 0, 45})).rz, std::numbers::pi / 4, 0.01) << "clockwise in the picture";
    head_pose pose = pose_at({});
    pose.matrix[3] = 3.5f;
    pose.matrix[7] = 2;
    pose.matrix[11] = -60;
    const openface_pose p = openface_of(pose);
    EXPECT_FLOAT_EQ(p.tx, 35);
    EXPECT_FLOAT_EQ(p.ty, -20) << "y is down";
    EXPECT_FLOAT_EQ(p.tz, 600) << "before the camera";
}

TEST(openface_pose, of_no_pose_is_not_measured) {
    const openface_pose p = openface_of({});
    EXPECT_TRUE(std::isnan(p.tx) && std::isnan(p.rx) && std::isnan(p.rz));
    head_pose broken = pose_at({});
    broken.matrix[2] = not_measured;
    EXPECT_TRUE(std::isnan(openface_of(broken).ry));
}

TEST(openface_pose, goes_the_short_way_round_a_full_turn) {
    openface_pose before, now, into;
    before.rx = before.ry = 0;
    now.rx = now.ry = 0.1f;
    before.rz = 3.1f;
    now.rz = -3.1f;
    measure_rates(before, now, 0.1, into);
    EXPECT_NEAR(into.rz_rate, (2 * std::numbers::pi - 6.2) / 0.1, 1e-4);
    EXPECT_NEAR(into.rx_rate, 1, 1e-5);
    openface_pose none;
    measure_rates(before, now, 0, none);
    EXPECT_TRUE(std::isnan(none.rz_rate));
}

TEST(openface_pose, takes_the_place_of_the_one_before_and_keeps_the_rates) {
    face f;
    f.pose = pose_at({30, 0, 0});
    f.openface.ry_rate = 5;
    enter_openface(f);
    EXPECT_EQ(f.openface.ry, openface_of(f.pose).ry);
    EXPECT_EQ(f.openface.ry_rate, 5);
}

// docs/measures.md says how an aircraft's angles follow: about z down by yaw, then y to the right by pitch, then x ahead
// by roll.
TEST(aircraft_angles, are_faceflows_with_other_signs) {
    for (const test::turn& t : turns) {
        const head_pose pose = pose_at(t);
        const double yaw = -pose.yaw * test::radians, pitch = pose.pitch * test::radians,
                     roll = -pose.roll * test::radians;
        const matrix r = times(times(about_z(yaw), about_y(pitch)), about_x(roll));  // of (ahead, right, down)
        // The head's axes in those of the camera, which it looks into: ahead z, right -x, down -y.
        constexpr std::size_t axis[] = {2, 0, 1};
        constexpr double sign[] = {1, -1, -1};
        for (std::size_t i = 0; i < 3; ++i) {
            for (std::size_t j = 0; j < 3; ++j)
                EXPECT_NEAR(sign[i] * r[i][j] * sign[j], pose.matrix[4 * axis[i] + axis[j]], 1e-4) << i << ", " << j;
        }
    }
}

}  // namespace
}  // namespace faceflow::internal::vision
