// SPDX-License-Identifier: Apache-2.0
// Describes the measures of a face (vision/measures.hpp) for media/face_fields.hpp.
#pragma once

#include <string_view>
#include <tuple>

#include "faceflow/types.hpp"
#include "media/field.hpp"

namespace faceflow::internal::media::fields {

// After the landmarks, which are the last of the other columns.
inline constexpr int first_measure_place = 10;

// A measure's column has the name of its key, without the object.
template <auto Member>
constexpr auto describe_measure(int number, facts about) {
    about.columns = {split(about.key).name};
    about.place = first_measure_place + number;
    return describe<face, &face::measures, Member>(about);
}

constexpr facts describe_share(std::string_view key, std::string_view meaning) {
    return {.key = key, .unit = "ratio", .decimals = share_decimals, .meaning = meaning, .least = 0};
}
constexpr facts describe_gaze(std::string_view key, std::string_view meaning) {
    return {.key = key, .unit = "degrees", .decimals = angle_decimals, .meaning = meaning, .least = -180, .most = 180};
}
constexpr facts describe_rate(std::string_view key, std::string_view meaning) {
    return {.key = key, .unit = "degrees/s", .decimals = angle_decimals, .meaning = meaning};
}

inline constexpr std::string_view of_eye_open =
    "how far each eye is open: distance of the lids / distance of the eye's corners (the eye aspect "
    "ratio)";
inline constexpr std::string_view of_brow =
    "from the middle of each eye to its brow / distance of the outer corners of the eyes";
inline constexpr std::string_view of_gaze =
    "where each eye looks in the head's space, by geometry: 0 is straight ahead of the head; signs as those of `pose`; "
    "off by some degrees ([measures.md](measures.md#gaze))";
inline constexpr std::string_view of_camera_gaze =
    "where each eye looks in camera space: 0 is parallel to the camera's axis, towards it";
inline constexpr std::string_view of_rate =
    "change of the angle of `pose` since the track's previous frame; `null` in its first, and after more than 1 s "
    "without the face";

// Add new entries at the end.
inline constexpr std::tuple of_measures{
    describe_measure<&face_measures::eye_open_right>(0, describe_share("measures.eye_open_right", of_eye_open)),
    describe_measure<&face_measures::eye_open_left>(1, describe_share("measures.eye_open_left", of_eye_open)),
    describe_measure<&face_measures::mouth_open>(
        2, describe_share("measures.mouth_open",
                          "between the lips' inner edges / distance of the outer corners of the eyes")),
    describe_measure<&face_measures::smile_width>(
        3, describe_share("measures.smile_width",
                          "between the corners of the mouth / distance of the outer corners of the eyes")),
    describe_measure<&face_measures::brow_right>(4, describe_share("measures.brow_right", of_brow)),
    describe_measure<&face_measures::brow_left>(5, describe_share("measures.brow_left", of_brow)),
    describe_measure<&face_measures::gaze_right_yaw>(6, describe_gaze("measures.gaze_right_yaw", of_gaze)),
    describe_measure<&face_measures::gaze_right_pitch>(7, describe_gaze("measures.gaze_right_pitch", of_gaze)),
    describe_measure<&face_measures::gaze_left_yaw>(8, describe_gaze("measures.gaze_left_yaw", of_gaze)),
    describe_measure<&face_measures::gaze_left_pitch>(9, describe_gaze("measures.gaze_left_pitch", of_gaze)),
    describe_measure<&face_measures::gaze_camera_right_yaw>(
        10, describe_gaze("measures.gaze_camera_right_yaw", of_camera_gaze)),
    describe_measure<&face_measures::gaze_camera_right_pitch>(
        11, describe_gaze("measures.gaze_camera_right_pitch", of_camera_gaze)),
    describe_measure<&face_measures::gaze_camera_left_yaw>(
        12, describe_gaze("measures.gaze_camera_left_yaw", of_camera_gaze)),
    describe_measure<&face_measures::gaze_camera_left_pitch>(
        13, describe_gaze("measures.gaze_camera_left_pitch", of_camera_gaze)),
    describe_measure<&face_measures::yaw_rate>(14, describe_rate("measures.yaw_rate", of_rate)),
    describe_measure<&face_measures::pitch_rate>(15, describe_rate("measures.pitch_rate", of_rate)),
    describe_measure<&face_measures::roll_rate>(16, describe_rate("measures.roll_rate", of_rate)),
    describe_measure<&face_measures::turn_rate>(
        17,
        describe_rate("measures.turn_rate", "how fast the head turns about whatever axis, >= 0; `null` as the rates")),
    describe_measure<&face_measures::facing>(
        18, {.key = "measures.facing",
             .unit = "0..1",
             .decimals = share_decimals,
             .meaning = "the share of the face's skin that its pose turns towards the camera: 1 from the front, 0.5 in "
                        "profile",
             .least = 0,
             .most = 1}),
    describe_measure<&face_measures::brightness>(
        19, {.key = "measures.brightness",
             .unit = "0..255",
             .decimals = level_decimals,
             .meaning = "mean luma of the middle of the face, from the brows to the mouth ([measures.md](measures.md#"
                        "brightness-and-sharpness))",
             .least = 0,
             .most = 255}),
    describe_measure<&face_measures::contrast>(20, {.key = "measures.contrast",
                                                    .unit = "0..255",
                                                    .decimals = level_decimals,
                                                    .meaning = "standard deviation of that luma",
                                                    .least = 0,
                                                    .most = 255}),
    describe_measure<&face_measures::sharpness>(
        21, {.key = "measures.sharpness",
             .unit = "0..255 squared",
             .decimals = level_decimals,
             .meaning = "variance of the Laplacian of that luma, at 96x96 pixels whatever the face's size: little of a "
                        "face that is out of focus, moves fast or has few pixels; compare a face with itself",
             .least = 0}),
};

}  // namespace faceflow::internal::media::fields
