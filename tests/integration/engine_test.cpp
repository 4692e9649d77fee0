// SPDX-License-Identifier: Apache-2.0
// The public engine on real pictures, as a program that links the library sees it.
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <thread>

#include "faceflow/faceflow.hpp"
#include "media/source.hpp"
#include "onnxruntime_testing.hpp"
#include "support.hpp"

namespace faceflow::internal {
namespace {

namespace fs = std::filesystem;
using test::demo;

struct clip {
    std::vector<host_frame> frames;
};

clip demo_frames(std::size_t n) {
    clip c;
    auto source = media::open_source(demo.string(), {});
    EXPECT_OK(source);
    while (c.frames.size() < n) {
        auto read = (*source)->next();
        if (!read || !*read) break;
        c.frames.push_back((*read)->frame);
    }
    return c;
}

options blazeface() {
    options o;
    o.detector = detector::blazeface;
    return o;
}

std::vector<frame_faces> pulled(const options& o, const clip& c) {
    auto made = engine::create(o);
    EXPECT_OK(made);
    std::vector<frame_faces> all;
    for (const auto& f : c.frames)
        EXPECT_OK(made->push(f.picture, f.pts_ns));
    for (;;) {
        auto r = made->next();
        EXPECT_OK(r);
        if (!r || !*r) break;
        all.push_back(std::move(**r));
    }
    return all;
}

bool same(const frame_faces& a, const frame_faces& b) {
    if (a.id != b.id || a.faces.size() != b.faces.size()) return false;
    for (std::size_t i = 0; i < a.faces.size(); ++i) {
        const face &x = a.faces[i], &y = b.faces[i];
        if (x.track != y.track || x.score != y.score ||
            std::memcmp(x.landmarks.data(), y.landmarks.data(), sizeof x.landmarks) != 0)
            return false;
    }
    return true;
}

class engine_on_demo_clip : public testing::Test {
protected:
    void SetUp() override {
        if (!fs::exists(demo)) GTEST_SKIP() << "assets/demo.mp4 is missing; tools/setup.sh makes it";
    }
};

TEST_F(engine_on_demo_clip, finds_four_faces_in_order_when_asked) {
    const auto all = pulled({}, demo_frames(20));
    ASSERT_EQ(all.size(), 20u);
    for (std::size_t i = 0; i < all.size(); ++i) {
        EXPECT_EQ(all[i].id.sequence, i);
        ASSERT_EQ(all[i].faces.size(), 4u);
        for (std::size_t k = 0; k < 4; ++k)
            EXPECT_EQ(all[i].faces[k].track, static_cast<std::int64_t>(k + 1));
    }
}

TEST_F(engine_on_demo_clip, gives_the_same_bits_for_any_number_of_threads) {
    const auto c = demo_frames(12);
    for (const int every : {1, 3}) {
        options o;
        o.detect_every = every;
        o.threads = 1;
        const auto one = pulled(o, c);
        o.threads = 3;
        const auto three = pulled(o, c);
        ASSERT_EQ(one.size(), three.size());
        for (std::size_t i = 0; i < one.size(); ++i)
            EXPECT_TRUE(same(one[i], three[i])) << "frame " << i << ", detect every " << every;
    }
}

TEST_F(engine_on_demo_clip, a_detection_does_not_show_in_the_landmarks_of_a_face_that_is_followed) {
    const auto c = demo_frames(20);
    options o;
    o.detect = detect_mode::always;
    const auto always = pulled(o, c), needed = pulled({}, c);
    o = {};
    o.detect_every = 5;
    const auto every = pulled(o, c);
    for (std::size_t i = 0; i < c.frames.size(); ++i) {
        ASSERT_EQ(always[i].faces.size(), 4u);
        for (const auto* others : {&needed[i], &every[i]}) {
            ASSERT_EQ(others->faces.size(), 4u);
            for (std::size_t k = 0; k < 4; ++k) {
                const face &a = always[i].faces[k], &b = others->faces[k];
                EXPECT_EQ(a.track, b.track);
                EXPECT_EQ(std::memcmp(a.landmarks.data(), b.landmarks.data(), sizeof a.landmarks), 0) << i;
                EXPECT_EQ(a.box.x, b.box.x) << i;
            }
        }
    }
}

TEST_F(engine_on_demo_clip, independent_frames_have_the_faces_of_pictures_of_their_own) {
    const auto c = demo_frames(8);
    options o;
    o.detect = detect_mode::independent;
    const auto together = pulled(o, c);
    ASSERT_EQ(together.size(), c.frames.size());
    std::int64_t last = 0;
    for (std::size_t i = 0; i < c.frames.size(); ++i) {
        auto alone = engine::create(o);
        ASSERT_OK(alone);
        ASSERT_OK(alone->push(c.frames[i].picture, 0));
        const auto faces = alone->next();
        ASSERT_OK(faces);
        ASSERT_EQ(together[i].faces.size(), (*faces)->faces.size());
        for (std::size_t k = 0; k < together[i].faces.size(); ++k) {
            const face &a = together[i].faces[k], &b = (*faces)->faces[k];
            EXPECT_EQ(std::memcmp(a.landmarks.data(), b.landmarks.data(), sizeof a.landmarks), 0) << "frame " << i;
            EXPECT_GT(a.track, last) << "a track goes on from frame " << i - 1;
            last = a.track;
        }
    }
    o.detect_every = 3;
    const auto refused = engine::create(o);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, errc::invalid_argument);
}

TEST_F(engine_on_demo_clip, a_frame_that_is_asked_for_does_not_wait_for_others) {
    const auto c = demo_frames(3);
    auto made = engine::create({});
    ASSERT_OK(made);
    for (const auto& f : c.frames) {
        ASSERT_OK(made->push(f.picture, f.pts_ns));
        const auto faces = made->next();
        ASSERT_OK(faces);
        ASSERT_TRUE(*faces);
        EXPECT_EQ((*faces)->faces.size(), 4u);
    }
    // The same for one who asks on a thread of its own.
    ASSERT_OK(made->push(c.frames.front().picture, c.frames.back().pts_ns + 1));
    std::thread other([&] { EXPECT_TRUE(made->next().value()); });
    other.join();
}

TEST_F(engine_on_demo_clip, newcomers_are_found_at_the_next_detection) {
    const auto c = demo_frames(8);
    for (const int every : {5, 0}) {  // 0: when needed, for newcomers every fifth of a second
        options o;
        o.detect_every = every;
        std::vector<std::size_t> faces;
        auto made = engine::create(o, [&](result<frame_faces> r) { faces.push_back(r.value().faces.size()); });
        ASSERT_OK(made);
        std::vector<std::uint8_t> grey(std::size_t{640} * 360, 128);
        image nothing{.format = pixel_format::gray8, .width = 640, .height = 360};
        nothing.planes[0] = {grey.data(), 640};
        for (int i = 0; i < 3; ++i)
            ASSERT_OK(made->push(nothing, i * 33'333'333));
        for (const auto& f : c.frames)
            ASSERT_OK(made->push(f.picture, f.pts_ns + 100'000'000));
        made->finish();
        const auto found = std::find(faces.begin(), faces.end(), 4u) - faces.begin();
        EXPECT_EQ(found, every > 0 ? 5 : 6);
        EXPECT_EQ(std::count(faces.begin(), faces.end(), 4u), 11 - found);
    }
}

TEST_F(engine_on_demo_clip, the_free_detector_finds_the_same_faces) {
    const auto c = demo_frames(5);
    const auto free = pulled(blazeface(), c), usual = pulled({}, c);
    for (std::size_t i = 0; i < free.size(); ++i) {
        ASSERT_EQ(free[i].faces.size(), 4u);
        for (const face& f : free[i].faces) {
            const bool near = std::any_of(usual[i].faces.begin(), usual[i].faces.end(), [&](const face& u) {
                return std::hypot(u.landmarks[1].x - f.landmarks[1].x, u.landmarks[1].y - f.landmarks[1].y) < 12;
            });
            EXPECT_TRUE(near);
        }
    }
}

TEST_F(engine_on_demo_clip, calls_back_in_order_and_releases_every_picture) {
    const auto c = demo_frames(15);
    std::vector<std::uint64_t> order;
    std::atomic<int> released{0};
    {
        auto made = engine::create(blazeface(), [&](result<frame_faces> r) {
            ASSERT_OK(r);
            order.push_back(r->id.sequence);
        });
        ASSERT_OK(made);
        for (const auto& f : c.frames)
            ASSERT_OK(made->push(f.picture, f.pts_ns, 0, [&] { ++released; }));
        made->finish();
        EXPECT_EQ(released, 15);
    }
    ASSERT_EQ(order.size(), 15u);
    EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
}

TEST(engine_pictures, memory_of_one_that_is_refused_stays_with_who_pushed_it) {
    auto made = engine::create(blazeface());
    ASSERT_OK(made);
    int released = 0;
    const image broken{.format = pixel_format::gray8, .width = 640, .height = 360};
    EXPECT_FALSE(made->push(broken, 0, 0, [&] { ++released; }));
    made->finish();
    EXPECT_EQ(released, 0);
}

TEST_F(engine_on_demo_clip, live_pacing_gives_a_result_for_every_frame_that_was_not_overtaken) {
    const auto c = demo_frames(30);
    auto o = blazeface();
    o.pacing = pacing::live;
    auto made = engine::create(o);
    ASSERT_OK(made);
    for (const auto& f : c.frames)
        ASSERT_OK(made->push(f.picture, f.pts_ns));
    std::int64_t last = -1;
    std::size_t got = 0;
    for (;;) {
        auto r = made->next();
        ASSERT_OK(r);
        if (!*r) break;
        EXPECT_GT((*r)->pts_ns, last);
        last = (*r)->pts_ns;
        ++got;
    }
    EXPECT_GE(got, 1u);
    EXPECT_EQ(last, c.frames.back().pts_ns) << "the newest frame always gets its result";
}

TEST(engine_options, out_of_range_values_are_refused_by_name) {
    options o;
    o.detect_width = 650;
    auto r = engine::create(o);
    ASSERT_FALSE(r);
    EXPECT_EQ(r.error().code, errc::invalid_argument);
    EXPECT_NE(r.error().message.find("672"), std::string::npos) << r.error().message;
    o = {};
    o.device = "toaster";
    EXPECT_FALSE(engine::create(o));
    o = {};
    o.min_score = 0;
    EXPECT_FALSE(engine::create(o));
}

TEST(engine_models, a_broken_model_file_is_an_error_that_names_it) {
    SKIP_WITHOUT_ONNXRUNTIME();  // without a plan, nothing else reads the file
    test::temporary_folder folder;
    const fs::path models = test::checkout() / "models";
    fs::copy(models / "catalogue.toml", folder / "catalogue.toml");
    std::ofstream(folder / "face_detection_full_range.onnx") << "not a model";
    auto o = blazeface();
    o.models = folder.path();
    auto r = engine::create(o);
    ASSERT_FALSE(r);
    EXPECT_NE(r.error().message.find("face_detection_full_range.onnx"), std::string::npos);
    fs::copy(models / "face_landmark.onnx", folder / "face_landmark_with_attention.onnx");
    fs::copy(models / "face_detection_full_range.onnx", folder / "face_detection_full_range.onnx",
             fs::copy_options::overwrite_existing);
    r = engine::create(o);
    ASSERT_FALSE(r) << "a model of another shape";
    EXPECT_NE(r.error().message.find("[1, 478, 3]"), std::string::npos) << r.error().message;
}

image grey_picture(const std::vector<std::uint8_t>& pixels) {
    image p{.format = pixel_format::gray8, .width = 640, .height = 360};
    p.planes[0] = {pixels.data(), 640};
    return p;
}

TEST(engine_facts, say_what_became_of_each_auto) {
    options o = blazeface();
    o.device = "cpu";
    auto made = engine::create(o);
    ASSERT_OK(made);
    const engine_info i = made->info();
    EXPECT_EQ(i.devices, std::vector<std::string>{"cpu"});
    EXPECT_EQ(i.flow, "fused");
    EXPECT_EQ(i.inference, "native");
    EXPECT_EQ(i.precision, "fp32");
    EXPECT_EQ(i.notes, std::vector<std::string>{});
    o.device = "emulated:2";
    made = engine::create(o);
    ASSERT_OK(made);
    EXPECT_EQ(made->info().devices, (std::vector<std::string>{"emulated:0", "emulated:1"}));
}

TEST(engine_facts, count_results_and_what_had_none) {
    const std::vector<std::uint8_t> pixels(std::size_t{640} * 360, 128);
    options o = blazeface();
    o.pacing = pacing::live;
    auto made = engine::create(o);
    ASSERT_OK(made);
    for (int i = 0; i < 40; ++i)
        ASSERT_OK(made->push(grey_picture(pixels), i));
    made->finish();
    const engine_counts c = made->counts();
    const auto overtaken = c.dropped.find("overtaken");
    EXPECT_EQ(c.frames + (overtaken == c.dropped.end() ? 0 : overtaken->second), 40u);
    EXPECT_GE(c.frames, 1u);
    EXPECT_EQ(c.faces, 0u);
    EXPECT_TRUE(c.errors.empty());
}

TEST(engine_callbacks, that_throw_are_counted_and_the_engine_goes_on) {
    const std::vector<std::uint8_t> pixels(std::size_t{640} * 360, 128);
    int called = 0;
    auto made = engine::create(blazeface(), [&](const result<frame_faces>&) {
        if (++called != 3) throw std::runtime_error("no more room on the tape");
    });
    ASSERT_OK(made);
    for (int i = 0; i < 4; ++i)
        ASSERT_OK(made->push(grey_picture(pixels), i));
    made->finish();
    EXPECT_EQ(called, 4);
    EXPECT_EQ(made->counts().errors.at("callback"), 3u);
    ASSERT_EQ(made->info().notes.size(), 1u);
    EXPECT_NE(made->info().notes.front().find("no more room on the tape"), std::string::npos);
}

TEST(engines, finish_what_was_pushed_when_another_is_assigned_to_them) {
    const std::vector<std::uint8_t> pixels(std::size_t{640} * 360, 128);
    std::atomic<int> first{0}, second{0};
    auto one = engine::create(blazeface(), [&](const result<frame_faces>&) { ++first; });
    auto other = engine::create(blazeface(), [&](const result<frame_faces>&) { ++second; });
    ASSERT_OK(one);
    ASSERT_OK(other);
    for (int i = 0; i < 5; ++i)
        ASSERT_OK(one->push(grey_picture(pixels), i));
    *one = std::move(*other);
    EXPECT_EQ(first, 5);
    ASSERT_OK(one->push(grey_picture(pixels), 0));
    one->finish();
    EXPECT_EQ(second, 1);
}

TEST(engine_pictures, sizes_from_1x1_to_8k_give_results_or_clear_errors) {
    auto made = engine::create(blazeface());
    ASSERT_OK(made);
    std::vector<test::owned_picture> kept;
    std::int64_t pts = 0;
    for (const auto& [w, h] : {std::pair{1, 1}, {2, 1}, {641, 363}, {16, 4000}, {4000, 16}, {7680, 4320}}) {
        kept.push_back(test::random_picture(pixel_format::nv12, w, h, 1));
        ASSERT_OK(made->push(kept.back().view, ++pts));
        auto r = made->next();
        ASSERT_OK(r);
        EXPECT_EQ((*r)->width, w);
        EXPECT_TRUE((*r)->faces.empty());
    }
    auto broken = kept.front().view;
    broken.planes[0].data = nullptr;
    EXPECT_FALSE(made->push(broken, ++pts));
}

}  // namespace
}  // namespace faceflow::internal
