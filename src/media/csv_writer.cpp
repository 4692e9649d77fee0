// SPDX-License-Identifier: Apache-2.0
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "core/format_number.hpp"
#include "core/try.hpp"
#include "media/event_fields.hpp"
#include "media/face_fields.hpp"
#include "media/record_reader.hpp"
#include "media/result_writer.hpp"

namespace faceflow::internal::media {
namespace {

constexpr std::string_view end_of_record = "\r\n";  // RFC 4180
// Reserved for a typical record.
constexpr std::size_t bytes_of_record = 14'000;

void append_names(std::string& line, const auto& field) {
    for (const std::string& name : fields::columns_of(field))
        line.append(line.empty() ? "" : ",").append(name);
}

// Valid UTF-8, quoted where RFC 4180 requires it. nlohmann's replacement of invalid sequences is the one that
// faces.ndjson uses, too.
std::string csv_text(std::string_view text) {
    using nlohmann::json;
    auto valid = json::parse(json(text).dump(-1, ' ', false, json::error_handler_t::replace)).get<std::string>();
    if (valid.find_first_of(",\"\r\n") == std::string::npos) return valid;
    std::string quoted = "\"";
    for (const char c : valid)
        quoted.append(c == '"' ? 2 : 1, c);
    return quoted + '"';
}

// Appends each number and text, preceded by a comma.
template <class Value>
void append_csv(std::string& line, const Value& value, int decimals) {
    if constexpr (fields::text<Value>) {
        line.append(",").append(csv_text(value));
    } else if constexpr (fields::list<Value>) {
        for (const auto& item : value)
            append_csv(line, item, decimals);
    } else if constexpr (fields::number_tuple<Value>) {
        fields::for_each_part(value, [&](float number) { append_csv(line, number, decimals); });
    } else {
        line.push_back(',');
        append_number(line, value, decimals, "");
    }
}

class csv_writer final : public result_writer {
public:
    csv_writer(output_file file, const row_contents& of) : result_writer(std::move(file)), has_{of} {}

    result<void> begin() {
        std::string line;
        fields::for_each(fields::of_frame, [&](const auto& f) { append_names(line, f); });
        fields::for_each_in_csv(has_, [&](const auto& f) { append_names(line, f); });
        return file_.append(line.append(end_of_record));
    }

    std::string rows_of(const frame_faces& frame, std::string_view input) const override {
        if (frame.faces.empty()) return {};
        std::string prefix;
        const fields::frame_row row{&frame, input};
        fields::for_each(fields::of_frame,
                         [&](const auto& f) { append_csv(prefix, f.of(row), f.decimals.value_or(0)); });
        prefix.erase(0, 1);  // the first comma
        std::string records;
        records.reserve(frame.faces.size() * (prefix.size() + bytes_of_record));
        for (const face& each : frame.faces) {
            records += prefix;
            fields::for_each_in_csv(has_,
                                    [&](const auto& f) { append_csv(records, f.of(each), f.decimals.value_or(0)); });
            records += end_of_record;
        }
        return records;
    }

private:
    struct extras {
        row_contents of;
        bool operator()(fields::extra e) const { return of.has(e); }
    };
    const extras has_;
};

class event_writer final : public result_writer {
public:
    event_writer(output_file file, const row_contents&) : result_writer(std::move(file)) {}

    result<void> begin() {
        std::string line;
        fields::for_each(fields::of_event, [&](const auto& f) { append_names(line, f); });
        return file_.append(line.append(end_of_record));
    }

    std::string rows_of(const frame_faces& frame, std::string_view input) const override {
        std::string records;
        const auto add = [&](const auto& event) {
            std::string record;
            const auto row = fields::event_row::of(event, frame, input);
            fields::for_each(fields::of_event,
                             [&](const auto& f) { append_csv(record, f.of(row), f.decimals.value_or(0)); });
            record.erase(0, 1);  // the first comma
            records.append(record).append(end_of_record);
        };
        for (const blink& b : frame.blinks)
            add(b);
        for (const marker& m : frame.markers)
            add(m);
        return records;
    }
};

// The file of a Writer with its header.
template <class Writer>
result<std::unique_ptr<result_writer>> make_table(const std::filesystem::path& path, output_options options,
                                                  const row_contents& of) {
    FACEFLOW_ASSIGN(auto file, output_file::open(path, std::move(options)));
    auto writer = std::make_unique<Writer>(std::move(file), of);
    if (auto begun = writer->begin(); !begun) {
        writer->file().discard();
        return tl::unexpected(std::move(begun.error()));
    }
    return writer;
}

// Finds the end of the first record in the text (RFC 4180).
class csv_record_end {
public:
    std::size_t operator()(std::string_view text, std::size_t from) {
        if (from == 0) quoted_ = false;
        for (std::size_t i = from; i < text.size(); ++i) {
            if (text[i] == '"') quoted_ = !quoted_;
            if (text[i] == '\n' && !quoted_ && i > 0 && text[i - 1] == '\r') return i + 1;
        }
        return std::string_view::npos;
    }

private:
    bool quoted_ = false;  // at the position where the last search stopped
};

std::size_t fields_of(std::string_view record) {
    bool quoted = false;
    std::size_t count = 1;
    for (const char c : record) {
        if (c == '"') quoted = !quoted;
        if (c == ',' && !quoted) ++count;
    }
    return count;
}

}  // namespace

result<std::unique_ptr<result_writer>> make_csv_writer(const std::filesystem::path& path, output_options options,
                                                       const row_contents& of) {
    return make_table<csv_writer>(path, std::move(options), of);
}

result<std::unique_ptr<result_writer>> make_event_writer(const std::filesystem::path& path, output_options options,
                                                         const row_contents& of) {
    return make_table<event_writer>(path, std::move(options), of);
}

whole_rows find_whole_csv(int descriptor) {
    whole_rows all;
    std::uint64_t records = 0;
    record_reader reader(descriptor);
    std::size_t columns = 0;
    csv_record_end find_end;
    while (const auto record = reader.next(std::ref(find_end))) {
        if (columns == 0) columns = fields_of(*record);
        if (fields_of(*record) != columns || !intact(*record)) break;
        all.bytes = reader.bytes();
        ++records;
    }
    all.faces = records > 0 ? records - 1 : 0;  // without the header
    return all;
}

}  // namespace faceflow::internal::media
