// SPDX-License-Identifier: Apache-2.0
// Describes every value that is written for a frame and its faces. Derived from this: the rows of faces.ndjson and
// faces.csv, the comparison of faces, the schema, and the tables of docs/output.md. A new value is a member of `face`
// and an entry here.
#pragma once

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <numeric>
#include <optional>
#include <ranges>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "faceflow/types.hpp"

namespace faceflow::media::fields {

// Limit of items with named columns per value.
inline constexpr std::size_t max_named_items = 5;

struct facts {
    std::string_view key{};         // in JSON; "a.b" is key b in the object a; empty: only in CSV
    std::string_view unit{};        // empty: none
    std::optional<int> decimals{};  // of each number, 0 for integers; nullopt if it is no number
    std::string_view meaning{};     // for docs/output.md, in Markdown; the schema has it as plain text
    std::optional<int> least{}, most{};
    // In CSV: the name of each item's column, or its prefix if an item has several numbers (x, y). In a single name for
    // all items, # stands for the item's number. None: only in JSON.
    std::array<std::string_view, max_named_items> columns{};
    int place = 0;  // order among the columns of a face; unique
};

// "pose.yaw" is `yaw` in the object `pose`; a key without a point is in no object.
struct json_key {
    std::string_view object, name;
};
[[nodiscard]] constexpr json_key split(std::string_view key) {
    const auto point = key.find('.');
    if (point == std::string_view::npos) return {{}, key};
    return {key.substr(0, point), key.substr(point + 1)};
}

// The path from a row to one of its values: members and functions, applied in turn.
template <auto First, auto... Rest>
struct path {
    template <class From>
    constexpr decltype(auto) operator()(const From& from) const {
        if constexpr (sizeof...(Rest) == 0) {
            return std::invoke(First, from);
        } else {
            return path<Rest...>()(std::invoke(First, from));
        }
    }
};

template <class Row, auto... Steps>
struct field : facts {
    using value = std::remove_cvref_t<std::invoke_result_t<path<Steps...>, const Row&>>;
    [[nodiscard]] static constexpr decltype(auto) of(const Row& row) { return path<Steps...>()(row); }
};

template <class Row, auto... Steps>
constexpr field<Row, Steps...> describe(const facts& about) {
    return {about};
}

// A value is a text, a number, a tuple of named numbers, or an array of values. Numbers from models are floats that may
// be non-finite; those of frames are always finite.
template <class T>
struct part {
    std::string_view name;
    float T::*member;
};
template <class T>
inline constexpr std::tuple<> parts{};
template <>
inline constexpr std::array<part<point>, 2> parts<point>{{{"x", &point::x}, {"y", &point::y}}};
template <>
inline constexpr std::array<part<point3>, 3> parts<point3>{{{"x", &point3::x}, {"y", &point3::y}, {"z", &point3::z}}};
template <>
inline constexpr std::array<part<rect>, 4> parts<rect>{
    {{"x", &rect::x}, {"y", &rect::y}, {"width", &rect::width}, {"height", &rect::height}}};

template <class T>
concept text = std::same_as<T, std::string_view>;
template <class T>
concept number_tuple = requires {
    parts<T>.size();
};
template <class T>
concept list = std::ranges::range<T> && !text<T>;

template <class Do>
constexpr void for_each(const auto& all_fields, Do&& action) {
    std::apply([&](const auto&... each) { (action(each), ...); }, all_fields);
}

template <number_tuple T, class Do>
constexpr void for_each_part(const T& value, Do&& action) {
    [&]<std::size_t... I>(std::index_sequence<I...>) {
        (action(value.*(std::get<I>(parts<T>).member)), ...);
    }
    (std::make_index_sequence<parts<T>.size()>());
}

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

inline constexpr int pixel_decimals = 3, share_decimals = 4, angle_decimals = 2, length_decimals = 5;

// The last column of `pose.matrix`.
[[nodiscard]] constexpr point3 head_position(const face& f) {
    return {f.pose.matrix[3], f.pose.matrix[7], f.pose.matrix[11]};
}

// In JSON order. Add new entries at the end (those of `pose` at the end of `pose`), with columns after all others, so
// that existing ones keep their places.
inline constexpr std::tuple of_face{
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
                                  .meaning = "the detector's confidence",
                                  .least = 0,
                                  .most = 1,
                                  .columns = {"score"},
                                  .place = 1}),
    describe<face, &face::box>({.key = "box",
                                .unit = "px",
                                .decimals = pixel_decimals,
                                .meaning = "`[x, y, width, height]`, x and y of the top-left corner",
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

// Visits the entries with columns, in column order.
template <class Do>
constexpr void for_each_in_csv(Do&& action) {
    const auto pass = [&](const auto& each) {
        if (!each.columns[0].empty()) action(each);
    };
    [&]<std::size_t... I>(std::index_sequence<I...>) {
        (pass(std::get<detail::order_of_columns[I]>(of_face)), ...);
    }
    (std::make_index_sequence<detail::face_field_count>());
}

// The names of a field's columns: "score"; "nose_x", "nose_y" …; "lm0_x" ….
template <class Field>
[[nodiscard]] std::vector<std::string> columns_of(const Field& field) {
    std::vector<std::string> names;
    const auto add_item = [&]<class Item>(std::type_identity<Item>, std::size_t number) {
        std::string name(field.columns[0]);
        if (const auto mark = name.find('#'); mark != std::string::npos) {
            name.replace(mark, 1, std::to_string(number));
        } else {
            name = field.columns.at(number);
        }
        if constexpr (number_tuple<Item>) {
            for (const auto& p : parts<Item>)
                names.push_back(name + std::string(p.name));
        } else {
            names.push_back(std::move(name));
        }
    };
    using value = typename Field::value;
    if (field.columns[0].empty()) return names;
    if constexpr (list<value>) {
        for (std::size_t i = 0; i < std::tuple_size_v<value>; ++i)
            add_item(std::type_identity<std::ranges::range_value_t<value>>(), i);
    } else {
        add_item(std::type_identity<value>(), 0);
    }
    return names;
}

}  // namespace faceflow::media::fields
