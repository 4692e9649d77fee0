// SPDX-License-Identifier: Apache-2.0
// How faces are followed from frame to frame: the region after each mesh, detections that are added, and when to detect.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "flow/stages/detect_schedule.hpp"
#include "vision/merge.hpp"
#include "vision/mesh.hpp"

namespace faceflow::internal {
namespace {

using namespace vision;

constexpr std::size_t capacity = 8;

struct face_set {
    std::vector<std::byte> memory = std::vector<std::byte>(detection_set::bytes(capacity));
    detection_set* of = new (memory.data()) detection_set;

    detection& add(float x, float y, float side, float score = 0.9f, float followed = 0) {
        detection& d = of->items()[of->count++];
        d = {};
        d.box = {x - 0.5f * side, y - 0.5f * side, side, side};
        d.area = d.seen = {x, y, 1.5f * side, 0};
        d.score = score;
        d.followed = followed;
        return d;
    }
    [[nodiscard]] const detection& operator[](std::int32_t i) const { return of->items()[i]; }
};

void merge(face_set& found, face_set& faces, merge_options o = {}) {
    o.max_faces = std::min(o.max_faces, static_cast<std::int32_t>(capacity));
    merge_faces(serial_block{}, o, found.of, faces.of);
}

TEST(merge_faces, a_followed_face_keeps_its_region_and_takes_the_score_of_its_detection) {
    face_set found, faces;
    faces.add(100, 100, 50, 0.7f, 3);
    found.add(104, 98, 53, 0.95f);
    merge(found, faces);
    ASSERT_EQ(faces.of->count, 1);
    EXPECT_EQ(faces[0].area.cx, 100);
    EXPECT_EQ(faces[0].area.size, 75);
    EXPECT_EQ(faces[0].followed, 3);
    EXPECT_EQ(faces[0].score, 0.95f);
}

TEST(merge_faces, newcomers_come_after_the_faces_that_are_followed_up_to_the_most) {
    face_set found, faces;
    faces.add(100, 100, 50, 0.9f, 1);
    faces.add(700, 100, 50, 0.9f, 1);
    found.add(300, 100, 50);
    found.add(100, 100, 50);
    found.add(500, 100, 50);
    merge(found, faces, {.max_faces = 3});
    ASSERT_EQ(faces.of->count, 3);
    EXPECT_EQ(faces[0].area.cx, 100);
    EXPECT_EQ(faces[1].area.cx, 700);
    EXPECT_EQ(faces[2].area.cx, 300);
    EXPECT_EQ(faces.of->overflow, 1);
}

TEST(merge_faces, a_mesh_that_slid_off_its_face_takes_the_region_of_the_detection) {
    face_set found, faces;
    faces.add(100, 100, 50, 0.9f, 5);
    faces.of->items()[0].area = {140, 100, 75, 0};
    found.add(102, 100, 50);
    merge(found, faces);
    ASSERT_EQ(faces.of->count, 1);
    EXPECT_EQ(faces[0].area.cx, 102);
    EXPECT_EQ(faces[0].followed, 0);
}

TEST(merge_faces, a_face_that_no_detection_confirms_is_given_up_after_a_few) {
    face_set faces;
    faces.add(100, 100, 50, 0.9f, 1);
    int lived = 0;
    while (faces.of->count == 1 && lived < 100) {
        face_set nothing;
        merge(nothing, faces);
        ++lived;
    }
    EXPECT_GE(lived, 3);
    EXPECT_LE(lived, 5);
}

TEST(merge_faces, where_nothing_is_followed_yet_the_set_holds_what_was_found) {
    face_set found, faces;
    faces.add(900, 900, 50);
    found.add(100, 100, 50);
    merge(found, faces, {.begins = true});
    ASSERT_EQ(faces.of->count, 1);
    EXPECT_EQ(faces[0].area.cx, 100);
}

TEST(merge_faces, survives_counts_that_another_process_has_written) {
    for (const std::int32_t count : {-1, INT32_MIN, INT32_MAX}) {
        face_set found, faces;
        found.of->count = count;
        faces.of->count = count;
        merge(found, faces);
        EXPECT_GE(faces.of->count, 0);
        EXPECT_LE(faces.of->count, static_cast<std::int32_t>(capacity));
    }
}

TEST(next_region, goes_all_the_way_at_once_when_the_face_moved) {
    const region used{100, 100, 80, 0}, seen{110, 100, 80, 0};
    EXPECT_EQ(next_region(used, seen).cx, 110);
    EXPECT_EQ(next_region(used, {100, 100, 90, 0}).size, 90);
    EXPECT_EQ(next_region(used, {100, 100, 80, 0.3f}).angle, 0.3f);
    EXPECT_EQ(next_region({}, seen).cx, 110);
}

TEST(next_region, lets_little_of_a_mesh_s_noise_through_and_reaches_a_face_that_stays) {
    region at{100, 100, 80, 0};
    EXPECT_LT(next_region(at, {100.2f, 100, 80, 0}).cx, 100.1f);
    for (int i = 0; i < 60; ++i)
        at = next_region(at, {101, 99, 81, 0.02f});
    EXPECT_NEAR(at.cx, 101, 0.01);
    EXPECT_NEAR(at.cy, 99, 0.01);
    EXPECT_NEAR(at.size, 81, 0.01);
    EXPECT_NEAR(at.angle, 0.02, 0.001);
}

TEST(next_region, turns_the_short_way) {
    const region next = next_region({100, 100, 80, 3.12f}, {100, 100, 80, -3.12f});
    EXPECT_NEAR(std::cos(next.angle), std::cos(3.13), 0.01);
}

TEST(move_with_mesh, moves_the_box_with_the_region_and_takes_the_keypoints_of_the_mesh) {
    std::vector<point3> mesh(landmark_count);
    mesh[33] = {10, 20, 0};
    mesh[133] = {14, 22, 0};
    mesh[1] = {25, 40, 0};
    detection d;
    d.box = {90, 90, 20, 20};
    d.seen = {100, 100, 30, 0};
    move_with_mesh(d, {200, 50, 60, 0}, mesh.data());
    EXPECT_FLOAT_EQ(d.box.x, 180);
    EXPECT_FLOAT_EQ(d.box.y, 30);
    EXPECT_FLOAT_EQ(d.box.width, 40);
    EXPECT_FLOAT_EQ(d.keypoints[0].x, 12);
    EXPECT_FLOAT_EQ(d.keypoints[0].y, 21);
    EXPECT_FLOAT_EQ(d.keypoints[2].x, 25);
}

struct pass_of_records {
    explicit pass_of_records(std::int32_t count) : memory(pass_results::bytes(1, count)) {
        results = {reinterpret_cast<result_header*>(memory.data()), 1};
        *results.headers = {count, count, 0, 0};
        for (std::int32_t i = 0; i < count; ++i)
            new (results.records() + i) face_record;
    }
    face_record& operator[](std::int32_t i) const { return results.records()[i]; }
    std::vector<std::byte> memory;
    pass_results results;
};

TEST(propagate_faces, of_two_meshes_on_one_face_the_better_one_goes_on) {
    pass_of_records pass(3);
    for (std::int32_t i = 0; i < 3; ++i) {
        pass[i].found.box = {i < 2 ? 100.0f + static_cast<float>(5 * i) : 400.0f, 100, 50, 50};
        pass[i].presence = i == 0 ? 0.8f : 0.9f;
    }
    face_set next;
    propagate_faces(serial_block{}, pass.results, 0, 0.5f, next.of);
    ASSERT_EQ(next.of->count, 2);
    EXPECT_EQ(next[0].box.x, 105);
    EXPECT_EQ(next[1].box.x, 400);
    EXPECT_EQ(next[0].followed, 1);
}

TEST(propagate_faces, waits_for_the_records_of_a_second_round) {
    pass_of_records pass(2);
    pass[0].presence = pass[1].presence = 0.9f;
    pass[1].found.box = {100, 100, 10, 10};
    pass.results.headers->count = 3;
    face_set next;
    next.add(7, 7, 7);
    propagate_faces(serial_block{}, pass.results, 0, 0.5f, next.of);
    EXPECT_EQ(next.of->count, 1);
    EXPECT_EQ(next[0].area.cx, 7);
}

using flow::detect_schedule;
using flow::followed_state;

constexpr std::int64_t frame_ns = 33'333'333;

// The frames, of `count`, in which the schedule detects.
template <class State>
std::vector<int> detected(const options& o, int count, State state) {
    detect_schedule schedule(o);
    std::vector<int> in;
    for (int i = 0; i < count; ++i) {
        const auto d = schedule.next(i * frame_ns);
        EXPECT_EQ(d.begins, i == 0);
        if (d.detect) in.push_back(i);
        schedule.done(state(i));
    }
    return in;
}

followed_state fine(int) {
    return {};
}

TEST(detect_schedule, detects_at_the_start_and_every_fifth_of_a_second) {
    EXPECT_EQ(detected({}, 20, fine), (std::vector<int>{0, 6, 12, 18}));
}

TEST(detect_schedule, detects_in_the_frame_after_a_face_was_lost) {
    EXPECT_EQ(detected({}, 10, [](int i) { return followed_state{.lost = i == 2, .doubtful = false}; }),
              (std::vector<int>{0, 3, 9}));
}

TEST(detect_schedule, looks_sooner_at_a_face_in_doubt_but_not_in_every_frame) {
    EXPECT_EQ(detected({}, 9, [](int) { return followed_state{.lost = false, .doubtful = true}; }),
              (std::vector<int>{0, 2, 4, 6, 8}));
}

TEST(detect_schedule, counts_frames_where_it_is_told_to) {
    options every;
    every.detect_every = 4;
    EXPECT_EQ(detected(every, 9, fine), (std::vector<int>{0, 4, 8}));
    options always;
    always.detect = detect_mode::always;
    EXPECT_EQ(detected(always, 3, fine), (std::vector<int>{0, 1, 2}));
}

TEST(detect_schedule, begins_anew_after_a_failure_a_gap_and_a_step_back) {
    detect_schedule schedule{options{}};
    const auto next = [&](std::int64_t pts) {
        const auto d = schedule.next(pts);
        schedule.done({});
        return d.begins;
    };
    EXPECT_TRUE(next(0));
    EXPECT_FALSE(next(frame_ns));
    EXPECT_TRUE(next(frame_ns + detect_schedule::longest_gap + 1));
    EXPECT_TRUE(next(0));
    static_cast<void>(schedule.next(frame_ns));
    schedule.failed();
    EXPECT_TRUE(next(2 * frame_ns));
}

}  // namespace
}  // namespace faceflow::internal
