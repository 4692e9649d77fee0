// SPDX-License-Identifier: Apache-2.0
#include "media/field_tables.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <nlohmann/json.hpp>
#include <ranges>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "media/event_fields.hpp"
#include "media/face_fields.hpp"

namespace faceflow::internal::media {
namespace {

std::string as_code(const std::vector<std::string>& names) {
    return fmt::format("`{}`", fmt::join(names, "`, `"));
}

std::string table_row(const std::vector<std::string>& cells) {
    std::string row = "|";
    for (const auto& cell : cells)
        row += cell.empty() ? " |" : fmt::format(" {} |", cell);
    return row + '\n';
}

// Keys with equal descriptions share a row.
class key_table {
public:
    // `head` is that of the first column.
    explicit key_table(std::string_view head = "key")
        : text_(fmt::format("| {} | unit | decimals | meaning |\n| --- | --- | --- | --- |\n", head)) {}

    void add(const fields::facts& f) {
        if (f.key.empty()) return;
        if (!keys_.empty() && (f.unit != last_.unit || f.decimals != last_.decimals || f.meaning != last_.meaning))
            end_row();
        keys_.emplace_back(f.key);
        last_ = f;
    }
    [[nodiscard]] std::string text() {
        end_row();
        return std::move(text_);
    }

private:
    void end_row() {
        text_ += table_row({as_code(keys_), std::string(last_.unit),
                            last_.decimals ? std::to_string(*last_.decimals) : "", std::string(last_.meaning)});
        keys_.clear();
    }

    std::string text_;
    std::vector<std::string> keys_;  // of the next row
    fields::facts last_;
};

// Consecutive columns that hold one key each share a row, if the keys are in the same object.
class column_table {
public:
    template <class Field>
    void add(const Field& f) {
        const auto names = fields::columns_of(f);
        if (names.empty()) return;
        if (names.size() > 1) {
            end_row();
            add_many(f, names);
            return;
        }
        const auto [object, name] = fields::split(f.key);
        const bool same_name = name == names.front();
        if (object != object_ || same_name != same_names_) end_row();
        object_ = object;
        same_names_ = same_name;
        columns_.push_back(names.front());
        keys_.emplace_back(f.key);
    }
    [[nodiscard]] std::string text() {
        end_row();
        return std::move(text_);
    }

private:
    void add_many(const fields::facts& f, const std::vector<std::string>& names) {
        std::string columns = as_code(names);
        if (f.columns[0].find('#') != std::string_view::npos) {  // too many to list
            const std::size_t of_an_item = 3;
            columns = fmt::format("{} … {}", as_code({names.begin(), names.begin() + of_an_item}),
                                  as_code({names.end() - of_an_item, names.end()}));
        }
        text_ += table_row({columns, f.key.empty() ? std::string(f.meaning) : fmt::format("`{}`", f.key)});
    }
    void end_row() {
        if (columns_.empty()) return;
        const std::string in_object = object_.empty() ? "" : fmt::format(" in `{}`", object_);
        text_ += table_row({as_code(columns_), same_names_ ? "the keys of these names" + in_object : as_code(keys_)});
        columns_.clear();
        keys_.clear();
    }

