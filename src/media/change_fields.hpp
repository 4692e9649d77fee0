// SPDX-License-Identifier: Apache-2.0
// Describes how a face differs from its baseline (vision/baseline.hpp) for media/face_fields.hpp.
#pragma once

#include <string_view>
#include <tuple>

#include "faceflow/types.hpp"
#include "media/field.hpp"
#include "media/pose_fields.hpp"

namespace faceflow::internal::media::fields {

inline constexpr int first_change_place =
    first_openface_place + static_cast<int>(std::tuple_size_v<decltype(of_openface)>);

template <auto Member>
constexpr auto describe_change(int number, std::string_view key, std::string_view column) {
    return describe<face, &face::changes, Member>(
        {.key = key,
         .unit = "ratio",
         .decimals = share_decimals,
         .meaning = "the measure of this name minus its baseline, the median over the track's first seconds; `null` "
                    "until that is known ([measures.md](measures.md#baselines)). Only with `--baseline`",
         .columns = {column},
         .place = first_change_place + number,
         .only = extra::changes});
}

// Add new entries at the end.
inline constexpr std::tuple of_changes{
    describe_change<&face_changes::eye_open_right>(0, "changes.eye_open_right", "eye_open_right_change"),
    describe_change<&face_changes::eye_open_left>(1, "changes.eye_open_left", "eye_open_left_change"),
    describe_change<&face_changes::mouth_open>(2, "changes.mouth_open", "mouth_open_change"),
    describe_change<&face_changes::smile_width>(3, "changes.smile_width", "smile_width_change"),
    describe_change<&face_changes::brow_right>(4, "changes.brow_right", "brow_right_change"),
    describe_change<&face_changes::brow_left>(5, "changes.brow_left", "brow_left_change"),
};

}  // namespace faceflow::internal::media::fields
