// SPDX-License-Identifier: Apache-2.0
// Faces whose expression, gaze and pose are known: the canonical face with eyes that turn.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numbers>
#include <vector>

#include "faceflow/types.hpp"
#include "vision/mesh.hpp"
#include "vision/mesh_data.hpp"

namespace faceflow::internal::test {

using vec = std::array<double, 3>;  // cm; x to the person's left, y up, z out of the face

inline constexpr double radians = std::numbers::pi / 180;

struct turn {
    double yaw = 0, pitch = 0, roll = 0;  // degrees, as head_pose has them
};

// Roll first, then pitch, then yaw.
inline vec turned(const vec& v, const turn& t) {
    const double cy = std::cos(t.yaw * radians), sy = std::sin(t.yaw * radians), cp = std::cos(-t.pitch * radians),
                 sp = std::sin(-t.pitch * radians), cr = std::cos(-t.roll * radians), sr = std::sin(-t.roll * radians);
    const vec r{cr * v[0] - sr * v[1], sr * v[0] + cr * v[1], v[2]};
    const vec p{r[0], cp * r[1] - sp * r[2], sp * r[1] + cp * r[2]};
    return {cy * p[0] + sy * p[2], p[1], -sy * p[0] + cy * p[2]};
}

inline void find_pose(face& f, float width, float height) {
    std::vector<vision::pose_anchor> anchors;
    for (const auto& w : mesh::procrustes_basis()) {
        const auto& v = mesh::canonical_vertices()[static_cast<std::size_t>(w.index)];
        anchors.push_back({w.index, w.weight, v[0], v[1], v[2]});
    }
    f.pose = vision::pose_of(f.landmarks.data(), {anchors.data(), static_cast<std::int32_t>(anchors.size())},
                             {.frame_width = width, .frame_height = height});
}

// An eye by its anatomy, in mm: an eyeball that an iris turns on, behind the corners of the lids.
struct anatomy {
    double ball = 12, iris = 11.7, width = 27, aside = 0.6, rise = 1.3, depth = 5;
};

// A canonical face that can look, shut its eyes and turn.
struct synthetic_face {
    turn head{};
    turn gaze{};  // of both eyes, in the head's space; without roll
    anatomy eye{};
    double lids = 1;         // 0: shut
    double scale = 40;       // pixels per cm
    double distance_cm = 0;  // from the camera; 0: so far that there is no perspective

    [[nodiscard]] face made() const;

private:
    void make_eye(std::vector<vec>& marks, std::size_t outer, std::size_t inner, std::size_t iris) const;
};

inline constexpr std::array<std::array<std::size_t, 2>, 4> lid_pairs{{{160, 144}, {158, 153}, {387, 373}, {385, 380}}};

inline void synthetic_face::make_eye(std::vector<vec>& marks, std::size_t outer, std::size_t inner,
                                     std::size_t iris) const {
    vec middle{}, half{};
    double width = 0;
    for (std::size_t k = 0; k < 3; ++k) {
        middle[k] = (marks[outer][k] + marks[inner][k]) / 2;
        half[k] = (marks[outer][k] - marks[inner][k]) / 2;
        width += 4 * half[k] * half[k];
    }
    const double to_width = eye.width / 10 / std::sqrt(width);
    const double reach = std::sqrt(eye.ball * eye.ball - eye.iris * eye.iris / 4) / 10;
    const vec look = turned({0, 0, 1}, gaze);
    for (std::size_t k = 0; k < 3; ++k) {
        marks[outer][k] = middle[k] + half[k] * to_width;
        marks[inner][k] = middle[k] - half[k] * to_width;
        const double aside = middle[0] < 0 ? -eye.aside : eye.aside;
        const vec centre{middle[0] + aside / 10, middle[1] + eye.rise / 10, middle[2] - eye.depth / 10};
        for (std::size_t i = 0; i < 5; ++i)
            marks[iris + i][k] = centre[k] + reach * look[k];
    }
}

inline face synthetic_face::made() const {
    std::vector<vec> marks(landmark_count);
    for (std::size_t i = 0; i < mesh::kCanonicalVertices; ++i) {
        const auto& v = mesh::canonical_vertices()[i];
        marks[i] = {double{v[0]}, double{v[1]}, double{v[2]}};
    }
    make_eye(marks, 33, 133, 468);
    make_eye(marks, 263, 362, 473);
    for (const auto& [upper, lower] : lid_pairs) {
        for (std::size_t k = 0; k < 3; ++k)
            marks[upper][k] = marks[lower][k] + lids * (marks[upper][k] - marks[lower][k]);
    }
    face f;
    f.track = 1;
    for (std::size_t i = 0; i < marks.size(); ++i) {
        const vec v = turned(marks[i], head);
        const double nearer = distance_cm > 0 ? distance_cm / (distance_cm - v[2]) : 1;
        f.landmarks[i] = {static_cast<float>(960 + scale * nearer * v[0]),
                          static_cast<float>(540 - scale * nearer * v[1]), static_cast<float>(-scale * v[2])};
    }
    find_pose(f, 1920, 1080);
    return f;
}

}  // namespace faceflow::internal::test
