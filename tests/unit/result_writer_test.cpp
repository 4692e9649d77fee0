// SPDX-License-Identifier: Apache-2.0
#include "media/result_writer.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>

namespace faceflow::internal::media {
namespace {
namespace fs = std::filesystem;
using nlohmann::json;

face sample_face(std::int64_t track) {
    face f;
    f.track = track;
    f.score = 0.99876f;
    f.presence = 0.875f;
    f.box = {10.5f, 20.25f, 100.125f, 120};
    for (std::size_t i = 0; i < f.keypoints.size(); ++i)
        f.keypoints[i] = {static_cast<float>(i), 0.5f};
    for (std::size_t i = 0; i < f.landmarks.size(); ++i) {
        f.landmarks[i] = {static_cast<float>(i), static_cast<float>(i) / 2, -static_cast<float>(i) / 4};
    }
    f.pose.yaw = -12.5f;
    f.pose.pitch = 3.25f;
    for (std::size_t i = 0; i < f.pose.matrix.size(); ++i)
        f.pose.matrix[i] = static_cast<float>(i) + 0.5f;
    return f;
}

frame_faces sample_frame(std::size_t faces) {
    frame_faces frame;
    frame.id = {3, 12};
    frame.pts_ns = 400'400'000;
    frame.width = 1920;
    frame.height = 1080;
    for (std::size_t i = 0; i < faces; ++i)
        frame.faces.push_back(sample_face(static_cast<std::int64_t>(i) + 1));
    return frame;
}

// Fields of RFC 4180 records.
std::vector<std::vector<std::string>> parse_csv(const std::string& text) {
    std::vector<std::vector<std::string>> records(1, std::vector<std::string>(1));
    bool quoted = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        std::string& field = records.back().back();
        if (text[i] == '"' && quoted && i + 1 < text.size() && text[i + 1] == '"') {
            field += text[++i];
        } else if (text[i] == '"') {
            quoted = !quoted;
        } else if (text[i] == ',' && !quoted) {
            records.back().emplace_back();
        } else if (text[i] == '\r' && !quoted && i + 1 < text.size() && text[i + 1] == '\n') {
            ++i;
            records.emplace_back(1);
        } else {
            field += text[i];
        }
    }
    records.pop_back();
    return records;
}

class result_writer_test : public testing::Test {
protected:
    void SetUp() override {
        std::string name = (fs::temp_directory_path() / "faceflow-writer-XXXXXX").string();
        ASSERT_NE(::mkdtemp(name.data()), nullptr);
        folder = name;
    }
    void TearDown() override { fs::remove_all(folder); }

    template <class Make>
    std::string written(Make make, const std::vector<frame_faces>& frames, std::string_view input) {
        const fs::path path = folder / "out";
        auto writer = make(path, {}, {});
        EXPECT_TRUE(writer);
        for (const auto& frame : frames)
            EXPECT_TRUE((*writer)->write(frame, input));
        EXPECT_FALSE(fs::exists(path));
        EXPECT_TRUE((*writer)->commit());
        std::ifstream in(path, std::ios::binary);
        std::string text{std::istreambuf_iterator<char>(in), {}};
        fs::remove(path);
        return text;
    }
    std::string ndjson(const std::vector<frame_faces>& frames, std::string_view input = "in.mp4") {
        return written(make_ndjson_writer, frames, input);
    }
    std::string csv(const std::vector<frame_faces>& frames, std::string_view input = "in.mp4") {
        return written(make_csv_writer, frames, input);
    }

