// SPDX-License-Identifier: Apache-2.0
// Describes a head's pose in conventions other than faceflow's (vision/pose_convention.hpp) for media/face_fields.hpp,
// under the names that the other program's files have.
#pragma once

#include <string_view>
#include <tuple>

#include "faceflow/types.hpp"
#include "media/blendshape_fields.hpp"
#include "media/field.hpp"

namespace faceflow::internal::media::fields {

inline constexpr int first_openface_place =
    first_blendshape_place + static_cast<int>(std::tuple_size_v<decltype(of_blendshapes)>);

template <auto Member>
constexpr auto describe_openface(int number, facts about) {
    about.columns = {split(about.key).name};
    about.place = first_openface_place + number;
    about.only = extra::openface;
    return describe<face, &face::openface, Member>(about);
}

constexpr facts describe_openface_place(std::string_view key) {
    return {.key = key,
            .unit = "mm",
            .decimals = openface_decimals,
            .meaning =
                "the head in OpenFace's camera space: x right, y down, z away from the camera. Only with "
                "`--pose-convention openface`"};
}
constexpr facts describe_openface_angle(std::string_view key, std::string_view meaning) {
    return {.key = key, .unit = "radians", .decimals = openface_decimals, .meaning = meaning, .least = -4, .most = 4};
}
constexpr facts describe_openface_rate(std::string_view key) {
    return {.key = key,
            .unit = "radians/s",
            .decimals = openface_decimals,
            .meaning = "change of that angle since the track's previous frame; `null` as `measures.yaw_rate`"};
}

// Add new entries at the end.
inline constexpr std::tuple of_openface{
    describe_openface<&openface_pose::tx>(0, describe_openface_place("openface.pose_Tx")),
    describe_openface<&openface_pose::ty>(1, describe_openface_place("openface.pose_Ty")),
    describe_openface<&openface_pose::tz>(2, describe_openface_place("openface.pose_Tz")),
    describe_openface<&openface_pose::rx>(
        3, describe_openface_angle("openface.pose_Rx", "R = Rx Ry Rz in that space; > 0: the person looks down")),
    describe_openface<&openface_pose::ry>(
        4, describe_openface_angle("openface.pose_Ry", "> 0: the person turns to their own right")),
    describe_openface<&openface_pose::rz>(
        5, describe_openface_angle("openface.pose_Rz", "> 0: the head tilts clockwise in the picture")),
    describe_openface<&openface_pose::rx_rate>(6, describe_openface_rate("openface.pose_Rx_rate")),
    describe_openface<&openface_pose::ry_rate>(7, describe_openface_rate("openface.pose_Ry_rate")),
    describe_openface<&openface_pose::rz_rate>(8, describe_openface_rate("openface.pose_Rz_rate")),
};

}  // namespace faceflow::internal::media::fields
