// SPDX-License-Identifier: Apache-2.0
#include "vision/tracker.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <set>

namespace faceflow::internal::vision {
namespace {

constexpr std::int64_t one_second = 1'000'000'000;

// A face of 100 x 120 pixels around a centre. `who` rides along in `presence`, which the tracker never looks at.
face face_at(float cx, float cy, int who, float score = 0.95f, float scale = 1) {
    face f;
    f.box = {cx - 50 * scale, cy - 60 * scale, 100 * scale, 120 * scale};
    f.score = score;
    f.presence = static_cast<float>(who);
    return f;
}

std::int64_t track_of(const std::vector<face>& faces, int who) {
    for (const face& f : faces) {
        if (f.presence == static_cast<float>(who)) return f.track;
    }
    return 0;
}

class jitter {
public:
    explicit jitter(unsigned seed, float deviation) : rng_(seed), noise_(0, deviation) {}
    face operator()(face f) {
        const float dw = noise_(rng_), dh = noise_(rng_);
        f.box.x += noise_(rng_) - dw / 2;
        f.box.y += noise_(rng_) - dh / 2;
        f.box.width += dw;
        f.box.height += dh;
        return f;
    }

private:
    std::mt19937 rng_;
    std::normal_distribution<float> noise_;
};

TEST(tracker, numbers_faces_from_1_in_their_order_at_once) {
    tracker t;
    std::vector<face> faces{face_at(500, 200, 0, 0.5f), face_at(100, 200, 1), face_at(900, 200, 2, 0.1f)};
    t.update(0, faces);
    EXPECT_EQ(track_of(faces, 0), 1);
    EXPECT_EQ(track_of(faces, 1), 2);
    EXPECT_EQ(track_of(faces, 2), 3);
}

TEST(tracker, sorts_faces_by_track_with_all_that_belongs_to_them) {
    tracker t;
    std::vector<face> faces;
    for (int i = 0; i < 7; ++i)
        faces.push_back(face_at(100 + 300.0f * static_cast<float>(i), 200, i));
    t.update(0, faces);
    std::mt19937 rng(1);
    for (int frame = 1; frame < 20; ++frame) {
        for (face& f : faces)
            f.track = 99;
        std::shuffle(faces.begin(), faces.end(), rng);
        t.update(frame * one_second / 30, faces);
        for (int i = 0; i < 7; ++i) {
            EXPECT_EQ(faces[static_cast<std::size_t>(i)].track, i + 1);
            EXPECT_EQ(faces[static_cast<std::size_t>(i)].presence, static_cast<float>(i));
        }
    }
}

// Two faces walk towards and through each other at `speed` pixels a second each; each box is jittered.
bool crossing_keeps_ids(double fps, float speed, float noise, unsigned seed, float dy = 20) {
    tracker t;
    jitter shake(seed, noise);
    const int frames = static_cast<int>(fps * 900 / static_cast<double>(speed));
    std::vector<face> faces;
    for (int i = 0; i <= frames; ++i) {
        const double now = i / fps;
        const float moved = speed * static_cast<float>(now);
        faces = {shake(face_at(100 + moved, 300, 0)), shake(face_at(1000 - moved, 300 + dy, 1))};
        if (i % 2 == 1) std::swap(faces[0], faces[1]);
        t.update(static_cast<std::int64_t>(now * 1e9), faces);
    }
    return track_of(faces, 0) == 1 && track_of(faces, 1) == 2;
}

TEST(tracker, crossing_faces_keep_their_ids_at_30_fps) {
    for (unsigned seed = 0; seed < 50; ++seed)
        EXPECT_TRUE(crossing_keeps_ids(30, 300, 2, seed)) << seed;
}

TEST(tracker, crossing_faces_keep_their_ids_at_5_fps) {
    for (unsigned seed = 0; seed < 50; ++seed)
        EXPECT_TRUE(crossing_keeps_ids(5, 300, 2, seed)) << seed;
}

TEST(tracker, crossing_faces_keep_their_ids_on_one_line) {
    for (unsigned seed = 0; seed < 50; ++seed)
        EXPECT_TRUE(crossing_keeps_ids(30, 400, 1, seed, 0)) << seed;
}

// As above, but the second face is not found while the first covers it, for `hidden` seconds around the meeting.
bool swap_behind_keeps_ids(double fps, double hidden, unsigned seed) {
    tracker t;
    jitter shake(seed, 2);
    std::int64_t a = 0, b = 0;
    for (int i = 0; i <= static_cast<int>(3 * fps); ++i) {
        const double now = i / fps;
        const float moved = 300 * static_cast<float>(now);
        std::vector<face> faces{shake(face_at(100 + moved, 300, 0))};
        const face other = shake(face_at(1000 - moved, 310, 1));
        if (std::fabs(now - 1.5) > hidden / 2) faces.push_back(other);
        t.update(static_cast<std::int64_t>(now * 1e9), faces);
        if (i == 0) {
            a = track_of(faces, 0);
            b = track_of(faces, 1);
        }
        if (track_of(faces, 0) != a) return false;
        if (faces.size() == 2 && track_of(faces, 1) != b) return false;
    }
    return true;
}

TEST(tracker, faces_that_swap_sides_with_one_hidden_keep_their_ids) {
    for (unsigned seed = 0; seed < 50; ++seed) {
        EXPECT_TRUE(swap_behind_keeps_ids(30, 0.4, seed)) << "30 fps, " << seed;
        EXPECT_TRUE(swap_behind_keeps_ids(10, 0.4, seed)) << "10 fps, " << seed;
    }
}

TEST(tracker, a_face_that_is_hidden_for_less_than_the_gap_keeps_its_id) {
    tracker t;
    for (int i = 0; i < 90; ++i) {
        std::vector<face> faces;
        if (i < 30 || i >= 58) faces.push_back(face_at(300 + 2.0f * static_cast<float>(i), 300, 0));
        t.update(i * one_second / 30, faces);
        if (!faces.empty()) {
            EXPECT_EQ(faces[0].track, 1) << i;
        }
    }
}

TEST(tracker, a_gap_in_the_timestamps_is_survived_up_to_the_limit_only) {
    tracker t;
    std::vector<face> faces{face_at(300, 300, 0)};
    t.update(0, faces);
    t.update(one_second / 30, faces);
    t.update(one_second / 30 + 9 * one_second / 10, faces);
    EXPECT_EQ(faces[0].track, 1);
    t.update(one_second, faces);
    t.update(4 * one_second, faces);
    EXPECT_EQ(faces[0].track, 2);
}

TEST(tracker, a_face_that_is_gone_for_long_comes_back_as_a_new_one) {
    tracker t;
    std::vector<face> faces{face_at(300, 300, 0)};
    t.update(0, faces);
    for (int i = 1; i < 40; ++i) {
        std::vector<face> empty;
        t.update(i * one_second / 30, empty);
    }
    t.update(40 * one_second / 30, faces);
    EXPECT_EQ(faces[0].track, 2);
}

TEST(tracker, a_steadily_slow_source_keeps_its_tracks) {
    tracker t;
    std::set<std::int64_t> ids;
    for (int i = 0; i < 20; ++i) {
        std::vector<face> faces{face_at(300, 300, 0)};
        t.update(i * 2 * one_second, faces);
        if (i > 0) ids.insert(faces[0].track);
    }
    EXPECT_EQ(ids.size(), 1u);
}

TEST(tracker, follows_a_fast_face_at_every_frame_rate) {
    for (const double fps : {60.0, 30.0, 15.0, 10.0, 5.0}) {
        tracker t;
        jitter shake(1, 2);
        for (int i = 0; i < static_cast<int>(3 * fps); ++i) {
            const double now = i / fps;  // there and back, up to 600 pixels = 5.5 faces a second
            const float x = 700 + 300 * static_cast<float>(std::sin(2 * now));
            std::vector<face> faces{shake(face_at(x, 300, 0)), shake(face_at(2000, 300, 1))};
            t.update(static_cast<std::int64_t>(now * 1e9), faces);
            EXPECT_EQ(track_of(faces, 0), 1) << fps << " fps, " << i;
            EXPECT_EQ(track_of(faces, 1), 2) << fps << " fps, " << i;
        }
    }
}

TEST(tracker, follows_a_face_that_comes_nearer) {
    tracker t;
    for (int i = 0; i < 15; ++i) {
        std::vector<face> faces{face_at(500, 300, 0, 0.9f, std::pow(1.15f, static_cast<float>(i)))};
        t.update(i * one_second / 10, faces);
        EXPECT_EQ(faces[0].track, 1) << i;
    }
}

TEST(tracker, a_face_far_away_or_of_another_size_is_another_face) {
    tracker t;
    std::vector<face> faces{face_at(300, 300, 0)};
    t.update(0, faces);
    faces = {face_at(900, 300, 0)};
    t.update(one_second / 30, faces);
    EXPECT_EQ(faces[0].track, 2);
    faces = {face_at(900, 300, 0, 0.9f, 4)};
    t.update(2 * one_second / 30, faces);
    EXPECT_EQ(faces[0].track, 3);
}

TEST(tracker, a_doubtful_detection_continues_a_track_but_never_takes_it_from_a_sure_one) {
    tracker t;
    std::vector<face> faces{face_at(300, 300, 0)};
    t.update(0, faces);
    faces = {face_at(302, 300, 0, 0.3f)};
    t.update(one_second / 30, faces);
    EXPECT_EQ(faces[0].track, 1);
    faces = {face_at(302, 300, 1, 0.3f), face_at(320, 300, 0, 0.9f)};
    t.update(2 * one_second / 30, faces);
    EXPECT_EQ(track_of(faces, 0), 1);
    EXPECT_EQ(track_of(faces, 1), 2);
}

TEST(tracker, jitter_does_not_change_the_ids_of_neighbours) {
    tracker t;
    jitter shake(4, 6);
    for (int i = 0; i < 300; ++i) {
        std::vector<face> faces;
        for (int who = 0; who < 6; ++who) {
            faces.push_back(shake(face_at(100 + 110 * static_cast<float>(who), 300, who)));
        }
        t.update(i * one_second / 30, faces);
        for (int who = 0; who < 6; ++who)
            ASSERT_EQ(track_of(faces, who), who + 1) << i;
    }
}

TEST(tracker, a_crowd_of_120_keeps_its_ids_while_some_are_missed) {
    tracker t;
    jitter shake(2, 3);
    std::mt19937 rng(9);
    for (int i = 0; i < 60; ++i) {
        std::vector<face> faces;
        for (int who = 0; who < 120; ++who) {
            if (i > 0 && rng() % 10 == 0) continue;
            const auto column = static_cast<float>(who % 15), row = static_cast<float>(who / 15);
            faces.push_back(shake(face_at(80 + 125 * column, 80 + 145 * row, who, rng() % 4 == 0 ? 0.5f : 0.9f)));
        }
        std::shuffle(faces.begin(), faces.end(), rng);
        if (i == 0) {
            std::sort(faces.begin(), faces.end(), [](auto& a, auto& b) { return a.presence < b.presence; });
        }
        t.update(i * one_second / 25, faces);
        for (const face& f : faces)
            ASSERT_EQ(f.track, static_cast<std::int64_t>(f.presence) + 1) << i;
    }
}

TEST(tracker, faces_that_enter_and_leave_never_share_an_id) {
    tracker t;
    std::set<std::int64_t> used;
    for (int visit = 0; visit < 10; ++visit) {
        std::set<std::int64_t> now;
        for (int i = 0; i < 90; ++i) {
            std::vector<face> faces;
            if (i < 45) faces.push_back(face_at(300, 300, 0));
            t.update((visit * 90 + i) * one_second / 30, faces);
            for (const face& f : faces)
                now.insert(f.track);
        }
        ASSERT_EQ(now.size(), 1u);
        EXPECT_TRUE(used.insert(*now.begin()).second);
        EXPECT_EQ(*now.begin(), visit + 1);
    }
}

TEST(tracker, timestamps_that_stand_still_or_go_back_do_not_stop_it) {
    for (const std::int64_t step : {std::int64_t{0}, -one_second, std::int64_t{1}}) {
        tracker t;
        for (int i = 0; i < 60; ++i) {
            std::vector<face> faces{face_at(300 + 10 * static_cast<float>(i), 300, 0)};
            t.update(i * step, faces);
            EXPECT_EQ(faces[0].track, 1);
        }
        for (int i = 60; i < 120; ++i) {
            std::vector<face> empty;
            t.update(i * step, empty);
        }
        std::vector<face> faces{face_at(900, 300, 0)};
        t.update(120 * step, faces);
        EXPECT_EQ(faces[0].track, 2) << "tracks must end without honest timestamps, too";
    }
}

TEST(tracker, accepts_the_extremes_of_pts) {
    tracker t;
    std::vector<face> faces{face_at(300, 300, 0)};
    t.update(std::numeric_limits<std::int64_t>::min(), faces);
    t.update(std::numeric_limits<std::int64_t>::max(), faces);
    EXPECT_EQ(faces[0].track, 2);
    t.update(std::numeric_limits<std::int64_t>::min(), faces);
    EXPECT_EQ(faces[0].track, 2);
}

TEST(tracker, broken_boxes_get_ids_and_leave_the_others_alone) {
    const float nan = std::numeric_limits<float>::quiet_NaN(), inf = std::numeric_limits<float>::infinity();
    tracker t;
    std::set<std::int64_t> ids;
    for (int i = 0; i < 30; ++i) {
        std::vector<face> faces;
        for (const rect& box : {rect{nan, 0, 10, 10}, rect{0, 0, inf, 10}, rect{0, 0, 0, 10}, rect{0, 0, 10, -1},
                                rect{0, 0, 3e38f, 3e38f}, rect{0, 0, 1e-38f, 1e-38f}}) {
            face f;
            f.box = box;
            f.score = nan;
            f.presence = -1;
            faces.push_back(f);
        }
        faces.insert(faces.begin(), face_at(300, 300, 0));
        faces[0].score = i % 2 == 0 ? nan : 0.9f;
        t.update(i * one_second / 30, faces);
        EXPECT_EQ(track_of(faces, 0), 1);
        for (const face& f : faces)
            EXPECT_GT(f.track, 0);
        std::set<std::int64_t> in_frame;
        for (const face& f : faces)
            EXPECT_TRUE(in_frame.insert(f.track).second);
    }
}

TEST(tracker, the_same_input_gives_the_same_ids) {
    const auto run = [] {
        tracker t;
        std::mt19937 rng(11);
        std::vector<std::int64_t> ids;
        for (int i = 0; i < 200; ++i) {
            std::vector<face> faces;
            const auto n = rng() % 12;
            for (unsigned k = 0; k < n; ++k) {
                faces.push_back(face_at(static_cast<float>(rng() % 800), static_cast<float>(rng() % 400),
                                        static_cast<int>(k), static_cast<float>(rng() % 100) / 100));
            }
            t.update(i * one_second / 30, faces);
            for (const face& f : faces)
                ids.push_back(f.track);
        }
        return ids;
    };
    EXPECT_EQ(run(), run());
}

}  // namespace
}  // namespace faceflow::internal::vision
