// SPDX-License-Identifier: Apache-2.0
// The kernels of a GPU, run thread by thread: each body with several block sizes, against the functions of the CPU.
#include <gtest/gtest.h>

#include <barrier>
#include <cstring>
#include <memory>
#include <thread>

#include "support.hpp"
#include "vision/block_kernels.hpp"
#include "vision/sample.hpp"

namespace faceflow::internal::vision {
namespace {

using test::random_picture;

// One thread of a block whose threads do not wait for each other: they may run one after the other.
struct lone_thread {
    int index, count;
    int thread() const { return index; }
    int threads() const { return count; }
    static void sync() { ADD_FAILURE() << "this body waits"; }
    static int add(std::int32_t* counter) { return (*counter)++; }
};

// One of the threads of a block, which wait for one another.
struct block_thread {
    int index, count;
    std::barrier<>* gate;
    int thread() const { return index; }
    int threads() const { return count; }
    void sync() const { gate->arrive_and_wait(); }
    static int add(std::int32_t* counter) { return __atomic_fetch_add(counter, 1, __ATOMIC_RELAXED); }
};

template <class Body>
void run_block(int threads, Body body) {
    std::barrier<> gate(threads);
    std::vector<std::thread> block;
    for (int i = 0; i < threads; ++i) {
        block.emplace_back([&, i] {
            body(block_thread{i, threads, &gate});
            gate.arrive_and_drop();  // threads that have returned keep nobody waiting, as on a GPU
        });
    }
    for (auto& t : block)
        t.join();
}

struct face_sets {
    static constexpr std::size_t capacity = 8;
    std::vector<std::vector<std::byte>> memory;
    face_table table;
    explicit face_sets(std::int32_t frames) : memory(static_cast<std::size_t>(frames)) {
        table.frames = frames;
        for (std::size_t f = 0; f < memory.size(); ++f) {
            memory[f].resize(detection_set::bytes(capacity));
            table.of[f] = new (memory[f].data()) detection_set;
        }
    }
    detection& add(std::int32_t frame, const region& area) {
        detection_set& set = *table.of[frame];
        detection& d = set.items()[set.count++];
        d = {};
        d.area = area;
        d.box = {area.cx - 10, area.cy - 10, 20, 20};
        d.score = 0.5f + 0.01f * area.cx;
        return d;
    }
};

class block_sampling : public testing::TestWithParam<pixel_format> {
protected:
    static void expect_letterbox(std::int32_t width, std::int32_t height) {
        const auto a = random_picture(GetParam(), 101, 57, 3, 8), b = random_picture(GetParam(), 40, 90, 4);
        auto turned = b.view;
        turned.turn = rotation::cw90;
        const image pictures[] = {a.view, turned};
        const letterbox fits[] = {fit(101, 57, width, height), fit(90, 40, width, height)};
        const std::size_t one = std::size_t{3} * static_cast<std::size_t>(width * height);
        for (const int threads : {1, 5, 256}) {
            std::vector<float> got(2 * one, 77), wanted(2 * one);
            const tensor_target target = planes(got.data(), width, height, 255, -1);
            const letterbox_pass pass = make_letterbox_pass(pictures, fits, target);
            for (std::int32_t f = 0; f < pass.frames; ++f) {
                for (std::int32_t tile = 0; tile < tiles_over(width, height).tiles(); ++tile) {
                    for (int t = 0; t < threads; ++t)
                        letterbox_tile(lone_thread{t, threads}, pass, f, tile);
                }
            }
            for (std::size_t f = 0; f < 2; ++f) {
                tensor_target reference = planes(wanted.data() + f * one, width, height, 255, -1);
                sample_reference(make_sampling_source(pictures[f]), frame_from_letterbox(fits[f]), reference);
                for (std::int32_t v = 0; v < height; ++v) {
                    for (std::int32_t u = 0; u < width; ++u) {
                        const auto& l = fits[f];
                        if (u < l.x_begin || u >= l.x_end || v < l.y_begin || v >= l.y_end)
                            scalar::store(reference, u, v, {0, 0, 0});
                    }
                }
            }
            EXPECT_EQ(got, wanted) << threads << " threads, " << width << " wide";
        }
    }