    std::string text_ = "| columns | what they hold |\n| --- | --- |\n";
    std::vector<std::string> columns_, keys_;  // of the next row
    std::string_view object_;                  // the keys'
    bool same_names_ = true;                   // the columns have the keys' names
};

using schema = nlohmann::ordered_json;

// Removes Markdown's backticks, and keeps only the text of links.
std::string without_marks(std::string_view markdown) {
    std::string plain;
    for (std::size_t i = 0; i < markdown.size(); ++i) {
        const std::string_view ahead = markdown.substr(i);
        const auto bracket = ahead.find_first_of("[]", 1);
        const bool opens_link =
            ahead.starts_with('[') && bracket != std::string_view::npos && ahead.substr(bracket).starts_with("](");
        if (ahead.starts_with("](")) {
            i += std::min(ahead.find(')'), ahead.size());
        } else if (!opens_link && ahead.front() != '`') {
            plain.push_back(ahead.front());
        }
    }
    return plain;
}

std::string description_of(const fields::facts& f) {
    return f.unit.empty() ? without_marks(f.meaning) : fmt::format("{}; {}", f.unit, without_marks(f.meaning));
}

schema array_of(schema items, std::size_t count) {
    return {{"type", "array"}, {"minItems", count}, {"maxItems", count}, {"items", std::move(items)}};
}

template <class Value>
schema schema_of(const fields::facts& f) {
    if constexpr (fields::text<Value>) {
        return {{"type", "string"}};
    } else if constexpr (fields::list<Value>) {
        return array_of(schema_of<std::ranges::range_value_t<Value>>(f), std::tuple_size_v<Value>);
    } else if constexpr (fields::number_tuple<Value>) {
        return array_of(schema_of<float>(f), fields::parts<Value>.size());
    } else {
        schema number;
        if constexpr (std::same_as<Value, float>) {
            number["type"] = {"number", "null"};  // null: the model's value was not finite
        } else {
            number["type"] = std::integral<Value> ? "integer" : "number";
        }
        if (f.least) number["minimum"] = *f.least;
        if (f.most) number["maximum"] = *f.most;
        return number;
    }
}

schema empty_object() {
    return {{"type", "object"},
            {"additionalProperties", false},
            {"required", schema::array()},
            {"properties", schema::object()}};
}

void add_key(schema& object, std::string_view key, schema value, bool optional = false) {
    if (!optional) object["required"].push_back(std::string(key));
    object["properties"][std::string(key)] = std::move(value);
}

// A key with a point goes into the object of that name.
template <class Fields>
void add_keys(schema& object, const Fields& all) {
    fields::for_each(all, [&]<class Field>(const Field& f) {
        if (f.key.empty()) return;
        schema value = schema_of<typename Field::value>(f);
        value["description"] = description_of(f);
        const auto [inner, name] = fields::split(f.key);
        if (inner.empty()) return add_key(object, name, std::move(value));
        schema& properties = object["properties"];
        if (!properties.contains(inner)) add_key(object, inner, empty_object(), f.only != fields::extra::none);
        add_key(properties[std::string(inner)], name, std::move(value));
    });
}

}  // namespace

std::string table_of_frame_keys() {
    key_table table;
    fields::for_each(fields::of_frame, [&](const fields::facts& f) { table.add(f); });
    table.add(fields::faces_of_frame);
    return table.text();
}

std::string table_of_face_keys() {
    key_table table;
    fields::for_each(fields::of_face, [&](const fields::facts& f) { table.add(f); });
    return table.text();
}

std::string table_of_columns() {
    column_table table;
    const auto add = [&](const auto& f) { table.add(f); };
    fields::for_each(fields::of_frame, add);
    fields::for_each_in_csv([](fields::extra) { return true; }, add);
    return table.text();
}

std::string table_of_event_columns() {
    key_table table("column");
    fields::for_each(fields::of_event, [&](const fields::facts& f) { table.add(f); });
    return table.text();
}

std::size_t column_count() {
    std::size_t count = 0;
    const auto add = [&](const auto& f) { count += fields::columns_of(f).size(); };
    fields::for_each(fields::of_frame, add);
    fields::for_each_in_csv([](fields::extra) { return false; }, add);
    return count;
}

nlohmann::ordered_json faces_schema() {
    schema line{
        {"$schema", "https://json-schema.org/draft/2020-12/schema"},
        {"title", "A line of faces.ndjson"},
        {"description",
         "Everything found in one frame. Pixels are those of the upright frame, (0, 0) is the outer corner of its "
         "top-left pixel. A number that a model could not give is null."}};
    line.update(empty_object());
    add_keys(line, fields::of_frame);
    add_key(line, fields::faces_of_frame.key,
            {{"type", "array"},
             {"items", {{"$ref", "#/$defs/face"}}},
             {"description", description_of(fields::faces_of_frame)}});
    add_keys(line["$defs"]["face"] = empty_object(), fields::of_face);
    return line;
}

std::string faces_schema_text() {
    return faces_schema().dump(4) + '\n';
}

}  // namespace faceflow::internal::media
