#include <nlohmann/json.hpp>

#include <array>
#include <string>
#include <utility>

#include "core/format_number.hpp"
#include "media/result_writer.hpp"

namespace faceflow::media {
namespace {

constexpr std::string_view end_of_record = "\r\n";  // RFC 4180

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

    result<void> write(const frame_faces& frame, std::string_view input) override {
        if (frame.faces.empty()) return {};
        if (input != input_) {  // it hardly ever changes
            input_ = input;
            field_ = field(input_);
        }
        prefix_ = field_;
        integer(prefix_, std::uint64_t{frame.id.source});
        integer(prefix_, frame.id.sequence);
        prefix_.push_back(',');
        append_fixed(prefix_, static_cast<double>(frame.pts_ns) / 1e9, pts_decimals);
        integer(prefix_, std::int64_t{frame.width});
        integer(prefix_, std::int64_t{frame.height});
        records_.clear();
        for (const face& f : frame.faces) {
            record(f);
            records_ += line_;
        }
        return file_.append(records_);
    }

private:
    template <class Integer>
    static void integer(std::string& line, Integer value) {
        line.push_back(',');
        append_integer(line, value);
    }

    template <class... Float>
    void numbers(int decimals, Float... values) {
        ((line_.push_back(','), append_fixed(line_, static_cast<double>(values), decimals, "")), ...);
    }

    void record(const face& f) {
        line_ = prefix_;
        integer(line_, f.track);
        numbers(score_decimals, f.score, f.presence);
        numbers(pixel_decimals, f.box.x, f.box.y, f.box.width, f.box.height);
        for (const point& p : f.keypoints)
            numbers(pixel_decimals, p.x, p.y);
        numbers(angle_decimals, f.pose.yaw, f.pose.pitch, f.pose.roll);
        numbers(matrix_decimals, f.pose.matrix[3], f.pose.matrix[7], f.pose.matrix[11]);
        for (const point3& p : f.landmarks)
            numbers(pixel_decimals, p.x, p.y, p.z);
        line_ += end_of_record;
    }

    std::string line_, prefix_, records_;
    std::string input_, field_;
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
