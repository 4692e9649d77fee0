// SPDX-License-Identifier: Apache-2.0
// What the kernels of every device compute: held to the scalar functions, whatever runs them.
#include <cmath>
#include <cstring>
#include <memory>

#include "backends/back_end.hpp"
#include "devices.hpp"
#include "vision/block_kernels.hpp"
#include "vision/kernels.hpp"
#include "vision/sample.hpp"

namespace faceflow::internal {
namespace {

using test::host_memory;
using test::random_picture;

// Of the colour range. The vector code of the CPU orders sums differently; CUDA's sine differs in its last bits.
constexpr float colour_tolerance = 1.0f / 255, cuda_colour_tolerance = 1e-4f;

class kernels_conformance : public test::device_conformance {
protected:
    void SetUp() override {
        device_conformance::SetUp();
        if (IsSkipped() || HasFatalFailure()) return;
        stream_ = new_stream();
        work_ = make_kernels(on());
    }

    // Bytes on the device, with those of the host in them.
    template <class T>
    T* upload(const std::vector<T>& values) {
        return reinterpret_cast<T*>(upload(values.data(), values.size() * sizeof(T)));
    }
    std::byte* upload(const void* from, std::size_t bytes) {
        buffers_.push_back(memory(bytes));
        const host_memory staging(on(), bytes, true);
        std::memcpy(staging.data(), from, bytes);
        EXPECT_OK(transfer(*stream_, direction::host_to_device, buffers_.back().data(), staging.block(), bytes, at_));
        EXPECT_OK(finish(*stream_));
        return buffers_.back().data();
    }
    template <class T>
    std::vector<T> download(const T* from, std::size_t count) {
        const host_memory staging(on(), count * sizeof(T), true);
        auto* memory = const_cast<std::byte*>(reinterpret_cast<const std::byte*>(from));
        EXPECT_OK(transfer(*stream_, direction::device_to_host, memory, staging.block(), count * sizeof(T), at_));
        EXPECT_OK(finish(*stream_));
        std::vector<T> values(count);
        std::memcpy(static_cast<void*>(values.data()), staging.data(), count * sizeof(T));
        return values;
    }
    image upload(const test::owned_picture& p) {
        image view = p.view;
        for (std::size_t i = 0; i < p.planes.size(); ++i)
            view.planes[i].data = upload(p.planes[i]);
        return view;
    }
    vision::detection_set* upload(const std::vector<vision::detection>& faces, std::size_t capacity = 8) {
        std::vector<std::byte> bytes(vision::detection_set::bytes(capacity));
        auto* set = new (bytes.data()) vision::detection_set;
        set->count = static_cast<std::int32_t>(faces.size());
        std::copy(faces.begin(), faces.end(), set->items());
        return reinterpret_cast<vision::detection_set*>(upload(bytes));
    }
    std::vector<vision::detection> download(const vision::detection_set* set, std::size_t capacity = 8) {
        auto bytes = download(reinterpret_cast<const std::byte*>(set), vision::detection_set::bytes(capacity));
        const auto* there = reinterpret_cast<const vision::detection_set*>(bytes.data());
        return {there->items(), there->items() + there->count};
    }
    float tolerance() { return on().kind() == device_kind::cuda ? cuda_colour_tolerance : colour_tolerance; }

