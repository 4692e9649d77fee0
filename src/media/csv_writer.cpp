// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include <array>
#include <string>
#include <utility>

#include "core/format_number.hpp"
#include "media/result_writer.hpp"

namespace faceflow::media {
namespace {

constexpr std::string_view end_of_record = "\r\n";  // RFC 4180
// Room for what a record mostly takes.
constexpr std::size_t bytes_of_face = 14'000;

std::string header() {
    std::string line = "input,source,sequence,pts,width,height,track,score,presence,box_x,box_y,box_width,box_height";
    constexpr std::array<std::string_view, 5> keypoints{"right_eye", "left_eye", "nose", "right_mouth", "left_mouth"};
    for (const std::string_view name : keypoints) {
        for (const char axis : {'x', 'y'})
            line.append(",").append(name).append("_").push_back(axis);
    }
    line += ",yaw,pitch,roll,tx,ty,tz";
    for (int i = 0; i < landmark_count; ++i) {
        for (const char axis : {'x', 'y', 'z'})
            line.append(",lm").append(std::to_string(i)).append("_").push_back(axis);
    }
    line += end_of_record;
    return line;
}

// A field with valid UTF-8, in quotes where RFC 4180 wants them. nlohmann's replacement of broken sequences is the one
// that faces.ndjson shows, too.
std::string field(const std::string& text) {
    using nlohmann::json;
    auto valid = json::parse(json(text).dump(-1, ' ', false, json::error_handler_t::replace)).get<std::string>();
    if (valid.find_first_of(",\"\r\n") == std::string::npos) return valid;
    std::string quoted = "\"";
    for (const char c : valid)
        quoted.append(c == '"' ? 2 : 1, c);
    return quoted + '"';
}

class csv_writer final : public result_writer {
public:
    explicit csv_writer(output_file file) : result_writer(std::move(file)) {}

    result<void> begin() { return file_.append(header()); }

    std::string rows_of(const frame_faces& frame, std::string_view input) const override {
        if (frame.faces.empty()) return {};
        std::string prefix = field(std::string(input));
        integer(prefix, std::uint64_t{frame.id.source});
        integer(prefix, frame.id.sequence);
        prefix.push_back(',');
        append_fixed(prefix, static_cast<double>(frame.pts_ns) / 1e9, pts_decimals);
        integer(prefix, std::int64_t{frame.width});
        integer(prefix, std::int64_t{frame.height});
        std::string records;
        records.reserve(frame.faces.size() * (prefix.size() + bytes_of_face));
        for (const face& f : frame.faces) {
            records += prefix;
            append_record(records, f);
        }
        return records;
    }

private:
    template <class Integer>
    static void integer(std::string& line, Integer value) {
        line.push_back(',');
        append_integer(line, value);
    }

    template <class... Float>
    static void numbers(std::string& line, int decimals, Float... values) {
        ((line.push_back(','), append_fixed(line, static_cast<double>(values), decimals, "")), ...);
    }

    static void append_record(std::string& line, const face& f) {
        integer(line, f.track);
        numbers(line, score_decimals, f.score, f.presence);
        numbers(line, pixel_decimals, f.box.x, f.box.y, f.box.width, f.box.height);
        for (const point& p : f.keypoints)
            numbers(line, pixel_decimals, p.x, p.y);
        numbers(line, angle_decimals, f.pose.yaw, f.pose.pitch, f.pose.roll);
        numbers(line, matrix_decimals, f.pose.matrix[3], f.pose.matrix[7], f.pose.matrix[11]);
        for (const point3& p : f.landmarks)
            numbers(line, pixel_decimals, p.x, p.y, p.z);
        line += end_of_record;
    }
};

}  // namespace

result<std::unique_ptr<result_writer>> make_csv_writer(const std::filesystem::path& path, output_options options) {
    auto file = output_file::open(path, std::move(options));
    if (!file) return tl::unexpected(std::move(file.error()));
    auto writer = std::make_unique<csv_writer>(std::move(*file));
    if (auto begun = writer->begin(); !begun) {
        writer->file().discard();
        return tl::unexpected(std::move(begun.error()));
    }
    return writer;
}

}  // namespace faceflow::media
