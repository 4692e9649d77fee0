// SPDX-License-Identifier: Apache-2.0
// Describes every value that is written for a frame and its faces. Derived from this: the rows of faces.ndjson and
// faces.csv, the comparison of faces, the schema, and the tables of docs/output.md. A new value is a member of `face`
// and an entry here; a new measure one of `face_measures` and an entry in media/measure_fields.hpp.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <numeric>
#include <string_view>
#include <tuple>
#include <utility>

#include "faceflow/types.hpp"
#include "media/blendshape_fields.hpp"
#include "media/change_fields.hpp"
#include "media/field.hpp"
#include "media/measure_fields.hpp"
#include "media/pose_fields.hpp"

namespace faceflow::internal::media::fields {

// A frame and its input.
struct frame_row {
    const frame_faces* frame;
    std::string_view input;
    [[nodiscard]] constexpr double pts_seconds() const { return static_cast<double>(frame->pts_ns) / 1e9; }
};

// In JSON order, before the faces; in CSV they are the first columns.
inline constexpr std::tuple of_frame{
    describe<frame_row, &frame_row::input>(
        {.key = "input",
         .meaning =
             "path or URL of the source; for pictures the picture's own path; of a `file:` address the decoded path",
         .columns = {"input"}}),
    describe<frame_row, &frame_row::frame, &frame_faces::id, &frame_id::source>(
        {.key = "source", .decimals = 0, .meaning = "number of the source, from 0", .least = 0, .columns = {"source"}}),
    describe<frame_row, &frame_row::frame, &frame_faces::id, &frame_id::sequence>(
        {.key = "sequence",
         .decimals = 0,
         .meaning = "number of the frame in its source, from 0; numbers are missing where frames were dropped",
         .least = 0,
         .columns = {"sequence"}}),
    describe<frame_row, &frame_row::pts_seconds>(
        {.key = "pts",
         .unit = "s",
         .decimals = 6,
         .meaning = "presentation time from the start of the source; ascends strictly, whatever the timestamps "
                    "([inputs.md](inputs.md#time))",
         .columns = {"pts"}}),
    describe<frame_row, &frame_row::frame, &frame_faces::width>({.key = "width",
                                                                 .unit = "px",
                                                                 .decimals = 0,
                                                                 .meaning = "of the upright frame",
                                                                 .least = 1,
                                                                 .columns = {"width"}}),
    describe<frame_row, &frame_row::frame, &frame_faces::height>({.key = "height",
                                                                  .unit = "px",
                                                                  .decimals = 0,
                                                                  .meaning = "of the upright frame",
                                                                  .least = 1,
                                                                  .columns = {"height"}}),
};
inline constexpr facts faces_of_frame{.key = "faces", .meaning = "the faces, ordered by track"};

// The last column of `pose.matrix`.
[[nodiscard]] constexpr point3 head_position(const face& f) {
    return {f.pose.matrix[3], f.pose.matrix[7], f.pose.matrix[11]};
}

// Those but the measures and what only some runs have, which come last.
inline constexpr std::tuple of_found_face{
    describe<face, &face::track>({.key = "track",
                                  .decimals = 0,
                                  .meaning = "names one face over time, from 1 within its source, never used again; a "
                                             "face that was out of sight for more than 1 s gets a new one",
                                  .least = 1,
                                  .columns = {"track"},
                                  .place = 0}),
    describe<face, &face::score>({.key = "score",
                                  .unit = "0..1",
                                  .decimals = share_decimals,
                                  .meaning =
                                      "the detector's confidence; of a followed face that of its last detection, "
                                      "and less with each that does not confirm it",
                                  .least = 0,
                                  .most = 1,
                                  .columns = {"score"},
                                  .place = 1}),
    describe<face, &face::box>({.key = "box",
                                .unit = "px",
                                .decimals = pixel_decimals,
                                .meaning =
                                    "`[x, y, width, height]`, x and y of the top-left corner; that of a followed face "
                                    "moves with its mesh",
                                .columns = {"box_"},
                                .place = 3}),
    describe<face, &face::keypoints>(
        {.key = "keypoints5",
         .unit = "px",
         .decimals = pixel_decimals,
         .meaning = "`[x, y]` of right eye, left eye, nose, right and left corner of the mouth",
         .columns = {"right_eye_", "left_eye_", "nose_", "right_mouth_", "left_mouth_"},
         .place = 4}),
    describe<face, &face::landmarks>(
        {.key = "landmarks",
         .unit = "px",
         .decimals = pixel_decimals,
         .meaning = "`[x, y, z]` of 478 mesh points in MediaPipe's order: 468 of the face, 5 each of the person's "
                    "right and left iris. z has the scale of x and y, is smaller nearer to the camera, and starts near "
                    "the head's centre",
         .columns = {"lm#_"},
         .place = 9}),
    describe<face, &face::pose, &head_pose::yaw>({.key = "pose.yaw",
                                                  .unit = "degrees",
                                                  .decimals = angle_decimals,
                                                  .meaning = "> 0: the person turns to their own left",
                                                  .least = -180,
                                                  .most = 180,
                                                  .columns = {"yaw"},
                                                  .place = 5}),
    describe<face, &face::pose, &head_pose::pitch>({.key = "pose.pitch",
                                                    .unit = "degrees",
                                                    .decimals = angle_decimals,
                                                    .meaning = "> 0: the person looks up",
                                                    .least = -180,
                                                    .most = 180,
                                                    .columns = {"pitch"},
                                                    .place = 6}),
    describe<face, &face::pose, &head_pose::roll>({.key = "pose.roll",
                                                   .unit = "degrees",
                                                   .decimals = angle_decimals,
                                                   .meaning = "> 0: the head tilts clockwise in the picture",
                                                   .least = -180,
                                                   .most = 180,
                                                   .columns = {"roll"},
                                                   .place = 7}),
    describe<face, &face::pose, &head_pose::matrix>(
        {.key = "pose.matrix",
         .unit = "cm",
         .decimals = length_decimals,
         .meaning = "4x4, row by row: the canonical face to camera space (x right, y up, z towards the viewer; the "
                    "camera at the origin looks along -z)"}),
    describe<face, &head_position>({.unit = "cm",
                                    .decimals = length_decimals,
                                    .meaning = "the head in camera space, cm (the last column of `pose.matrix`); `tz` "
                                               "is negative in front of the camera",
                                    .columns = {"t"},
                                    .place = 8}),
    describe<face, &face::presence>(
        {.key = "presence",
         .unit = "0..1",
         .decimals = share_decimals,
         .meaning = "the landmark model's belief that there is a face; less, down to 0, where its mesh lies elsewhere "
                    "than the eyes and nose that the detector found",
         .least = 0,
         .most = 1,
         .columns = {"presence"},
         .place = 2}),
};

// In JSON order. Add new entries at the end (those of an object at its end), with columns after all others, so that
// existing ones keep their places.
inline constexpr auto of_face = std::tuple_cat(of_found_face, of_measures, of_blendshapes, of_openface, of_changes);

namespace detail {

inline constexpr std::size_t face_field_count = std::tuple_size_v<decltype(of_face)>;

// Entries without columns sort first and are skipped.
inline constexpr auto places_of_columns = [] {
    std::array<int, face_field_count> places{};
    std::size_t i = 0;
    for_each(of_face, [&](const facts& f) { places[i++] = f.columns[0].empty() ? -1 : f.place; });
    return places;
}();
inline constexpr auto order_of_columns = [] {
    std::array<std::size_t, face_field_count> order{};
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::ranges::sort(order, {}, [](std::size_t at) { return places_of_columns[at]; });
    return order;
}();
static_assert(
    [] {
        for (std::size_t i = 1; i < face_field_count; ++i) {
            const int before = places_of_columns[order_of_columns[i - 1]],
                      here = places_of_columns[order_of_columns[i]];
            if (before == here && here >= 0) return false;
        }
        return true;
    }(),
    "two facts about a face have the same place among the columns of CSV");

// Lines are written sequentially.
static_assert(
    [] {
        std::array<std::string_view, face_field_count> objects{};
        std::size_t count = 0;
        bool once = true;
        for_each(of_face, [&](const facts& f) {
            const std::string_view object = split(f.key).object;
            if (f.key.empty() || (count > 0 && objects[count - 1] == object)) return;
            once = once && (object.empty() || std::ranges::find(objects, object) == objects.end());
            objects[count++] = object;
        });
        return once;
    }(),
    "keys of one object of JSON must follow each other");

// The bytes of the values in JSON, without those computed for CSV.
inline constexpr std::size_t described_bytes = [] {
    std::size_t sum = 0;
    for_each(of_face, [&]<class Field>(const Field& f) { sum += f.key.empty() ? 0 : sizeof(typename Field::value); });
    return sum;
}();
static_assert(described_bytes <= sizeof(face) && sizeof(face) - described_bytes < alignof(face),
              "a member of `face` is not described, or is described twice");

}  // namespace detail

// Visits the entries with columns, in column order; `has(e)`: whether there are those that only some runs have.
template <class Has, class Do>
constexpr void for_each_in_csv(const Has& has, Do&& action) {
    const auto pass = [&](const auto& each) {
        if (!each.columns[0].empty() && (each.only == extra::none || has(each.only))) action(each);
    };
    [&]<std::size_t... I>(std::index_sequence<I...>) {
        (pass(std::get<detail::order_of_columns[I]>(of_face)), ...);
    }
    (std::make_index_sequence<detail::face_field_count>());
}

}  // namespace faceflow::internal::media::fields
