// SPDX-License-Identifier: Apache-2.0
#include "vision/measures.hpp"

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numbers>

#include "vision/mesh_data.hpp"

namespace faceflow::internal::vision {
namespace {

using vector3 = std::array<float, 3>;  // camera axes: x right, y up, z towards the viewer

constexpr float to_degrees = 180 / std::numbers::pi_v<float>;

// Landmarks of one eye and what belongs to it, by MediaPipe's numbers.
struct eye_landmarks {
    std::size_t outer, inner;                 // corners
    std::array<std::size_t, 2> upper, lower;  // lids; those of one index are opposite each other
    std::size_t iris;
    float outwards;                   // along the head's x
    std::array<std::size_t, 6> brow;  // the middle of the brow, both edges
};
constexpr eye_landmarks right_eye{33, 133, {160, 158}, {144, 153}, 468, -1, {63, 105, 66, 53, 52, 65}};
constexpr eye_landmarks left_eye{263, 362, {387, 385}, {373, 380}, 473, 1, {293, 334, 296, 283, 282, 295}};
constexpr std::size_t upper_lip = 13, lower_lip = 14, right_mouth = 61, left_mouth = 291;

vector3 at(const face& f, std::size_t landmark) {
    const point3& p = f.landmarks[landmark];
    return {p.x, -p.y, -p.z};
}

vector3 minus(const vector3& a, const vector3& b) {
    return {a[0] - b[0], a[1] - b[1], a[2] - b[2]};
}

vector3 middle(const vector3& a, const vector3& b) {
    return {0.5f * (a[0] + b[0]), 0.5f * (a[1] + b[1]), 0.5f * (a[2] + b[2])};
}

float dot(const vector3& a, const vector3& b) {
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

vector3 cross(const vector3& a, const vector3& b) {
    return {a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]};
}

float length(const vector3& a) {
    return std::sqrt(dot(a, a));
}

float distance(const face& f, std::size_t a, std::size_t b) {
    return length(minus(at(f, a), at(f, b)));
}

// Without a whole there is no share.
float ratio_of(float part, float whole) {
    return whole > 0 ? part / whole : not_measured;
}

// One axis of the head in camera axes: 0 to the person's left, 1 up, 2 out of the face.
vector3 axis_of(const head_pose& pose, std::size_t i) {
    return {pose.matrix[i], pose.matrix[4 + i], pose.matrix[8 + i]};
}

// A face whose pose was never computed has a matrix of zeros.
bool has_pose(const head_pose& pose) {
    return length(axis_of(pose, 2)) > 0.5f;
}

float openness(const face& f, const eye_landmarks& eye) {
    const float lids = distance(f, eye.upper[0], eye.lower[0]) + distance(f, eye.upper[1], eye.lower[1]);
    return ratio_of(0.5f * lids, distance(f, eye.outer, eye.inner));
}

float brow_height(const face& f, const eye_landmarks& eye, float scale) {
    vector3 brow{};
    for (const std::size_t i : eye.brow) {
        const vector3 p = at(f, i);
        for (std::size_t k = 0; k < brow.size(); ++k)
            brow[k] += p[k] / static_cast<float>(eye.brow.size());
    }
    return ratio_of(length(minus(brow, middle(at(f, eye.outer), at(f, eye.inner)))), scale);
}

struct angles {
    float yaw = not_measured, pitch = not_measured;
};

// `direction` has the length 1, but for rounding.
angles angles_of(const vector3& direction) {
    const float up = direction[1], sine = up > 1 ? 1.0f : up < -1 ? -1.0f : up;  // keeps NaN
    return {std::atan2(direction[0], direction[2]) * to_degrees, std::asin(sine) * to_degrees};
}

struct gaze {
    angles in_head, in_camera;
};

// The eyeball's centre follows from the corners of the eye and the pose. Where the iris lies in the picture from there
// is two thirds of its direction; the last, towards the camera, follows from the radius. The iris's own depth is not
// used: the model takes it from the lids.
gaze gaze_of(const face& f, const eye_landmarks& eye, const eye_model& model) {
    const float width = distance(f, eye.outer, eye.inner);
    if (!(width > 0) || !has_pose(f.pose)) return {};
    const vector3 across = axis_of(f.pose, 0), up = axis_of(f.pose, 1), ahead = axis_of(f.pose, 2);
    const vector3 corners = middle(at(f, eye.outer), at(f, eye.inner)), iris = at(f, eye.iris);
    vector3 direction{};
    for (std::size_t k = 0; k < 2; ++k) {
        const float offset = model.aside * eye.outwards * across[k] + model.rise * up[k] - model.depth * ahead[k];
        const float centre = corners[k] + width * offset;
        direction[k] = (iris[k] - centre) / (model.radius * width);
    }
    const float left = 1 - direction[0] * direction[0] - direction[1] * direction[1];
    if (!(left >= 0)) return {};  // outside of the eyeball
    direction[2] = std::sqrt(left);
    return {angles_of({dot(across, direction), dot(up, direction), dot(ahead, direction)}), angles_of(direction)};
}

void enter_gaze(const face& f, const eye_model& model, face_measures& m) {
    const gaze right = gaze_of(f, right_eye, model), left = gaze_of(f, left_eye, model);
    m.gaze_right_yaw = right.in_head.yaw;
    m.gaze_right_pitch = right.in_head.pitch;
    m.gaze_left_yaw = left.in_head.yaw;
    m.gaze_left_pitch = left.in_head.pitch;
    m.gaze_camera_right_yaw = right.in_camera.yaw;
    m.gaze_camera_right_pitch = right.in_camera.pitch;
    m.gaze_camera_left_yaw = left.in_camera.yaw;
    m.gaze_camera_left_pitch = left.in_camera.pitch;
}

constexpr std::size_t skin_triangles = mesh::kCanonicalTriangles;

// For each triangle of the canonical face its normal, as long as its area.
struct skin {
    std::array<vector3, skin_triangles> normals{};
    float area = 0;
};

skin canonical_skin() {
    skin s;
    const auto vertices = mesh::canonical_vertices();
    const auto triangles = mesh::triangles();
    for (std::size_t i = 0; i < skin_triangles; ++i) {
        const auto& [a, b, c] = triangles[i];
        s.normals[i] = cross(minus(vertices[b], vertices[a]), minus(vertices[c], vertices[a]));
        s.area += length(s.normals[i]);
    }
    return s;
}

// A triangle faces the camera if its normal, turned by the pose, points to the viewer.
float facing_share(const head_pose& pose) {
    static const skin canonical = canonical_skin();
    const vector3 viewer{pose.matrix[8], pose.matrix[9], pose.matrix[10]};  // as the head sees the direction to it
    if (!has_pose(pose) || !std::isfinite(length(viewer))) return not_measured;
    float facing = 0;
    for (const vector3& normal : canonical.normals)
        facing += dot(normal, viewer) > 0 ? length(normal) : 0;
    return facing / canonical.area;
}

// From one angle to another by the shorter way round.
double turn_between(float before, float now) {
    return std::remainder(double{now} - double{before}, 360.0);
}

// The angle of the rotation that takes one pose to the other. By its tangent: the cosine alone says little of small
// angles.
double turn_between(const head_pose& before, const head_pose& now) {
    std::array<std::array<double, 3>, 3> r{};
    for (std::size_t i = 0; i < 3; ++i) {
        for (std::size_t j = 0; j < 3; ++j) {
            for (std::size_t k = 0; k < 3; ++k)
                r[i][j] += double{now.matrix[4 * i + k]} * double{before.matrix[4 * j + k]};
        }
    }
    const double sine = std::hypot(r[2][1] - r[1][2], r[0][2] - r[2][0], r[1][0] - r[0][1]);
    const double cosine = r[0][0] + r[1][1] + r[2][2] - 1;
    return std::atan2(sine, cosine) * 180 / std::numbers::pi;
}

}  // namespace

face_measures measure(const face& f, const eye_model& eye) noexcept {
    face_measures m;
    const float scale = distance(f, right_eye.outer, left_eye.outer);
    m.eye_open_right = openness(f, right_eye);
    m.eye_open_left = openness(f, left_eye);
    m.mouth_open = ratio_of(distance(f, upper_lip, lower_lip), scale);
    m.smile_width = ratio_of(distance(f, right_mouth, left_mouth), scale);
    m.brow_right = brow_height(f, right_eye, scale);
    m.brow_left = brow_height(f, left_eye, scale);
    enter_gaze(f, eye, m);
    m.facing = facing_share(f.pose);
    m.brightness = f.measures.brightness;
    m.contrast = f.measures.contrast;
    m.sharpness = f.measures.sharpness;
    return m;
}

void measure_rates(const head_pose& before, const head_pose& now, double seconds, face_measures& into) noexcept {
    if (!(seconds > 0) || !has_pose(before) || !has_pose(now)) return;
    into.yaw_rate = static_cast<float>(turn_between(before.yaw, now.yaw) / seconds);
    into.pitch_rate = static_cast<float>(turn_between(before.pitch, now.pitch) / seconds);
    into.roll_rate = static_cast<float>(turn_between(before.roll, now.roll) / seconds);
    into.turn_rate = static_cast<float>(turn_between(before, now) / seconds);
}

}  // namespace faceflow::internal::vision
