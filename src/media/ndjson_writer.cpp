// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include <string>
#include <utility>

#include "core/format_number.hpp"
#include "media/result_writer.hpp"

namespace faceflow::media {
namespace {

// Room for what a line mostly takes.
constexpr std::size_t bytes_before_faces = 128, bytes_of_face = 15'000;

void append_number(std::string& line, float value, int decimals) {
    append_fixed(line, static_cast<double>(value), decimals, "null");
}

// "[a,b,c]"
template <class... Float>
void append_tuple(std::string& line, int decimals, Float... values) {
    char separator = '[';
    ((line.push_back(separator), append_number(line, values, decimals), separator = ','), ...);
    line.push_back(']');
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

void append_pose(std::string& line, const head_pose& pose) {
    line += R"({"yaw":)";
    append_number(line, pose.yaw, angle_decimals);
    line += R"(,"pitch":)";
    append_number(line, pose.pitch, angle_decimals);
    line += R"(,"roll":)";
    append_number(line, pose.roll, angle_decimals);
    line += R"(,"matrix":)";
    append_list(line, pose.matrix, [&](float v) { append_number(line, v, matrix_decimals); });
    line.push_back('}');
}

void append_face(std::string& line, const face& f) {
    line += R"({"track":)";
    append_integer(line, f.track);
    line += R"(,"score":)";
    append_number(line, f.score, score_decimals);
    line += R"(,"box":)";
    append_tuple(line, pixel_decimals, f.box.x, f.box.y, f.box.width, f.box.height);
    line += R"(,"keypoints5":)";
    append_list(line, f.keypoints, [&](const point& p) { append_tuple(line, pixel_decimals, p.x, p.y); });
    line += R"(,"landmarks":)";
    append_list(line, f.landmarks, [&](const point3& p) { append_tuple(line, pixel_decimals, p.x, p.y, p.z); });
    line += R"(,"pose":)";
    append_pose(line, f.pose);
    line += R"(,"presence":)";
    append_number(line, f.presence, score_decimals);
    line.push_back('}');
}

std::string json_string(const std::string& text) {
    return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

class ndjson_writer final : public result_writer {
public:
    explicit ndjson_writer(output_file file) : result_writer(std::move(file)) {}

    std::string rows_of(const frame_faces& frame, std::string_view input) const override {
        std::string line;
        line.reserve(bytes_before_faces + input.size() + frame.faces.size() * bytes_of_face);
        line += R"({"input":)";
        line += json_string(std::string(input));
        line += R"(,"source":)";
        append_integer(line, std::uint64_t{frame.id.source});
        line += R"(,"sequence":)";
        append_integer(line, frame.id.sequence);
        line += R"(,"pts":)";
        append_fixed(line, static_cast<double>(frame.pts_ns) / 1e9, pts_decimals);
        line += R"(,"width":)";
        append_integer(line, std::int64_t{frame.width});
        line += R"(,"height":)";
        append_integer(line, std::int64_t{frame.height});
        line += R"(,"faces":)";
        append_list(line, frame.faces, [&](const face& f) { append_face(line, f); });
        line += "}\n";
        return line;
    }
};

}  // namespace

result<std::unique_ptr<result_writer>> make_ndjson_writer(const std::filesystem::path& path, output_options options) {
    auto file = output_file::open(path, std::move(options));
    if (!file) return tl::unexpected(std::move(file.error()));
    return std::make_unique<ndjson_writer>(std::move(*file));
}

}  // namespace faceflow::media
