// SPDX-License-Identifier: Apache-2.0
// What is told of a value in a file of results, and how the value is reached. The lists of values are made of it:
// media/face_fields.hpp and media/event_fields.hpp.
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <ranges>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "faceflow/types.hpp"

namespace faceflow::internal::media::fields {

// Limit of items with named columns per value.
inline constexpr std::size_t max_named_items = 5;

// What the faces of only some runs have, by what a run is asked for.
enum class extra : std::uint8_t {
    none,         // every face has it
    blendshapes,  // a key where it is finite, and a column
    openface,     // a key and a column
    changes,      // the same
};

struct facts {
    std::string_view key{};         // in JSON; "a.b" is key b in the object a; empty: only in CSV
    std::string_view unit{};        // empty: none
    std::optional<int> decimals{};  // of each number, 0 for integers; nullopt if it is no number
    std::string_view meaning{};     // for docs/output.md, in Markdown; the schema has it as plain text
    std::optional<int> least{}, most{};
    // In CSV: the name of each item's column, or its prefix if an item has several numbers (x, y). In a single name for
    // all items, # stands for the item's number. None: only in JSON.
    std::array<std::string_view, max_named_items> columns{};
    int place = 0;             // order among the columns of a face; unique
    extra only = extra::none;  // of floats
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

inline constexpr int pixel_decimals = 3, share_decimals = 4, angle_decimals = 2, level_decimals = 2,
                     length_decimals = 5, openface_decimals = 5;

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

}  // namespace faceflow::internal::media::fields
