// SPDX-License-Identifier: Apache-2.0
#include "vision/pose_convention.hpp"

#include <cmath>
#include <numbers>

namespace faceflow::internal::vision {
namespace {

constexpr float mm_per_cm = 10;

// From one angle to another by the shorter way round, per second.
float rate_of(float before, float now, double seconds) {
    constexpr double turn = 2 * std::numbers::pi;
    return static_cast<float>(std::remainder(double{now} - double{before}, turn) / seconds);
}

}  // namespace

// OpenFace's camera looks along +z, with y downwards, and so are its face's axes: both are turned by 180 degrees about
// x, which changes the sign of those entries that have x on one side and y or z on the other. Its angles then follow
// from R = Rx * Ry * Rz, whose first row is (cos y cos z, -cos y sin z, sin y) and whose last column is (sin y,
// -sin x cos y, cos x cos y).
openface_pose openface_of(const head_pose& pose) noexcept {
    openface_pose p;
    const auto& m = pose.matrix;
    const float length = m[2] * m[2] + m[6] * m[6] + m[10] * m[10];
    if (!(length > 0.25f)) return p;
    p.tx = mm_per_cm * m[3];
    p.ty = -mm_per_cm * m[7];
    p.tz = -mm_per_cm * m[11];
    const float sine = -m[2];
    p.rx = std::atan2(-m[6], m[10]);
    p.ry = std::asin(sine > 1 ? 1.0f : sine < -1 ? -1.0f : sine);  // keeps NaN
    p.rz = std::atan2(m[1], m[0]);
    return p;
}

void enter_openface(face& f) noexcept {
    const openface_pose now = openface_of(f.pose);
    f.openface.tx = now.tx;
    f.openface.ty = now.ty;
    f.openface.tz = now.tz;
    f.openface.rx = now.rx;
    f.openface.ry = now.ry;
    f.openface.rz = now.rz;
}

void measure_rates(const openface_pose& before, const openface_pose& now, double seconds,
                   openface_pose& into) noexcept {
    if (!(seconds > 0)) return;
    into.rx_rate = rate_of(before.rx, now.rx, seconds);
    into.ry_rate = rate_of(before.ry, now.ry, seconds);
    into.rz_rate = rate_of(before.rz, now.rz, seconds);
}

}  // namespace faceflow::internal::vision