    fs::path folder;
};

TEST_F(result_writer_test, ndjson_has_a_line_per_frame_with_every_field) {
    const std::string text = ndjson({sample_frame(2), sample_frame(0)});
    std::istringstream lines(text);
    std::string line;
    ASSERT_TRUE(std::getline(lines, line));
    const json frame = json::parse(line);
    EXPECT_EQ(frame["input"], "in.mp4");
    EXPECT_EQ(frame["source"], 3);
    EXPECT_EQ(frame["sequence"], 12);
    EXPECT_DOUBLE_EQ(frame["pts"], 0.4004);
    EXPECT_EQ(frame["width"], 1920);
    EXPECT_EQ(frame["height"], 1080);
    ASSERT_EQ(frame["faces"].size(), 2u);
    const json& f = frame["faces"][1];
    EXPECT_EQ(f["track"], 2);
    EXPECT_DOUBLE_EQ(f["score"], 0.9988);
    EXPECT_DOUBLE_EQ(f["presence"], 0.875);
    EXPECT_EQ(f["box"], json({10.5, 20.25, 100.125, 120.0}));
    ASSERT_EQ(f["keypoints5"].size(), 5u);
    EXPECT_EQ(f["keypoints5"][4], json({4.0, 0.5}));
    ASSERT_EQ(f["landmarks"].size(), 478u);
    EXPECT_EQ(f["landmarks"][477], json({477.0, 238.5, -119.25}));
    EXPECT_DOUBLE_EQ(f["pose"]["yaw"], -12.5);
    EXPECT_DOUBLE_EQ(f["pose"]["pitch"], 3.25);
    EXPECT_DOUBLE_EQ(f["pose"]["roll"], 0);
    ASSERT_EQ(f["pose"]["matrix"].size(), 16u);
    EXPECT_DOUBLE_EQ(f["pose"]["matrix"][15], 15.5);
    ASSERT_TRUE(std::getline(lines, line));
    EXPECT_EQ(line,
              R"({"input":"in.mp4","source":3,"sequence":12,"pts":0.400400,"width":1920,"height":1080,"faces":[]})");
    EXPECT_FALSE(std::getline(lines, line));
}

TEST_F(result_writer_test, ndjson_keeps_the_order_of_keys) {
    const std::string text = ndjson({sample_frame(1)});
    std::size_t at = 0;
    for (const char* key : {"input", "source", "sequence", "pts",        "width",     "height",         "faces",
                            "track", "score",  "box",      "keypoints5", "landmarks", "pose",           "yaw",
                            "pitch", "roll",   "matrix",   "presence",   "measures",  "eye_open_right", "facing"}) {
        const std::size_t next = text.find('"' + std::string(key) + "\":", at);
        ASSERT_NE(next, std::string::npos) << key;
        at = next;
    }
}

TEST_F(result_writer_test, ndjson_escapes_any_path) {
    for (const std::string input : {"", "a \"quoted\" \\path\\\n\t\x01.mp4", "bilder/größe/日本.png"}) {
        EXPECT_EQ(json::parse(ndjson({sample_frame(0)}, input))["input"], input);
    }
    EXPECT_EQ(json::parse(ndjson({sample_frame(0)}, "bad\xff\xc3.mp4"))["input"], "bad\xef\xbf\xbd\xef\xbf\xbd.mp4");
}

TEST_F(result_writer_test, what_is_not_finite_is_null_or_empty) {
    frame_faces frame = sample_frame(1);
    frame.faces[0].score = std::numeric_limits<float>::quiet_NaN();
    frame.faces[0].landmarks[0].z = std::numeric_limits<float>::infinity();
    const json f = json::parse(ndjson({frame}))["faces"][0];
    EXPECT_TRUE(f["score"].is_null());
    EXPECT_TRUE(f["landmarks"][0][2].is_null());
    const auto records = parse_csv(csv({frame}));
    EXPECT_EQ(records[1][7], "");
    EXPECT_EQ(records[1][31], "");
}

TEST_F(result_writer_test, csv_has_a_record_per_face_under_a_header) {
    const auto records = parse_csv(csv({sample_frame(2), sample_frame(0), sample_frame(1)}));
    ASSERT_EQ(records.size(), 4u);
    for (const auto& record : records)
        ASSERT_EQ(record.size(), 29u + 478 * 3 + 22);
    const auto value = [&](std::size_t record, const std::string& column) {
        for (std::size_t i = 0; i < records[0].size(); ++i) {
            if (records[0][i] == column) return records[record][i];
        }
        return "no column " + column;
    };
    EXPECT_EQ(value(1, "input"), "in.mp4");
    EXPECT_EQ(value(1, "source"), "3");
    EXPECT_EQ(value(1, "sequence"), "12");
    EXPECT_EQ(value(1, "pts"), "0.400400");
    EXPECT_EQ(value(1, "width"), "1920");
    EXPECT_EQ(value(1, "height"), "1080");
    EXPECT_EQ(value(2, "track"), "2");
    EXPECT_EQ(value(1, "score"), "0.9988");
    EXPECT_EQ(value(1, "presence"), "0.8750");
    EXPECT_EQ(value(1, "box_width"), "100.125");
    EXPECT_EQ(value(1, "right_eye_x"), "0.000");
    EXPECT_EQ(value(1, "left_mouth_x"), "4.000");
    EXPECT_EQ(value(1, "yaw"), "-12.50");
    EXPECT_EQ(value(1, "tx"), "3.50000");
    EXPECT_EQ(value(1, "tz"), "11.50000");
    EXPECT_EQ(value(1, "lm0_x"), "0.000");
    EXPECT_EQ(value(1, "lm477_z"), "-119.250");
    EXPECT_EQ(value(1, "facing"), "") << "not measured";
}

TEST_F(result_writer_test, csv_quotes_any_path) {
    for (const std::string input : {"", "plain.mp4", "a,b \"c\"\r\nd.mp4", "größe.png"}) {
        const auto records = parse_csv(csv({sample_frame(1), sample_frame(1)}, input));
        ASSERT_EQ(records.size(), 3u);
        EXPECT_EQ(records[2][0], input);
    }
    EXPECT_EQ(parse_csv(csv({sample_frame(1)}, "\xff.mp4"))[1][0], "\xef\xbf\xbd.mp4");
}

TEST_F(result_writer_test, each_frame_names_its_own_input) {
    const fs::path path = folder / "out.ndjson";
    auto writer = make_ndjson_writer(path);
    ASSERT_TRUE(writer);
    ASSERT_TRUE((*writer)->write(sample_frame(0), "a.png") && (*writer)->write(sample_frame(0), "b.png"));
    ASSERT_TRUE((*writer)->commit());
    std::ifstream in(path);
    for (const char* name : {"a.png", "b.png"}) {
        std::string line;
        ASSERT_TRUE(std::getline(in, line));
        EXPECT_EQ(json::parse(line)["input"], name);
    }
}

TEST_F(result_writer_test, discarded_nothing_is_left_and_the_old_file_stays) {
    const fs::path path = folder / "out";
    std::ofstream(path) << "old";
    for (auto* make : {make_ndjson_writer, make_csv_writer}) {
        auto writer = make(path, {}, {});
        ASSERT_TRUE(writer);
        for (int i = 0; i < 100; ++i)
            ASSERT_TRUE((*writer)->write(sample_frame(4), "x"));
        (*writer)->file().discard();
    }
    EXPECT_EQ(std::distance(fs::directory_iterator(folder), fs::directory_iterator()), 1);
    std::string text;
    std::ifstream(path) >> text;
    EXPECT_EQ(text, "old");
}

TEST_F(result_writer_test, a_full_disk_is_an_io_error) {
    for (auto* make : {make_ndjson_writer, make_csv_writer}) {
        auto writer = make("/dev/full", {}, {});
        const auto outcome =
            writer ? (*writer)->write(sample_frame(4), "x") : result<void>(tl::unexpected(writer.error()));
        ASSERT_FALSE(outcome);
        EXPECT_EQ(outcome.error().code, errc::io);
        EXPECT_FALSE(writer && (*writer)->commit());
    }
}

TEST_F(result_writer_test, a_missing_folder_is_an_io_error) {
    for (auto* make : {make_ndjson_writer, make_csv_writer}) {
        const auto writer = make(folder / "missing" / "out", {}, {});
        ASSERT_FALSE(writer);
        EXPECT_EQ(writer.error().code, errc::io);
    }
}

}  // namespace
}  // namespace faceflow::internal::media
