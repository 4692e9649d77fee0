// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <array>
#include <barrier>
#include <cmath>
#include <memory>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include "vision/detect.hpp"
#include "vision/mesh.hpp"
#include "vision/mesh_data.hpp"

namespace faceflow::internal::vision {
namespace {

// A RetinaFace output of one level with hand-made cells.
struct fake_level {
    std::vector<float> scores, boxes, keypoints;
    detector_output output;
    fake_level(int columns, int rows, float stride) {
        const auto area = static_cast<std::size_t>(columns * rows);
        scores.assign(4 * area, 0);
        boxes.assign(8 * area, 0);
        keypoints.assign(20 * area, 0);
        output.levels = 1;
        output.level[0] = {scores.data(), boxes.data(), keypoints.data(), columns, rows, 2, stride};
        output.frame_width = static_cast<float>(columns) * stride;
        output.frame_height = static_cast<float>(rows) * stride;
    }
    void put(int anchor, int column, int row, float score) {
        scores[static_cast<std::size_t>((2 + anchor) * output.level[0].columns * output.level[0].rows +
                                        row * output.level[0].columns + column)] = score;
    }
};

struct face_list {
    std::vector<std::byte> bytes;
    explicit face_list(std::size_t capacity) : bytes(detection_set::bytes(capacity)) {}
    detection_set* get() { return reinterpret_cast<detection_set*>(bytes.data()); }
};

face_list detect(const fake_level& l, detect_options o) {
    face_list out(static_cast<std::size_t>(o.max_faces));
    const auto scratch = std::make_unique<detect_scratch>();
    detect_faces(serial_block{}, l.output, o, scratch.get(), out.get());
    return out;
}

TEST(retinaface_decoding, an_anchor_without_deltas_is_its_own_box) {
    fake_level l(8, 8, 16);
    l.put(1, 3, 2, 0.9f);  // stride 16, second anchor: 64 px around index (55.5, 39.5)
    auto out = detect(l, {.max_faces = 4});
    ASSERT_EQ(out.get()->count, 1);
    const detection& d = out.get()->items()[0];
    EXPECT_FLOAT_EQ(d.box.width, 64);
    EXPECT_FLOAT_EQ(d.box.x, 3 * 16 + 7.5f - 31.5f);
    EXPECT_FLOAT_EQ(d.keypoints[2].x, 3 * 16 + 8);
    EXPECT_FLOAT_EQ(d.keypoints[2].y, 2 * 16 + 8);
}

TEST(detection, scores_below_the_threshold_and_nan_are_no_faces) {
    fake_level l(8, 8, 16);
    l.put(0, 1, 1, 0.49f);
    l.put(0, 2, 2, std::nanf(""));
    EXPECT_EQ(detect(l, {.max_faces = 4}).get()->count, 0);
}

TEST(detection, overlapping_boxes_are_one_face_with_the_best_score) {
    fake_level l(40, 8, 8);
    l.put(0, 10, 4, 0.8f);
    l.put(0, 11, 4, 0.95f);
    l.put(0, 30, 4, 0.6f);
    auto out = detect(l, {.max_faces = 4});
    ASSERT_EQ(out.get()->count, 2);
    EXPECT_FLOAT_EQ(out.get()->items()[0].score, 0.95f);
    EXPECT_FLOAT_EQ(out.get()->items()[1].score, 0.6f);
}

TEST(detection, more_faces_than_asked_for_are_counted_as_overflow) {
    fake_level l(64, 8, 32);
    for (int i = 0; i < 10; ++i)
        l.put(1, 6 * i + 1, 4, 0.6f + 0.01f * static_cast<float>(i));
    for (auto& b : l.boxes)
        b = 0;
    auto out = detect(l, {.max_faces = 3, .region_scale = 1.5f});
    EXPECT_EQ(out.get()->count, 3);
    EXPECT_GT(out.get()->overflow, 0);
    EXPECT_FLOAT_EQ(out.get()->items()[0].score, 0.69f);
}

// BlazeFace's short range: two levels, and the anchors of a cell follow one another.
TEST(blazeface, has_as_many_anchors_in_a_cell_as_its_level_says) {
    std::vector<float> scores(16 * 16 * 2 + 8 * 8 * 6, -100.0f), boxes(scores.size() * 16, 0.0f);
    detector_output o;
    o.kind = detector_kind::blazeface;
    o.levels = 2;
    o.level[0] = {scores.data(), boxes.data(), nullptr, 16, 16, 2, 8};
    o.level[1] = {scores.data() + 512, boxes.data() + 512 * 16, nullptr, 8, 8, 6, 16};
    o.frame_width = o.frame_height = 128;
    const auto put = [&](std::size_t anchor, float score, float side) {
        scores[anchor] = score;
        boxes[anchor * 16 + 2] = boxes[anchor * 16 + 3] = side;
    };
    put(2 * (3 * 16 + 5) + 1, 3, 20);       // second anchor of row 3, column 5
    put(512 + 6 * (6 * 8 + 2) + 5, 4, 30);  // last anchor of row 6, column 2
    face_list out(4);
    const auto scratch = std::make_unique<detect_scratch>();
    detect_faces(serial_block{}, o, {.max_faces = 4}, scratch.get(), out.get());
    ASSERT_EQ(out.get()->count, 2);
    const rect coarse = out.get()->items()[0].box, fine = out.get()->items()[1].box;
    EXPECT_FLOAT_EQ(coarse.x + coarse.width / 2, 2.5f * 16);
    EXPECT_FLOAT_EQ(coarse.y + coarse.height / 2, 6.5f * 16);
    EXPECT_FLOAT_EQ(coarse.width, 30);
    EXPECT_FLOAT_EQ(fine.x + fine.width / 2, 5.5f * 8);
    EXPECT_FLOAT_EQ(fine.y + fine.height / 2, 3.5f * 8);
}

// A closer look: what it finds is added.
face_list look_closer(const fake_level& first, const fake_level& second, float scale, detect_options o) {
    face_list out(static_cast<std::size_t>(o.max_faces));
    const auto scratch = std::make_unique<detect_scratch>();
    detect_faces(serial_block{}, first.output, o, scratch.get(), out.get());
    detector_output closer = second.output;
    closer.fit.scale = scale;  // input pixels per frame pixel
    closer.frame_width = first.output.frame_width;
    closer.frame_height = first.output.frame_height;
    o.further = true;
    o.largest = 100;
    detect_faces(serial_block{}, closer, o, scratch.get(), out.get());
    return out;
}

TEST(closer_look, adds_faces_that_the_first_look_missed) {
    fake_level first(40, 24, 8), second(80, 48, 8);
    first.put(0, 10, 10, 0.9f);
    second.put(1, 60, 40, 0.8f);
    const auto out = look_closer(first, second, 2, {.max_faces = 4});
    auto& faces = const_cast<face_list&>(out);
    ASSERT_EQ(faces.get()->count, 2);
    EXPECT_FLOAT_EQ(faces.get()->items()[0].score, 0.9f);
    EXPECT_FLOAT_EQ(faces.get()->items()[1].box.width, 8) << "16 pixels of an input of twice the size";
}

TEST(closer_look, knows_the_faces_of_the_first_look_and_their_parts) {
    fake_level first(40, 24, 8), second(80, 48, 8);
    first.put(0, 10, 10, 0.9f);    // 32 px around (88, 88)
    second.put(0, 21, 21, 0.95f);  // 16 px of the frame around (88, 88): a part of it
    auto out = look_closer(first, second, 2, {.max_faces = 4});
    EXPECT_EQ(out.get()->count, 1);
}

TEST(closer_look, leaves_faces_that_a_tile_has_cut_to_its_neighbour) {
    fake_level first(40, 24, 8), second(80, 48, 8);
    second.put(1, 60, 40, 0.8f);
    const rect box = look_closer(first, second, 2, {.max_faces = 4}).get()->items()[0].box;
    for (const float beyond : {-1.0f, 1.0f}) {
        second.output.inside = {.right = 2 * (box.x + box.width) + beyond};
        EXPECT_EQ(look_closer(first, second, 2, {.max_faces = 4}).get()->count, beyond > 0 ? 1 : 0);
    }
}

TEST(closer_look, leaves_large_faces_to_the_first_look) {
    fake_level first(40, 24, 8), second(20, 12, 32);
    second.put(0, 10, 6, 0.95f);  // 512 px
    auto out = look_closer(first, second, 2, {.max_faces = 4});
    EXPECT_EQ(out.get()->count, 0);
}

detection face_with(std::array<point, 5> keypoints) {
    detection d;
    d.box = {0, 0, 100, 120};
    std::copy(keypoints.begin(), keypoints.end(), d.keypoints);
    return d;
}

TEST(sides, change_places_in_a_face_that_is_upside_down) {
    // The mouth above the eyes, and the eye on the left called the right one.
    detection d = face_with({{{30, 80}, {70, 80}, {50, 60}, {35, 30}, {65, 30}}});
    name_sides(d);
    EXPECT_FLOAT_EQ(d.keypoints[0].x, 70);
    EXPECT_FLOAT_EQ(d.keypoints[3].x, 65);
    EXPECT_NEAR(std::abs(region_of(d, 1.5f).angle), 3.14159f, 1e-4) << "the region is turned as the face is";
}

TEST(sides, stay_in_upright_turned_and_foreshortened_faces) {
    for (const auto& keypoints : std::vector<std::array<point, 5>>{
             {{{30, 40}, {70, 40}, {50, 60}, {35, 85}, {65, 85}}},     // upright
             {{{70, 80}, {30, 80}, {50, 60}, {65, 30}, {35, 30}}},     // upside down, and named so
             {{{80, 30}, {80, 70}, {60, 50}, {30, 35}, {30, 65}}},     // on its side
             {{{30, 50}, {70, 50}, {50, 48}, {35, 46}, {65, 46}}}}) {  // looking far down
        detection d = face_with(keypoints);
        name_sides(d);
        EXPECT_FLOAT_EQ(d.keypoints[0].x, keypoints[0].x);
    }
}

TEST(agreement, a_mesh_that_lies_elsewhere_than_its_detection_is_no_face) {
    const detection d = face_with({{{30, 40}, {70, 40}, {50, 60}, {35, 85}, {65, 85}}});
    std::vector<point3> mesh(landmark_count);
    const auto place = [&](float dx, float dy) {
        for (const auto& [index, at] : std::initializer_list<std::pair<int, point>>{
                 {33, {25, 40}}, {133, {35, 40}}, {362, {65, 40}}, {263, {75, 40}}, {1, {50, 60}}})
            mesh[static_cast<std::size_t>(index)] = {at.x + dx, at.y + dy, 0};
        return agreement(d, mesh.data());
    };
    EXPECT_FLOAT_EQ(place(0, 0), 1);
    EXPECT_FLOAT_EQ(place(20, 0), 1) << "a profile, or a face that has turned";
    EXPECT_LT(place(60, 0), 0.5f);
    EXPECT_FLOAT_EQ(place(0, 120), 0);
    EXPECT_FLOAT_EQ(place(std::nanf(""), 0), 0);
}

// The threads of one block, as a GPU would run them, on real threads.
struct threaded_block {
    int index, count;
    std::barrier<>* gate;
    int thread() const { return index; }
    int threads() const { return count; }
    void sync() const { gate->arrive_and_wait(); }
    static int add(std::int32_t* counter) { return __atomic_fetch_add(counter, 1, __ATOMIC_RELAXED); }
};

TEST(detection, gives_the_same_faces_for_any_number_of_threads_in_the_block) {
    fake_level l(40, 24, 16);
    std::mt19937 random(5);
    std::uniform_real_distribution<float> unit(0, 1), delta(-0.5f, 0.5f);
    for (auto& s : l.scores)
        s = unit(random) > 0.85f ? std::round(unit(random) * 50) / 50 : 0;  // ties are likely
    for (auto& b : l.boxes)
        b = delta(random);
    for (auto& k : l.keypoints)
        k = delta(random);
    const detect_options o{.min_score = 0.3f, .max_faces = 100};
    auto serial = detect(l, o);
    ASSERT_GT(serial.get()->count, 10);
    for (const int threads : {2, 3, 7}) {
        face_list out(100);
        const auto scratch = std::make_unique<detect_scratch>();
        std::barrier<> gate(threads);
        std::vector<std::thread> block;
        for (int i = 0; i < threads; ++i) {
            block.emplace_back([&, i] {
                detect_faces(threaded_block{i, threads, &gate}, l.output, o, scratch.get(), out.get());
            });
        }
        for (auto& t : block)
            t.join();
        ASSERT_EQ(out.get()->count, serial.get()->count);
        EXPECT_EQ(out.bytes, serial.bytes);
    }
}

// ---- pose -------------------------------------------------------------------------------------------------------

std::vector<pose_anchor> anchors() {
    std::vector<pose_anchor> a;
    for (const auto& w : mesh::procrustes_basis()) {
        const auto& v = mesh::canonical_vertices()[static_cast<std::size_t>(w.index)];
        a.push_back({w.index, w.weight, v[0], v[1], v[2]});
    }
    return a;
}

// The canonical face, turned by yaw, pitch, roll (degrees, as head_pose has them), scaled, and put at (x, y).
std::vector<point3> posed(float yaw, float pitch, float roll, float scale, float x, float y) {
    const float d = 0.01745329252f, cy = std::cos(yaw * d), sy = std::sin(yaw * d), cp = std::cos(-pitch * d),
                sp = std::sin(-pitch * d), cr = std::cos(-roll * d), sr = std::sin(-roll * d);
    std::vector<point3> out(landmark_count);
    for (std::size_t i = 0; i < mesh::kCanonicalVertices; ++i) {
        const auto& v = mesh::canonical_vertices()[i];
        const float rx = cr * v[0] - sr * v[1], ry = sr * v[0] + cr * v[1], rz = v[2];  // roll
        const float px = rx, py = cp * ry - sp * rz, pz = sp * ry + cp * rz;            // pitch
        const float qx = cy * px + sy * pz, qy = py, qz = -sy * px + cy * pz;           // yaw
        out[i] = {x + scale * qx, y - scale * qy, -scale * qz};
    }
    return out;
}

TEST(head_pose, recovers_the_angles_of_a_turned_canonical_face) {
    const auto basis = anchors();
    for (const float yaw : {-60.0f, -20.0f, 0.0f, 35.0f}) {
        for (const float pitch : {-30.0f, 0.0f, 25.0f}) {
            for (const float roll : {-80.0f, 0.0f, 15.0f, 120.0f}) {
                const auto marks = posed(yaw, pitch, roll, 12, 500, 300);
                const head_pose p = pose_of(marks.data(), {basis.data(), static_cast<std::int32_t>(basis.size())},
                                            {.frame_width = 1000, .frame_height = 600});
                EXPECT_NEAR(p.yaw, yaw, 0.05);
                EXPECT_NEAR(p.pitch, pitch, 0.05);
                EXPECT_NEAR(p.roll, roll, 0.05);
            }
        }
    }
}

TEST(head_pose, matrix_places_the_face_by_the_focal_length) {
    const auto basis = anchors();
    const auto marks = posed(0, 0, 0, 10, 700, 200);  // 10 px per cm
    const head_pose p = pose_of(marks.data(), {basis.data(), static_cast<std::int32_t>(basis.size())},
                                {.focal = 800, .frame_width = 1000, .frame_height = 600});
    EXPECT_NEAR(p.matrix[11], -80, 0.1);  // 800 px / (10 px/cm)
    EXPECT_NEAR(p.matrix[3], 20, 0.1);    // 200 px right of the centre
    EXPECT_NEAR(p.matrix[7], 10, 0.1);    // 100 px above it
    EXPECT_EQ(p.matrix[15], 1);
}

TEST(region, turns_with_the_eyes_and_grows_with_the_box) {
    detection d;
    d.box = {100, 100, 80, 120};
    d.keypoints[0] = {120, 140};
    d.keypoints[1] = {160, 180};
    const region r = region_of(d, 1.5f);
    EXPECT_FLOAT_EQ(r.cx, 140);
    EXPECT_FLOAT_EQ(r.cy, 160);
    EXPECT_FLOAT_EQ(r.size, 180);
    EXPECT_NEAR(r.angle, 0.785398, 1e-5);
    const affine m = frame_from_region(r, 192);
    const point centre = m({96, 96});
    EXPECT_NEAR(centre.x, 140, 1e-3);
    EXPECT_NEAR(centre.y, 160, 1e-3);
}

}  // namespace
}  // namespace faceflow::internal::vision
