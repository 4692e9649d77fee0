// SPDX-License-Identifier: Apache-2.0
// One description of what is told of a face: what is written, compared and documented.
#include "media/face_fields.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/compare.hpp"
#include "media/field_tables.hpp"
#include "media/row_formats.hpp"
#include "support.hpp"

namespace faceflow::internal::media {
namespace {

const char* const how_to_write = "; tools/write_field_docs.py FACEFLOW writes it";

face numbered_face() {
    face f;
    f.track = 7;
    f.score = 0.25F;
    f.presence = 0.5F;
    f.box = {1, 2, 3, 4};
    for (std::size_t i = 0; i < f.keypoints.size(); ++i)
        f.keypoints[i] = {static_cast<float>(i), static_cast<float>(i) + 0.5F};
    f.pose.yaw = 10;
    f.pose.pitch = -20;
    f.pose.roll = 30;
    for (std::size_t i = 0; i < f.pose.matrix.size(); ++i)
        f.pose.matrix[i] = static_cast<float>(i);
    f.landmarks.fill({1.5F, -2.5F, 0});
    f.measures = {0.25F, 0.5F, 0.125F, 0.75F, 0.375F, 0.625F, 1,  2,    3,       4,     -5,
                  -6,    -7,   -8,     9,     10,     11,     12, 0.5F, 127.25F, 32.5F, 410};
    f.measures.gaze_left_yaw = not_measured;
    return f;
}

std::string repeated(const std::string& text, int times) {
    std::string all;
    for (int i = 0; i < times; ++i)
        all += text;
    return all;
}

class face_rows : public testing::Test {
protected:
    std::string written(const char* file, const row_contents& of = {}) const {
        frame_faces frame{{1, 2}, 40'000'000, 640, 360, {face_}, blinks_, markers_};
        const auto path = folder_ / file;
        const auto writer = format_of_file(file)->make(path, {}, of);
        EXPECT_OK(writer);
        EXPECT_OK((*writer)->write(frame, "a,b"));
        EXPECT_OK((*writer)->commit());
        return test::contents(path);
    }
    face face_ = numbered_face();
    test::temporary_folder folder_;
    std::vector<blink> blinks_;
    std::vector<marker> markers_;
};

// Programs read these by the byte: a change here breaks them.
TEST_F(face_rows, of_ndjson_are_these_bytes) {
    EXPECT_EQ(
        written("faces.ndjson"),
        R"({"input":"a,b","source":1,"sequence":2,"pts":0.040000,"width":640,"height":360,"faces":[)"
        R"({"track":7,"score":0.2500,"box":[1.000,2.000,3.000,4.000],)"
        R"("keypoints5":[[0.000,0.500],[1.000,1.500],[2.000,2.500],[3.000,3.500],[4.000,4.500]],)"
        R"("landmarks":[[1.500,-2.500,0.000])" +
            repeated(",[1.500,-2.500,0.000]", 477) +
            R"(],"pose":{"yaw":10.00,"pitch":-20.00,"roll":30.00,)"
            R"("matrix":[0.00000,1.00000,2.00000,3.00000,4.00000,5.00000,6.00000,7.00000,)"
            R"(8.00000,9.00000,10.00000,11.00000,12.00000,13.00000,14.00000,15.00000]},"presence":0.5000,"measures":{)"
            R"("eye_open_right":0.2500,"eye_open_left":0.5000,"mouth_open":0.1250,"smile_width":0.7500,)"
            R"("brow_right":0.3750,"brow_left":0.6250,"gaze_right_yaw":1.00,"gaze_right_pitch":2.00,)"
            R"("gaze_left_yaw":null,"gaze_left_pitch":4.00,"gaze_camera_right_yaw":-5.00,)"
            R"("gaze_camera_right_pitch":-6.00,"gaze_camera_left_yaw":-7.00,"gaze_camera_left_pitch":-8.00,)"
            R"("yaw_rate":9.00,"pitch_rate":10.00,"roll_rate":11.00,"turn_rate":12.00,"facing":0.5000,)"
            R"("brightness":127.25,"contrast":32.50,"sharpness":410.00}}]})"
            "\n");
}

TEST_F(face_rows, of_csv_are_these_bytes) {
    std::string header =
        "input,source,sequence,pts,width,height,track,score,presence,box_x,box_y,box_width,box_height,"
        "right_eye_x,right_eye_y,left_eye_x,left_eye_y,nose_x,nose_y,right_mouth_x,right_mouth_y,left_mouth_x,"
        "left_mouth_y,yaw,pitch,roll,tx,ty,tz";
    for (int i = 0; i < 478; ++i) {
        for (const char* axis : {"_x", "_y", "_z"})
            header += ",lm" + std::to_string(i) + axis;
    }
    header +=
        ",eye_open_right,eye_open_left,mouth_open,smile_width,brow_right,brow_left,gaze_right_yaw,gaze_right_pitch,"
        "gaze_left_yaw,gaze_left_pitch,gaze_camera_right_yaw,gaze_camera_right_pitch,gaze_camera_left_yaw,"
        "gaze_camera_left_pitch,yaw_rate,pitch_rate,roll_rate,turn_rate,facing,brightness,contrast,sharpness";
    EXPECT_EQ(written("faces.csv"), header +
                                        "\r\n\"a,b\",1,2,0.040000,640,360,7,0.2500,0.5000,1.000,2.000,3.000,4.000,"
                                        "0.000,0.500,1.000,1.500,2.000,2.500,3.000,3.500,4.000,4.500,"
                                        "10.00,-20.00,30.00,3.00000,7.00000,11.00000" +
                                        repeated(",1.500,-2.500,0.000", 478) +
                                        ",0.2500,0.5000,0.1250,0.7500,0.3750,0.6250,1.00,2.00,,4.00,-5.00,-6.00,"
                                        "-7.00,-8.00,9.00,10.00,11.00,12.00,0.5000,127.25,32.50,410.00\r\n");
}

TEST_F(face_rows, have_blendshapes_where_the_run_has_them) {
    const std::string without = written("faces.csv"), none = written("faces.csv", {.blendshapes = true});
    const auto first = [](const std::string& text) { return text.substr(0, text.find("\r\n")); };
    std::string names;
    for (const std::string_view name : blendshape_names)
        names.append(",").append(name);
    EXPECT_EQ(first(none), first(without) + names);
    EXPECT_EQ(written("faces.ndjson").find("blendshapes"), std::string::npos);
    for (std::size_t i = 0; i < blendshape_names.size(); ++i)
        face_.blendshapes[i] = static_cast<float>(i) / 64;
    const std::string line = written("faces.ndjson");
    EXPECT_NE(line.find(R"(,"blendshapes":{"_neutral":0.0000,"browDownLeft":0.0156,)"), std::string::npos) << line;
    EXPECT_NE(line.find(R"("noseSneerRight":0.7969}})"), std::string::npos);
    EXPECT_NE(written("faces.csv", {.blendshapes = true}).find(",0.0000,0.0156,0.03"), std::string::npos);
}

TEST_F(face_rows, have_openfaces_pose_where_it_is_asked_for) {
    face_.openface = {-35, 20.5F, 600, 0.25F, -0.5F, 0.125F, not_measured, 1, -2};
    const std::string usual = written("faces.csv"), more = written("faces.csv", {.openface = true});
    const auto first = [](const std::string& text) { return text.substr(0, text.find("\r\n")); };
    EXPECT_EQ(first(more), first(usual) +
                               ",pose_Tx,pose_Ty,pose_Tz,pose_Rx,pose_Ry,pose_Rz,pose_Rx_rate,pose_Ry_rate,"
                               "pose_Rz_rate");
    EXPECT_TRUE(more.ends_with(",-35.00000,20.50000,600.00000,0.25000,-0.50000,0.12500,,1.00000,-2.00000\r\n"));
    EXPECT_EQ(written("faces.ndjson").find("openface"), std::string::npos);
    EXPECT_TRUE(written("faces.ndjson", {.openface = true})
                    .ends_with(R"(,"openface":{"pose_Tx":-35.00000,"pose_Ty":20.50000,"pose_Tz":600.00000,)"
                               R"("pose_Rx":0.25000,"pose_Ry":-0.50000,"pose_Rz":0.12500,"pose_Rx_rate":null,)"
                               R"("pose_Ry_rate":1.00000,"pose_Rz_rate":-2.00000}}]})"
                               "\n"));
}

TEST_F(face_rows, have_changes_where_they_are_asked_for) {
    face_.changes = {0.125F, -0.25F, 0.5F, not_measured, 0, 1};
    const std::string usual = written("faces.csv"), more = written("faces.csv", {.changes = true});
    const auto first = [](const std::string& text) { return text.substr(0, text.find("\r\n")); };
    EXPECT_EQ(first(more), first(usual) +
                               ",eye_open_right_change,eye_open_left_change,mouth_open_change,smile_width_change,"
                               "brow_right_change,brow_left_change");
    EXPECT_TRUE(more.ends_with(",0.1250,-0.2500,0.5000,,0.0000,1.0000\r\n"));
    EXPECT_EQ(written("faces.ndjson").find("changes"), std::string::npos);
    EXPECT_TRUE(written("faces.ndjson", {.changes = true})
                    .ends_with(R"(,"changes":{"eye_open_right":0.1250,"eye_open_left":-0.2500,"mouth_open":0.5000,)"
                               R"("smile_width":null,"brow_right":0.0000,"brow_left":1.0000}}]})"
                               "\n"));
}

TEST_F(face_rows, of_events_are_these_bytes) {
    markers_ = {{"stimulus, on", 40'000'000}};
    blinks_ = {{7, 1'900'000'000, 2'000'000'000, 2'123'456'789, 0.75F}, {8, 0, 0, 0, 1}};
    EXPECT_EQ(written("events.csv"),
              "input,source,track,event,onset_ms,apex_ms,offset_ms,depth,text\r\n"
              "\"a,b\",1,7,blink,1900.000,2000.000,2123.457,0.7500,\r\n"
              "\"a,b\",1,8,blink,0.000,0.000,0.000,1.0000,\r\n"
              "\"a,b\",1,,marker,40.000,40.000,40.000,,\"stimulus, on\"\r\n");
    blinks_.clear();
    markers_.clear();
    EXPECT_EQ(written("events.csv"), "input,source,track,event,onset_ms,apex_ms,offset_ms,depth,text\r\n");
}

// How many members a struct has: as many values as it can be made of.
struct anything {
    template <class T>
    operator T() const;
};
template <class T, class... Values>
constexpr std::size_t member_count() {
    if constexpr (requires { T{Values{}..., anything{}}; }) {
        return member_count<T, Values..., anything>();
    } else {
        return sizeof...(Values);
    }
}

TEST(face_fields, describe_each_member_of_a_face) {
    std::set<std::string_view> members, of_pose, of_measures, of_openface, of_changes;
    fields::for_each(fields::of_face, [&](const fields::facts& f) {
        if (f.key.empty()) return;
        const auto [object, name] = fields::split(f.key);
        members.insert(object.empty() ? name : object);
        if (object == "pose") of_pose.insert(name);
        if (object == "measures") of_measures.insert(name);
        if (object == "openface") of_openface.insert(name);
        if (object == "changes") of_changes.insert(name);
    });
    EXPECT_EQ(members.size(), member_count<face>()) << "a member has no entry in media/face_fields.hpp";
    EXPECT_EQ(of_pose.size(), member_count<head_pose>());
    EXPECT_EQ(of_measures.size(), member_count<face_measures>());
    EXPECT_EQ(of_openface.size(), member_count<openface_pose>());
    EXPECT_EQ(of_changes.size(), member_count<face_changes>());
}

TEST(face_fields, are_compared_to_the_last_bit) {
    const frame_faces one{{0, 0}, 0, 640, 360, {numbered_face()}};
    EXPECT_TRUE(analysis::difference_between(one, one).equal);
    std::size_t seen = 0;
    for (std::size_t i = 0; i < sizeof(face); ++i) {
        frame_faces other = one;
        reinterpret_cast<unsigned char*>(other.faces.data())[i] ^= 1U;
        seen += analysis::difference_between(one, other).equal ? 0 : 1;
    }
    EXPECT_EQ(seen, fields::detail::described_bytes) << "the other bytes of a face lie between its values";
}

TEST(face_fields, are_what_the_documentation_has) {
    const std::string output = test::contents(test::checkout() / "docs/output.md");
    for (const std::string& table :
         {table_of_frame_keys(), table_of_face_keys(), table_of_columns(), table_of_event_columns()})
        EXPECT_NE(output.find("\n\n" + table + "\n"), std::string::npos) << "not in docs/output.md:\n"
                                                                         << table << how_to_write;
    const std::string columns = std::to_string(column_count()) + " columns";
    EXPECT_NE(output.find(columns), std::string::npos) << "not in docs/output.md: " << columns;
}

TEST(face_fields, are_what_the_schema_has) {
    EXPECT_EQ(test::contents(test::checkout() / "docs/schema/faces.schema.json"), faces_schema_text()) << how_to_write;
}

TEST(row_formats, are_chosen_by_name_and_each_once) {
    const auto names = [](const std::vector<std::string>& wanted) {
        const auto chosen = choose_formats(wanted);
        return chosen ? join_names(*chosen, "+") : chosen.error().message;
    };
    EXPECT_EQ(names({"csv"}), "csv");
    EXPECT_EQ(names({"csv", "ndjson", "csv"}), "ndjson+csv");
    EXPECT_EQ(names({"csv", "xlsx"}), "unknown format 'xlsx'; choose one of: ndjson, csv, events");
    EXPECT_EQ(names({""}), "unknown format ''; choose one of: ndjson, csv, events");
    EXPECT_EQ(join_names(usual_formats(), ","), "ndjson,csv,events");
}

TEST(row_formats, are_found_by_their_file) {
    for (const auto* format : all_formats())
        EXPECT_EQ(format_of_file(format->file), format);
    EXPECT_EQ(format_of_file("summary.json"), nullptr);
}

}  // namespace
}  // namespace faceflow::internal::media
