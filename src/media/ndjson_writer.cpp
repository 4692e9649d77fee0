// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <cmath>
#include <concepts>
#include <nlohmann/json.hpp>
#include <string>
#include <tuple>
#include <utility>

#include "core/format_number.hpp"
#include "core/try.hpp"
#include "media/face_fields.hpp"
#include "media/record_reader.hpp"
#include "media/result_writer.hpp"

namespace faceflow::internal::media {
namespace {

// Reserved for a typical line.
constexpr std::size_t bytes_before_faces = 128, bytes_of_face = 15'000;

std::string json_string(std::string_view text) {
    return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

// "[item,item,…]"
template <class Items, class Append>
void append_list(std::string& line, const Items& items, Append append) {
    line.push_back('[');
    bool first = true;
    for (const auto& item : items) {
        if (!std::exchange(first, false)) line.push_back(',');
        append(item);
    }
    line.push_back(']');
}

template <class Value>
void append_json(std::string& line, const Value& value, int decimals) {
    if constexpr (fields::text<Value>) {
        line += json_string(value);
    } else if constexpr (fields::list<Value>) {
        append_list(line, value, [&](const auto& item) { append_json(line, item, decimals); });
    } else if constexpr (fields::number_tuple<Value>) {
        char separator = '[';
        fields::for_each_part(value, [&](float number) {
            line.push_back(std::exchange(separator, ','));
            append_number(line, number, decimals, "null");
        });
        line.push_back(']');
    } else {
        append_number(line, value, decimals, "null");
    }
}

// An object being written. Keys with the same prefix before a point go into an object of that name.
class open_object {
public:
    open_object(std::string& line, const row_contents& of) : line_(line), of_(of) { line_.push_back('{'); }

    void key(std::string_view path) {
        const auto [inner, last] = fields::split(path);
        if (inner != inner_) {
            leave();
            enter(inner);
        }
        name(last);
    }

    template <class Fields, class Row>
    void add(const Fields& all, const Row& row) {
        fields::for_each(all, [&](const auto& f) {
            if (f.key.empty() || !has(f, row)) return;
            key(f.key);
            append_json(line_, f.of(row), f.decimals.value_or(0));
        });
    }

    void close() {
        leave();
        line_.push_back('}');
    }

private:
    template <class Field, class Row>
    bool has(const Field& f, const Row& row) const {
        if constexpr (std::same_as<typename Field::value, float>) {
            if (f.only == fields::extra::blendshapes) return std::isfinite(f.of(row));
        }
        return of_.has(f.only);
    }

    void name(std::string_view key) {
        if (!std::exchange(first_, false)) line_.push_back(',');
        line_.append("\"").append(key).append("\":");
    }
    void enter(std::string_view inner) {
        inner_ = inner;
        if (inner.empty()) return;
        name(inner);
        line_.push_back('{');
        first_ = true;
    }
    void leave() {
        if (!inner_.empty()) line_.push_back('}');
    }

    std::string& line_;
    const row_contents& of_;
    std::string_view inner_;
    bool first_ = true;
};

void append_face(std::string& line, const face& f, const row_contents& of) {
    open_object object(line, of);
    object.add(fields::of_face, f);
    object.close();
}

class ndjson_writer final : public result_writer {
public:
    ndjson_writer(output_file file, const row_contents& of) : result_writer(std::move(file)), of_(of) {}

    std::string rows_of(const frame_faces& frame, std::string_view input) const override {
        return ndjson_row(frame, input, of_);
    }

private:
    const row_contents of_;
};

}  // namespace

std::string ndjson_row(const frame_faces& frame, std::string_view input, const row_contents& of) {
    std::string line;
    line.reserve(bytes_before_faces + input.size() + frame.faces.size() * bytes_of_face);
    open_object object(line, of);
    object.add(fields::of_frame, fields::frame_row{&frame, input});
    object.key(fields::faces_of_frame.key);
    append_list(line, frame.faces, [&](const face& f) { append_face(line, f, of); });
    object.close();
    line.push_back('\n');
    return line;
}

result<std::unique_ptr<result_writer>> make_ndjson_writer(const std::filesystem::path& path, output_options options,
                                                          const row_contents& of) {
    FACEFLOW_ASSIGN(auto file, output_file::open(path, std::move(options)));
    return std::make_unique<ndjson_writer>(std::move(file), of);
}

whole_rows find_whole_lines(int descriptor) {
    whole_rows all{0, 0, 0};
    // A JSON string cannot contain this: its quotes would be escaped.
    const std::string begin_of_face = fmt::format("{{\"{}\":", std::get<0>(fields::of_face).key);
    record_reader reader(descriptor);
    const auto end_of_line = [](std::string_view text, std::size_t from) {
        const std::size_t at = text.find('\n', from);
        return at == std::string_view::npos ? at : at + 1;
    };
    while (const auto line = reader.next(end_of_line)) {
        if (!line->starts_with('{') || !line->ends_with("}\n") || !intact(*line)) break;
        all.bytes = reader.bytes();
        ++*all.frames;
        for (std::size_t at = 0; (at = line->find(begin_of_face, at)) != std::string_view::npos; ++at)
            ++all.faces;
    }
    return all;
}

}  // namespace faceflow::internal::media