    std::unique_ptr<stream> stream_;
    std::unique_ptr<vision::kernels> work_;

private:
    std::vector<device_buffer> buffers_;
};

INSTANTIATE_TEST_SUITE_P(every, kernels_conformance, testing::ValuesIn(test::every_device()),
                         [](const auto& chosen) { return chosen.param.label; });

float worst(const std::vector<float>& a, const std::vector<float>& b) {
    float most = a.size() == b.size() ? 0 : INFINITY;
    for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i)
        most = std::isnan(a[i]) ? INFINITY : std::max(most, std::abs(a[i] - b[i]));
    return most;
}

vision::detection face_at(float x, float y, float size, float angle) {
    vision::detection d;
    d.box = {x - size / 3, y - size / 3, size / 1.5f, size / 1.5f};
    for (int i = 0; i < 5; ++i)
        d.keypoints[i] = {x + static_cast<float>(i), y - static_cast<float>(i)};
    d.score = 0.9f;
    d.area = {x, y, size, angle};
    return d;
}

TEST_P(kernels_conformance, letterboxes_every_pixel_format_as_the_scalar_reference_does) {
    constexpr std::int32_t width = 96, height = 64;
    constexpr std::size_t one = std::size_t{3} * width * height;
    for (const pixel_format format : test::every_format) {
        const auto a = random_picture(format, 131, 77, 1, 32), b = random_picture(format, 50, 80, 2);
        image pictures[] = {upload(a), upload(b)};
        image host[] = {a.view, b.view};
        for (image* of : {pictures, host}) {
            of[0].square_width = 160;
            of[1].turn = rotation::cw270;
            of[1].mirrored = true;
        }
        const vision::letterbox fits[] = {vision::fit(160, 77, width, height), vision::fit(80, 50, width, height)};
        float* input = upload(std::vector<float>(2 * one, 5));
        work_->letterbox(*stream_, pictures, fits, vision::planes(input, width, height, 2, -1));
        const auto got = download(input, 2 * one);
        std::vector<float> wanted(2 * one);
        const auto pass = vision::make_letterbox_pass(host, fits, vision::planes(wanted.data(), width, height, 2, -1));
        for (std::int32_t f = 0; f < 2; ++f) {
            for (std::int32_t tile = 0; tile < vision::tiles_over(width, height).tiles(); ++tile)
                vision::letterbox_tile(vision::serial_block{}, pass, f, tile);
        }
        EXPECT_LE(worst(got, wanted), 2 * tolerance()) << name(format);
    }
}

TEST_P(kernels_conformance, crops_every_pixel_format_as_the_scalar_reference_does) {
    constexpr std::int32_t size = 48;
    constexpr std::size_t one = std::size_t{3} * size * size;
    for (const pixel_format format : test::every_format) {
        const auto a = random_picture(format, 131, 77, 1), b = random_picture(format, 50, 80, 2, 16);
        const image pictures[] = {upload(a), upload(b)};
        const auto first = face_at(60, 40, 90, 0.4f), second = face_at(20, 30, 15, -1.1f),
                   third = face_at(45, 70, 60, 3);
        vision::face_table faces;
        faces.frames = 2;
        faces.of[0] = upload(std::vector{first, second});
        faces.of[1] = upload(std::vector{third});
        float* crops = upload(std::vector<float>(3 * one, 5));
        work_->crop(*stream_, pictures, faces, 1, {reinterpret_cast<std::byte*>(crops), size, 3});
        const auto got = download(crops, 3 * one);
        std::vector<float> wanted(3 * one, 5);
        vision::sample_reference(vision::make_sampling_source(a.view), vision::frame_from_region(second.area, size),
                                 vision::planes(wanted.data(), size, size));
        vision::sample_reference(vision::make_sampling_source(b.view), vision::frame_from_region(third.area, size),
                                 vision::planes(wanted.data() + one, size, size));
        EXPECT_LE(worst(got, wanted), tolerance()) << name(format);
    }
}

void expect_near(const vision::detection& a, const vision::detection& b, float pixels) {
    EXPECT_NEAR(a.score, b.score, 1e-6);
    EXPECT_NEAR(a.box.x, b.box.x, pixels);
    EXPECT_NEAR(a.box.y, b.box.y, pixels);
    EXPECT_NEAR(a.box.width, b.box.width, pixels);
    EXPECT_NEAR(a.box.height, b.box.height, pixels);
    for (int i = 0; i < 5; ++i) {
        EXPECT_NEAR(a.keypoints[i].x, b.keypoints[i].x, pixels);
        EXPECT_NEAR(a.keypoints[i].y, b.keypoints[i].y, pixels);
    }
    EXPECT_NEAR(a.area.cx, b.area.cx, pixels);
    EXPECT_NEAR(a.area.size, b.area.size, pixels);
    EXPECT_NEAR(a.area.angle, b.area.angle, 1e-5);
}

TEST_P(kernels_conformance, finds_the_faces_that_one_host_thread_finds) {
    constexpr std::int32_t columns = 40, rows = 24, area = columns * rows;
    std::mt19937 random(5);
    std::uniform_real_distribution<float> unit(0, 1), delta(-0.5f, 0.5f);
    std::vector<float> scores(2 * 4 * area), boxes(2 * 8 * area), keypoints(2 * 20 * area);
    for (auto& s : scores)
        s = unit(random) > 0.8f ? std::round(unit(random) * 50) / 50 : 0;  // ties are likely
    for (auto* values : {&boxes, &keypoints}) {
        for (auto& v : *values)
            v = delta(random);
    }
    const auto at = [&](const float* s, const float* b, const float* k, std::int32_t f) {
        vision::detector_output o;
        o.levels = 1;
        o.level[0] = {s + f * 4 * area, b + f * 8 * area, k + f * 20 * area, columns, rows, 2, 16};
        o.fit.scale = 0.5f;
        o.frame_width = 2 * 16 * columns;
        o.frame_height = 2 * 16 * rows;
        return o;
    };
    constexpr std::size_t capacity = 100;
    const vision::detect_options options{.min_score = 0.9f, .max_faces = capacity};
    const float *s = upload(scores), *b = upload(boxes), *k = upload(keypoints);
    const vision::detector_output outputs[] = {at(s, b, k, 0), at(s, b, k, 1)};
    std::vector<std::byte> room(2 * sizeof(vision::detect_scratch));
    auto* scratch = reinterpret_cast<vision::detect_scratch*>(upload(room));
    vision::face_table faces;
    faces.frames = 2;
    for (std::int32_t f = 0; f < 2; ++f)
        faces.of[f] = upload(std::vector<vision::detection>{}, capacity);
    // A second, closer look adds to what the first one found: here that of the other frame.
    vision::detect_options further = options;
    further.further = true;
    further.min_score = 0.3f;
    further.largest = 250;
    std::vector<std::byte> memory[2];
    std::int32_t found_before[2] = {};
    for (const vision::detect_options* look : {&options, static_cast<const vision::detect_options*>(&further)}) {
        const bool second = look == &further;
        const vision::detector_output swapped[] = {outputs[1], outputs[0]};
        work_->detect(*stream_, second ? swapped : outputs, *look, scratch, faces);
        for (std::int32_t f = 0; f < 2; ++f) {
            const auto got = download(faces.of[f], capacity);
            memory[f].resize(vision::detection_set::bytes(capacity));
            auto* wanted = reinterpret_cast<vision::detection_set*>(memory[f].data());
            detect_faces(vision::serial_block{}, at(scores.data(), boxes.data(), keypoints.data(), second ? 1 - f : f),
                         *look, reinterpret_cast<vision::detect_scratch*>(room.data()), wanted);
            ASSERT_EQ(got.size(), static_cast<std::size_t>(wanted->count));
            ASSERT_GT(wanted->count, second ? found_before[f] : 10);
            found_before[f] = wanted->count;
            for (std::size_t i = 0; i < got.size(); ++i)
                expect_near(got[i], wanted->items()[i], 0.01f);
        }
    }
}

TEST_P(kernels_conformance, finishes_records_and_carries_faces_as_one_host_thread_does) {
    // A face of sorts, so that the pose is not a toss-up.
    std::vector<float> landmarks(2 * landmark_count * 3);
    vision::pose_anchor anchors[vision::max_pose_anchors];
    const vision::pose_basis basis{anchors, vision::canonical_anchors(anchors)};
    std::mt19937 random(9);
    std::uniform_real_distribution<float> place(20, 170);
    for (auto& l : landmarks)
        l = place(random);
    for (std::size_t face = 0; face < 2; ++face) {
        for (std::int32_t i = 0; i < basis.count; ++i) {
            float* l = &landmarks[(face * landmark_count + static_cast<std::size_t>(anchors[i].landmark)) * 3];
            l[0] = 96 + 8 * anchors[i].x + 2 * anchors[i].z;
            l[1] = 96 - 8 * anchors[i].y;
            l[2] = -8 * anchors[i].z;
        }
    }
    const std::vector<float> scores{4, -4};
    const vision::mesh_options options[] = {{.frame_width = 640, .frame_height = 480}};
    const std::vector found{face_at(300, 200, 150, 0.2f), face_at(100, 300, 90, -0.3f)};
    const auto faces = vision::one_frame_table(upload(found));
    const std::size_t bytes = vision::pass_results::bytes(1, 4);
    auto* memory = upload(std::vector<std::byte>(bytes));
    const vision::pass_results results{reinterpret_cast<vision::result_header*>(memory), 1};
    // The second of two crops of a mesh whose colours are -1..1.
    std::vector<float> crops(std::size_t{2} * 3 * 192 * 192);
    for (std::size_t i = 0; i < crops.size(); ++i)
        crops[i] = std::sin(static_cast<float>(i % 192) * 0.3f) * (i < crops.size() / 2 ? 0.5f : 0.9f);
    const auto seen = [](float* at) { return vision::planes(at, 192, 192, 2, -1); };
    work_->finish(*stream_, {faces, 0, 4}, {upload(landmarks), upload(scores), nullptr, seen(upload(crops))}, options,
                  results);
    const auto down = download(static_cast<const std::byte*>(memory), bytes);
    const auto* header = reinterpret_cast<const vision::result_header*>(down.data());
    ASSERT_EQ(header->count, 2);
    ASSERT_EQ(header->filled, 2);
    const auto* records = reinterpret_cast<const vision::face_record*>(header + 1);
    vision::face_record wanted[2];
    for (std::size_t i = 0; i < 2; ++i) {
        make_record(vision::serial_block{}, found[i], landmarks.data() + i * landmark_count * 3, scores[i], basis,
                    options[0], &wanted[i]);
        EXPECT_NEAR(records[i].presence, wanted[i].presence, 1e-6);
        EXPECT_NEAR(records[i].pose.yaw, wanted[i].pose.yaw, 0.01);
        EXPECT_NEAR(records[i].pose.pitch, wanted[i].pose.pitch, 0.01);
        EXPECT_NEAR(records[i].pose.roll, wanted[i].pose.roll, 0.01);
        for (std::size_t l = 0; l < landmark_count; ++l) {
            ASSERT_NEAR(records[i].landmarks[l].x, wanted[i].landmarks[l].x, 1e-3) << l;
            ASSERT_NEAR(records[i].landmarks[l].y, wanted[i].landmarks[l].y, 1e-3) << l;
            ASSERT_NEAR(records[i].landmarks[l].z, wanted[i].landmarks[l].z, 1e-3) << l;
        }
        expect_near(records[i].found, wanted[i].found, 0);
        const auto scratch = std::make_unique<vision::quality_scratch>();
        measure_quality(vision::serial_block{}, seen(crops.data() + i * crops.size() / 2), *scratch,
                        &wanted[i].quality);
        EXPECT_FLOAT_EQ(records[i].quality.brightness, wanted[i].quality.brightness);
        EXPECT_FLOAT_EQ(records[i].quality.contrast, wanted[i].quality.contrast);
        EXPECT_FLOAT_EQ(records[i].quality.sharpness, wanted[i].quality.sharpness);
        EXPECT_GT(wanted[i].quality.sharpness, 10);
    }
    auto* next = upload(std::vector<vision::detection>{});
    work_->propagate(*stream_, results, 0.5f, vision::one_frame_table(next));
    const auto propagated = download(next);
    ASSERT_EQ(propagated.size(), 1u) << "the other was no face";
    vision::detection expected = wanted[0].found;
    expected.area = vision::next_region(expected.area, expected.seen);
    expect_near(propagated[0], expected, 0.01f);
    EXPECT_EQ(propagated[0].followed, 1);
}

TEST_P(kernels_conformance, measures_crops_of_halves_and_of_another_size_as_one_host_thread_does) {
    const std::vector found{face_at(300, 200, 150, 0.2f)};
    vision::face_table faces;
    faces.frames = 1;
    faces.of[0] = upload(found);
    const float* landmarks = upload(std::vector<float>(landmark_count * 3));
    const float* scores = upload(std::vector<float>{4});
    const vision::mesh_options options[] = {{.frame_width = 640, .frame_height = 480}};
    const std::size_t bytes = vision::pass_results::bytes(1, 1);
    for (const auto format : {vision::tensor_format::packed_half, vision::tensor_format::planar_float}) {
        for (const std::int32_t size : {192, 256}) {
            vision::tensor_target crop{nullptr, size, size, 1, 0, format};
            std::vector<std::byte> pixels(crop.bytes());
            crop.data = pixels.data();
            for (std::int32_t v = 0; v < size; ++v) {
                for (std::int32_t u = 0; u < size; ++u) {
                    const float l = 0.5f + 0.4f * std::sin(static_cast<float>(u * v) * 0.003f);
                    vision::scalar::store(crop, u, v, {l, 0.5f * l, 1 - l});
                }
            }
            vision::picture_quality wanted;
            const auto scratch = std::make_unique<vision::quality_scratch>();
            measure_quality(vision::serial_block{}, crop, *scratch, &wanted);
            EXPECT_GT(wanted.sharpness, 1);
            crop.data = upload(pixels);
            auto* memory = upload(std::vector<std::byte>(bytes));
            const vision::pass_results results{reinterpret_cast<vision::result_header*>(memory), 1};
            work_->finish(*stream_, {faces, 0, 1}, {landmarks, scores, nullptr, crop}, options, results);
            const auto down = download(static_cast<const std::byte*>(memory), bytes);
            const auto* header = reinterpret_cast<const vision::result_header*>(down.data());
            const auto& got = reinterpret_cast<const vision::face_record*>(header + 1)->quality;
            EXPECT_FLOAT_EQ(got.brightness, wanted.brightness) << size;
            EXPECT_FLOAT_EQ(got.contrast, wanted.contrast) << size;
            EXPECT_FLOAT_EQ(got.sharpness, wanted.sharpness) << size;
        }
    }
}

TEST_P(kernels_conformance, merges_detections_as_one_host_thread_does) {
    std::vector<std::vector<vision::detection>> found(2), followed(2);
    for (std::size_t f = 0; f < 2; ++f) {
        for (int i = 0; i < 6; ++i) {
            const auto x = static_cast<float>(100 * i + 10), y = static_cast<float>(50 * f + 40);
            found[f].push_back(face_at(x + static_cast<float>(i), y, 60, 0));
            if (i % 2 == 0) followed[f].push_back(face_at(x, y, 55, 0.1f));
        }
        followed[f].push_back(face_at(2000, 2000, 50, 0));
        for (auto& d : followed[f])
            d.followed = 2;
    }
    const vision::merge_options options{.min_score = 0.1f, .max_faces = 8};
    const bool begins[] = {false, true};
    vision::face_table news, faces;
    news.frames = faces.frames = 2;
    for (std::size_t f = 0; f < 2; ++f) {
        news.of[f] = upload(found[f]);
        faces.of[f] = upload(followed[f], 16);
    }
    work_->merge(*stream_, news, faces, begins, options);
    for (std::size_t f = 0; f < 2; ++f) {
        std::vector<std::byte> a(vision::detection_set::bytes(16)), b(vision::detection_set::bytes(16));
        const auto set = [](std::vector<std::byte>& memory, const std::vector<vision::detection>& of) {
            auto* s = new (memory.data()) vision::detection_set;
            s->count = static_cast<std::int32_t>(of.size());
            std::copy(of.begin(), of.end(), s->items());
            return s;
        };
        auto* wanted = set(b, followed[f]);
        vision::merge_options own = options;
        own.begins = begins[f];
        vision::merge_faces(vision::serial_block{}, own, set(a, found[f]), wanted);
        const auto got = download(faces.of[f], 16);
        ASSERT_EQ(got.size(), static_cast<std::size_t>(wanted->count)) << f;
        ASSERT_GT(got.size(), 5u);
        for (std::size_t i = 0; i < got.size(); ++i)
            expect_near(got[i], wanted->items()[i], 0);
    }
}

TEST_P(kernels_conformance, makes_no_transfer_and_no_host_sync_of_its_own) {
    const auto p = random_picture(pixel_format::nv12, 64, 48, 1);
    const image pictures[] = {upload(p)};
    const vision::letterbox fits[] = {vision::fit(64, 48, 64, 64)};
    float* input = upload(std::vector<float>(3 * 64 * 64));
    const auto up = on().book().transfers(direction::host_to_device).count, waits = syncs();
    work_->letterbox(*stream_, pictures, fits, vision::planes(input, 64, 64));
    EXPECT_EQ(on().book().transfers(direction::host_to_device).count, up);
    EXPECT_EQ(syncs(), waits);
    ASSERT_OK(finish(*stream_));
}

}  // namespace
}  // namespace faceflow::internal