    static void expect_crops(std::int32_t size) {
        const auto a = random_picture(GetParam(), 101, 57, 3), b = random_picture(GetParam(), 64, 64, 4);
        const image pictures[] = {a.view, b.view};
        face_sets faces(2);
        faces.add(0, {30, 20, 25, 0.3f});
        faces.add(0, {60, 40, 70, -2});
        faces.add(1, {5, 60, 33, 1.2f});
        constexpr std::int32_t first = 1, capacity = 4;  // faces 1 and 2, and room for two that are not there
        const std::size_t one = std::size_t{3} * static_cast<std::size_t>(size * size);
        for (const int threads : {1, 96, 256}) {
            std::vector<float> got(capacity * one, 77), wanted(capacity * one, 77);
            const crop_pass pass = make_crop_pass(pictures, faces.table, first, planes(got.data(), size, size));
            for (std::int32_t n = 0; n < capacity; ++n) {
                for (std::int32_t tile = 0; tile < tiles_over(size, size).tiles(); ++tile) {
                    for (int t = 0; t < threads; ++t)
                        crop_tile(lone_thread{t, threads}, pass, n, tile);
                }
            }
            sample_reference(make_sampling_source(pictures[0]),
                             frame_from_region(faces.table.of[0]->items()[1].area, static_cast<float>(size)),
                             planes(wanted.data(), size, size));
            sample_reference(make_sampling_source(pictures[1]),
                             frame_from_region(faces.table.of[1]->items()[0].area, static_cast<float>(size)),
                             planes(wanted.data() + one, size, size));
            EXPECT_EQ(got, wanted) << threads << " threads, " << size << " wide";
        }
    }
};

// Red, green, blue and 0 of each pixel, of planes.
std::vector<std::uint16_t> packed(const std::vector<float>& planar, std::size_t pixels) {
    std::vector<std::uint16_t> out;
    for (std::size_t picture = 0; picture < planar.size() / (3 * pixels); ++picture) {
        for (std::size_t i = 0; i < pixels; ++i) {
            for (std::size_t c = 0; c < 3; ++c)
                out.push_back(half_bits(planar[(3 * picture + c) * pixels + i]));
            out.push_back(0);
        }
    }
    return out;
}

TEST_P(block_sampling, packed_halves_are_the_planes_rounded) {
    const auto a = random_picture(GetParam(), 101, 57, 3, 8), b = random_picture(GetParam(), 40, 90, 4);
    const image pictures[] = {a.view, b.view};
    face_sets faces(2);
    faces.add(0, {30, 20, 25, 0.3f});
    faces.add(1, {5, 60, 33, 1.2f});
    constexpr std::int32_t height = 24;
    for (const std::int32_t width : {72, 70, 24}) {  // two pixels at a time, and one by one
        const letterbox fits[] = {fit(101, 57, width, height), fit(40, 90, width, height)};
        const auto pixels = static_cast<std::size_t>(width * height);
        std::vector<float> planar(2 * 3 * pixels, 7);
        std::vector<std::uint16_t> halves(2 * 4 * pixels, 7);
        tensor_target flat = planes(planar.data(), width, height, 2, -1), target = flat;
        target.data = reinterpret_cast<std::byte*>(halves.data());
        target.format = tensor_format::packed_half;
        for (const tensor_target& t : {flat, target}) {
            const letterbox_pass pass = make_letterbox_pass(pictures, fits, t);
            for (std::int32_t i = 0; i < 2 * tiles_over(width, height).tiles(); ++i)
                letterbox_tile(serial_block{}, pass, i % 2, i / 2);
        }
        EXPECT_EQ(halves, packed(planar, pixels)) << "letterbox, " << width << " wide";
        if (width != height) continue;
        for (const tensor_target& t : {flat, target}) {
            const crop_pass pass = make_crop_pass(pictures, faces.table, 0, t);
            for (std::int32_t i = 0; i < 2 * tiles_over(width, height).tiles(); ++i)
                crop_tile(serial_block{}, pass, i % 2, i / 2);
        }
        EXPECT_EQ(halves, packed(planar, pixels)) << "crops";
    }
}

// Widths of whole runs of pixels, which are stored 16 bytes at a time, and others.
TEST_P(block_sampling, a_letterbox_is_that_of_the_scalar_reference) {
    for (const std::int32_t width : {70, 72, 34})
        expect_letterbox(width, 45);
}

TEST_P(block_sampling, crops_are_those_of_the_scalar_reference_and_the_rest_is_left_alone) {
    for (const std::int32_t size : {41, 48})
        expect_crops(size);
}

INSTANTIATE_TEST_SUITE_P(formats, block_sampling, testing::ValuesIn(test::every_format),
                         [](const auto& format) { return std::string(name(format.param)); });

TEST(block_detection, each_frame_of_a_pass_has_its_own_faces) {
    // Two frames of one BlazeFace-like level each.
    constexpr std::int32_t side = 12, cells = side * side;
    std::vector<float> scores(2 * cells, -9), boxes(2 * cells * 16, 0);
    std::mt19937 random(5);
    std::uniform_real_distribution<float> logit(-3, 2);
    for (auto& s : scores)
        s = logit(random);
    for (std::size_t c = 0; c < 2 * cells; ++c)
        boxes[c * 16 + 2] = boxes[c * 16 + 3] = 14;
    detector_output outputs[2];
    for (std::int32_t f = 0; f < 2; ++f) {
        outputs[f].kind = detector_kind::blazeface;
        outputs[f].levels = 1;
        outputs[f].level[0] = {scores.data() + f * cells, boxes.data() + f * cells * 16, nullptr, side, side, 1, 16};
        outputs[f].frame_width = outputs[f].frame_height = 192;
    }
    const detect_options options{.min_score = 0.5f, .max_faces = 6};
    face_sets wanted(2);
    const auto scratch = std::make_unique<detect_scratch[]>(2);
    for (std::int32_t f = 0; f < 2; ++f)
        detect_faces(serial_block{}, outputs[f], options, &scratch[static_cast<std::size_t>(f)], wanted.table.of[f]);
    ASSERT_EQ(wanted.table.of[0]->count, 6);
    for (const int threads : {1, 2, 8}) {
        face_sets got(2);
        const detect_pass pass = make_detect_pass(outputs, options, scratch.get(), got.table);
        for (std::int32_t f = 0; f < 2; ++f)
            run_block(threads, [&](block_thread t) { detect_frame(t, pass, f); });
        EXPECT_EQ(got.memory, wanted.memory) << threads << " threads";
    }
}

struct mesh_case {
    std::vector<float> landmarks, scores;
    mesh_options options[2];
    face_sets faces{2};
    std::vector<float> crops;
    mesh_case() : landmarks(4 * landmark_count * 3), scores{3, -2, 1, 0} {
        std::mt19937 random(9);
        std::uniform_real_distribution<float> place(0, 192);
        for (auto& l : landmarks)
            l = place(random);
        crops.resize(4 * seen().bytes() / sizeof(float));
        for (auto& c : crops)
            c = place(random) / 192;
        options[0] = {.frame_width = 640, .frame_height = 480};
        options[1] = {.focal = 500, .frame_width = 100, .frame_height = 90, .mouth_from_mesh = true};
        faces.add(0, {300, 200, 150, 0.2f});
        faces.add(0, {100, 220, 90, -0.4f});
        faces.add(1, {50, 40, 60, 0});
    }
    tensor_target seen() { return planes(crops.data(), 192, 192); }
};

std::vector<std::byte> finished(mesh_case& c, std::int32_t first, std::int32_t capacity, int threads) {
    std::vector<std::byte> memory(pass_results::bytes(2, 6), std::byte{9});
    const pass_results results{reinterpret_cast<result_header*>(memory.data()), 2};
    const finish_pass pass = make_finish_pass(
        {c.faces.table, first, capacity}, {c.landmarks.data(), c.scores.data(), nullptr, c.seen()}, c.options, results);
    const auto scratch = std::make_unique<quality_scratch>();
    for (std::int32_t n = 0; n < capacity; ++n) {
        run_block(threads, [&](block_thread t) { finish_number(t, pass, n); });
        run_block(threads, [&](block_thread t) { measure_number(t, pass, n, *scratch); });
    }
    return memory;
}

TEST(block_finish, records_and_headers_are_the_same_for_any_number_of_threads) {
    mesh_case c;
    const auto wanted = finished(c, 0, 4, 1);
    const auto* headers = reinterpret_cast<const result_header*>(wanted.data());
    EXPECT_EQ(headers[0].count, 2);
    EXPECT_EQ(headers[0].filled, 2);
    EXPECT_EQ(headers[1].first, 2);
    EXPECT_EQ(headers[1].filled, 1);
    for (const int threads : {2, 7, 16})
        EXPECT_EQ(finished(c, 0, 4, threads), wanted) << threads << " threads";

    const pass_results results{reinterpret_cast<result_header*>(const_cast<std::byte*>(wanted.data())), 2};
    face_record alone;
    pose_anchor anchors[max_pose_anchors];
    const pose_basis basis{anchors, canonical_anchors(anchors)};
    ASSERT_LT(basis.count, max_pose_anchors) << "all of them have room";
    make_record(serial_block{}, c.faces.table.of[1]->items()[0], c.landmarks.data() + 2 * landmark_count * 3, 1, basis,
                c.options[1], &alone);
    const auto scratch = std::make_unique<quality_scratch>();
    tensor_target third = c.seen();
    third.data += 2 * third.bytes();
    measure_quality(serial_block{}, third, *scratch, &alone.quality);
    EXPECT_NEAR(alone.quality.brightness, 127, 2);
    EXPECT_EQ(std::memcmp(&alone, results.records() + 2, sizeof alone), 0);
}

TEST(block_finish, a_later_batch_updates_the_headers_and_an_empty_one_does_not) {
    mesh_case c;
    const auto part = finished(c, 0, 2, 3), rest = finished(c, 2, 2, 3), none = finished(c, 4, 2, 3);
    const auto* headers = reinterpret_cast<const result_header*>(part.data());
    EXPECT_EQ(headers[1].count, 1);
    EXPECT_EQ(headers[1].filled, 0);
    EXPECT_EQ(reinterpret_cast<const result_header*>(rest.data())[1].filled, 1);
    EXPECT_EQ(none, std::vector<std::byte>(none.size(), std::byte{9}));
}

// Two frames: faces that are confirmed, slid off, given up and new.
struct merge_case {
    face_sets found{2}, faces{2};
    merge_case() {
        for (std::int32_t f = 0; f < 2; ++f) {
            for (const float x : {100.0f, 200.0f, 300.0f})
                faces.add(f, {x, 100, 30, 0}).followed = 1;
            faces.table.of[f]->items()[1].area.cx = 240;  // slid off
            faces.table.of[f]->items()[2].score = 0.1f;   // and not found again
            for (const float x : {201.0f, 500.0f, 101.0f})
                found.add(f, {x, 100, 30, 0});
        }
    }
    void merge_all(int threads) {
        const bool begins[] = {false, true};
        const merge_pass pass = make_merge_pass(found.table, faces.table, begins, {.max_faces = 8});
        for (std::int32_t f = 0; f < 2; ++f)
            run_block(threads, [&](block_thread t) { merge_frame(t, pass, f); });
    }
};

TEST(block_merge, does_the_same_for_any_number_of_threads) {
    merge_case serial;
    serial.merge_all(1);
    ASSERT_EQ(serial.faces.table.of[0]->count, 3);
    EXPECT_EQ(serial.faces.table.of[0]->items()[0].area.cx, 100);
    EXPECT_EQ(serial.faces.table.of[0]->items()[1].area.cx, 201);
    EXPECT_EQ(serial.faces.table.of[0]->items()[2].area.cx, 500);
    EXPECT_EQ(serial.faces.table.of[1]->count, 3) << "nothing was followed";
    for (const int threads : {2, 16}) {
        merge_case got;
        got.merge_all(threads);
        EXPECT_EQ(got.faces.memory, serial.faces.memory) << threads;
    }
}

TEST(block_propagate, keeps_the_order_of_faces_and_drops_those_that_are_no_faces) {
    mesh_case c;
    auto memory = finished(c, 0, 4, 1);  // presence 0.95, 0.12 | 0.73
    const pass_results results{reinterpret_cast<result_header*>(memory.data()), 2};
    results.records()[1].presence = 0.9f;
    results.records()[0].presence = 0.1f;
    for (const int threads : {1, 2, 16}) {
        face_sets serial(1), got(1);
        propagate_faces(serial_block{}, results, 0, 0.5f, serial.table.of[0]);
        run_block(threads, [&](block_thread t) { propagate_faces(t, results, 0, 0.5f, got.table.of[0]); });
        EXPECT_EQ(got.table.of[0]->count, 1);
        EXPECT_EQ(got.memory, serial.memory);
        results.records()[0].presence = 0.9f;
        face_sets both(1);
        run_block(threads, [&](block_thread t) { propagate_faces(t, results, 0, 0.5f, both.table.of[0]); });
        EXPECT_EQ(both.table.of[0]->count, 2);
        EXPECT_EQ(std::memcmp(&both.table.of[0]->items()[1], &serial.table.of[0]->items()[0], sizeof(detection)), 0);
        results.records()[0].presence = 0.1f;
    }
}

}  // namespace
}  // namespace faceflow::internal::vision
