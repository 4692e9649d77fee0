// SPDX-License-Identifier: Apache-2.0
// Whole networks in bfloat16s on the CPU beside the same in single precision: the tolerances that docs/cpu.md states, on faces of a
// clip and on the goldens' crops, in every instruction set of the machine.
#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <numeric>

#include "flow/option_table.hpp"
#include "flow_testing.hpp"
#include "fused_testing.hpp"
#include "helpers/host_network.hpp"
#include "onnxruntime_testing.hpp"
#include "vision/detect.hpp"

namespace faceflow::internal {
namespace {

using inference::host_precision;
using test::host_network;
using test::missing;
using test::retinaface_subject;
using test::subject;

struct spread {
    double mean = 0, p99 = 0, most = 0;
};

spread spread_of(std::vector<double> errors) {
    if (errors.empty()) return {};
    std::sort(errors.begin(), errors.end());
    const auto count = static_cast<double>(errors.size());
    return {std::accumulate(errors.begin(), errors.end(), 0.0) / count, errors[errors.size() * 99 / 100],
            errors.back()};
}

// A network in both.
struct both {
    explicit both(const subject& s)
        : exact(test::plan_of(s), s.height, s.width, 1),
          rounded(test::plan_of(s), s.height, s.width, 1, host_network::maps::shared, host_precision::bf16) {}

    void run(std::vector<float> rgb) {
        for (float& v : rgb)
            v = v * exact.plan().input.scale + exact.plan().input.bias;
        for (host_network* n : {&exact, &rounded}) {
            n->set_input(0, rgb);
            n->run(0, 1);
        }
    }

    host_network exact, rounded;
};

// A detector's outputs at a stride.
struct level_numbers {
    level_numbers(const host_network& of, int stride, std::int32_t height, std::int32_t width)
        : scores(of.vector("face_rpn_cls_prob_reshape_stride" + std::to_string(stride), 0)),
          boxes(of.vector("face_rpn_bbox_pred_stride" + std::to_string(stride), 0)),
          keypoints(of.vector("face_rpn_landmark_pred_stride" + std::to_string(stride), 0)),
          level{scores.data(),
                boxes.data(),
                keypoints.data(),
                width / stride,
                height / stride,
                2,
                static_cast<float>(stride)} {}
    level_numbers(const level_numbers&) = delete;

    [[nodiscard]] std::int32_t cells() const { return 2 * level.columns * level.rows; }
    [[nodiscard]] float score(std::int32_t cell) const {
        return scores[static_cast<std::size_t>(cells()) + static_cast<std::size_t>(cell)];
    }

    std::vector<float> scores, boxes, keypoints;
    vision::detector_level level;
};

class cpu_bf16_networks : public testing::TestWithParam<std::int64_t> {
protected:
    void SetUp() override { hwy::SetSupportedTargetsForTest(GetParam()); }
    void TearDown() override { hwy::SetSupportedTargetsForTest(0); }

    // Some frames of the clip, far from each other.
    static std::vector<host_frame> frames() {
        constexpr int step = 75;
        std::vector<host_frame> some;
        auto source = media::open_source(test::quick_demo.string(), {});
        EXPECT_OK(source);
        for (int i = 0; source && some.size() < (test::sanitized ? 2 : 8); ++i) {
            auto next = (*source)->next();
            if (!next || !*next) break;
            if (i % step == 0) some.push_back((*next)->frame);
        }
        return some;
    }
    static std::string target(const both& of) {
        return std::string(of.rounded.network().kernels().target) +
               (of.rounded.network().kernels().has_bf16 ? " with AVX512_BF16" : ", pairs taken apart");
    }

    std::vector<double> scores_, boxes_, keypoints_;
    std::vector<vision::region> faces_;  // of a frame, in pixels of the detector's input

    // What anchors that see a face say of it; and where the faces are.
    void compare_anchors(const both& of, const subject& s) {
        faces_.clear();
        std::vector<vision::detection> found;
        for (const int stride : {32, 16, 8}) {
            const level_numbers exact(of.exact, stride, s.height, s.width), own(of.rounded, stride, s.height, s.width);
            for (std::int32_t cell = 0; cell < exact.cells(); ++cell) {
                if (!(std::max(exact.score(cell), own.score(cell)) >= options().min_score)) continue;
                scores_.push_back(std::abs(static_cast<double>(exact.score(cell)) - own.score(cell)));
                vision::detection a = vision::detail::decode_retinaface(exact.level, cell);
                const vision::detection b = vision::detail::decode_retinaface(own.level, cell);
                const rect &p = a.box, &q = b.box;
                boxes_.push_back(
                    std::max({std::abs(p.x - q.x), std::abs(p.y - q.y), std::abs(p.x + p.width - q.x - q.width),
                              std::abs(p.y + p.height - q.y - q.height)}));
                for (int k = 0; k < 5; ++k)
                    keypoints_.push_back(
                        std::hypot(a.keypoints[k].x - b.keypoints[k].x, a.keypoints[k].y - b.keypoints[k].y));
                a.score = exact.score(cell);
                found.push_back(a);
            }
        }
        std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.score > b.score; });
        std::vector<vision::detection> kept;
        for (const vision::detection& d : found) {
            const bool known = std::any_of(kept.begin(), kept.end(), [&](const vision::detection& k) {
                return vision::intersection_over_union(k.box, d.box) > 0.4f;
            });
            if (known) continue;
            kept.push_back(d);
            faces_.push_back(vision::region_of(d, 1.5f));
        }
    }
};

TEST_P(cpu_bf16_networks, keep_faces_and_landmarks_within_the_tolerances) {
    const subject s = retinaface_subject(384, 640), mesh = test::mesh_subject();
    if (missing(s) || missing(mesh) || !std::filesystem::exists(test::demo))
        GTEST_SKIP() << "models or the clip are absent: run tools/setup.sh";
    both detector(s), landmarks(mesh);
    std::vector<double> points, depths;
    const auto compare_mesh = [&](const std::vector<float>& rgb) {
        landmarks.run(rgb);
        const auto a = landmarks.exact.vector("landmarks", 0), b = landmarks.rounded.vector("landmarks", 0);
        ASSERT_EQ(a.size(), b.size());
        for (std::size_t i = 0; i + 2 < a.size(); i += 3) {
            points.push_back(std::hypot(a[i] - b[i], a[i + 1] - b[i + 1]));
            depths.push_back(std::abs(static_cast<double>(a[i + 2]) - b[i + 2]));
        }
    };
    for (const host_frame& f : frames()) {
        // As much of the frame as there is, from its top; the rest repeats its edge.
        const float scale = static_cast<float>(f.picture.width) / static_cast<float>(s.width);
        detector.run(test::sampled(f.picture, {scale, 0, 0, 0, scale, 0}, s.height, s.width));
        compare_anchors(detector, s);
        for (const vision::region& r : faces_) {
            const vision::region there{r.cx * scale, r.cy * scale, r.size * scale, r.angle};
            compare_mesh(test::sampled(f.picture, vision::frame_from_region(there, 192), 192, 192));
        }
    }
    const std::size_t faces = points.size() / 478;
    for (int i = 0; i < 3; ++i)
        compare_mesh(test::crop(i, 192, 192));
    ASSERT_GE(faces, test::sanitized ? 4u : 16u);
    const spread score = spread_of(scores_), box = spread_of(boxes_), keypoint = spread_of(keypoints_),
                 point = spread_of(points), depth = spread_of(depths);
    std::printf(
        "bf16, %s: %zu anchors on %zu faces: scores p99 %.1e, most %.1e; boxes mean %.3f px, most %.3f; keypoints most "
        "%.3f; landmarks mean %.3f px of 192, p99 %.3f, most %.3f; depth most %.3f\n",
        target(detector).c_str(), scores_.size(), faces, score.p99, score.most, box.mean, box.most, keypoint.most,
        point.mean, point.p99, point.most, depth.most);
    EXPECT_LE(score.p99, 7e-3);
    EXPECT_LE(score.most, 1.5e-2);
    EXPECT_LE(box.most, 0.2);
    EXPECT_LE(keypoint.most, 0.2);
    EXPECT_LE(point.mean, 0.05);
    EXPECT_LE(point.p99, 0.15);
    EXPECT_LE(point.most, 0.5);
    EXPECT_LE(depth.most, 0.3);
    EXPECT_GT(box.most, 0) << "the detector was not rounded at all";
    EXPECT_GT(point.most, 0) << "the mesh was not rounded at all";
}

TEST_P(cpu_bf16_networks, keep_the_faces_of_blazeface_within_the_tolerances) {
    const subject s = test::blazeface_subject();
    if (!std::filesystem::exists(test::demo)) GTEST_SKIP() << "assets/demo.mp4 is missing; tools/setup.sh makes it";
    both detector(s);
    std::vector<double> scores, boxes;
    for (const host_frame& f : frames()) {
        // Of each frame its left and its right square.
        const float pixel = static_cast<float>(f.picture.height) / 192;
        for (const float left : {0.0f, static_cast<float>(f.picture.width - f.picture.height)}) {
            detector.run(test::sampled(f.picture, {pixel, 0, left, 0, pixel, 0}, 192, 192));
            const auto exact = detector.exact.vector("scores", 0), own = detector.rounded.vector("scores", 0);
            const auto wanted = detector.exact.vector("boxes", 0), got = detector.rounded.vector("boxes", 0);
            ASSERT_EQ(own.size() * 16, got.size());
            for (std::size_t i = 0; i < own.size(); ++i) {
                const float a = vision::detail::logistic(exact[i]), b = vision::detail::logistic(own[i]);
                if (!(std::max(a, b) >= options().min_score)) continue;
                scores.push_back(std::abs(static_cast<double>(a) - b));
                for (std::size_t k = 16 * i; k < 16 * (i + 1); ++k)
                    boxes.push_back(std::abs(static_cast<double>(wanted[k]) - got[k]));
            }
        }
    }
    ASSERT_GE(scores.size(), 8u);
    const spread score = spread_of(scores), box = spread_of(boxes);
    std::printf("bf16, %s: %zu anchors: scores most %.1e; boxes and keypoints most %.3f px of 192\n",
                target(detector).c_str(), scores.size(), score.most, box.most);
    EXPECT_LE(score.most, 1.5e-2);
    EXPECT_LE(box.most, 0.2);
    EXPECT_GT(box.most, 0) << "the detector was not rounded at all";
}

TEST_P(cpu_bf16_networks, give_the_same_bytes_in_any_batch_and_order) {
    for (const subject& s :
         {test::mesh_subject(), test::blazeface_subject(), retinaface_subject(), retinaface_subject(352, 608)}) {
        if (missing(s)) continue;
        SCOPED_TRACE(s.name);
        const auto make = [&](std::int32_t most, host_network::maps how) {
            return host_network(test::plan_of(s), s.height, s.width, most, how, host_precision::bf16);
        };
        host_network three = make(3, host_network::maps::shared), one = make(1, host_network::maps::shared),
                     whole = make(1, host_network::maps::kept);
        for (int i = 0; i < 3; ++i)
            three.set_input(i, test::crop(i, s.height, s.width));
        three.run(0, 3);
        for (int i = 0; i < 3; ++i) {
            one.set_input(0, test::crop(i, s.height, s.width));
            one.run_backwards(0);
            whole.set_input(0, test::crop(i, s.height, s.width));
            whole.run(0, 1);
            for (int v = 0; v < static_cast<int>(one.plan().vectors.size()); ++v) {
                EXPECT_EQ(one.vector(v, 0), three.vector(v, i)) << "picture " << i << ", vector " << v;
                EXPECT_EQ(one.vector(v, 0), whole.vector(v, 0)) << "picture " << i << ", vector " << v;
            }
        }
    }
}

INSTANTIATE_TEST_SUITE_P(kernels, cpu_bf16_networks, testing::ValuesIn(test::instruction_sets()),
                         [](const auto& i) { return std::string(hwy::TargetName(i.param)); });

// Flows in bf16, on whatever CPU this is; what stage processes inherit says so.
class cpu_bf16_flow : public test::flow_test {
protected:
    void SetUp() override {
        flow_test::SetUp();
        setenv("FACEFLOW_BF16", "any", 1);
        chosen.device = "cpu";
    }
    void TearDown() override { unsetenv("FACEFLOW_BF16"); }

    test::measured run_in(const std::string& precision, const std::string& flow) {
        chosen.precision = flow::value_of<&options::precision>(precision).value();
        chosen.flow = flow::value_of<&options::flow>(flow).value();
        return run();
    }
};

TEST_F(cpu_bf16_flow, finds_the_faces_of_single_precision) {
    const auto own = run_in("bf16", "fused"), reference = run_in("auto", "fused");
    ASSERT_EQ(own.faces.size(), frames.size());
    EXPECT_EQ(own.inference, inference_backend::native);
    const test::mesh_distance off = test::mesh_distance_between(own.faces, reference.faces);
    std::printf("bf16 in a run: landmarks off by %.3f px of 192 in the mean, %.3f at most\n", off.mean, off.most);
    EXPECT_GT(off.most, 0);
    EXPECT_LE(off.mean, 0.1);
    EXPECT_LE(off.most, 1);
}

TEST_F(cpu_bf16_flow, computes_the_same_numbers_in_every_flow_and_with_any_number_of_threads) {
    const auto wanted = run_in("bf16", "fused");
    ASSERT_EQ(wanted.faces.size(), frames.size());
    for (const char* flow : {"threaded", "shared", "cached"})
        EXPECT_TRUE(test::same(run_in("bf16", flow).faces, wanted.faces)) << flow;
    chosen.threads = 1;
    EXPECT_TRUE(test::same(run_in("bf16", "fused").faces, wanted.faces));
}

TEST_F(cpu_bf16_flow, is_refused_where_the_cpu_has_no_instructions_for_it) {
    unsetenv("FACEFLOW_BF16");
    chosen.precision = precision::bf16;
    hwy::SetSupportedTargetsForTest(test::instruction_sets().back());
    const auto made = face_engine::create({chosen, [](const host_frame&, const result<frame_faces>&) {}});
    hwy::SetSupportedTargetsForTest(0);
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().code, errc::unsupported);
    EXPECT_NE(made.error().message.find("AVX512_BF16"), std::string::npos) << made.error().message;
    EXPECT_NE(made.error().message.find("fp32"), std::string::npos) << made.error().message;
}

TEST_F(cpu_bf16_flow, is_refused_by_onnx_runtime_instead_of_replaced) {
    const test::temporary_folder models;
    for (const char* file : {"catalogue.toml", "face_landmark_with_attention.onnx", "face_detection_full_range.onnx"})
        std::filesystem::create_symlink(test::checkout() / "models" / file, models / file);
    chosen.detector = detector::blazeface;
    chosen.models = models.path();
    chosen.precision = precision::bf16;
    const auto without_plans = face_engine::create({chosen, [](const host_frame&, const result<frame_faces>&) {}});
    ASSERT_FALSE(without_plans);
    EXPECT_EQ(without_plans.error().code, errc::unsupported) << without_plans.error().message;
    SKIP_WITHOUT_ONNXRUNTIME();
    chosen.models.clear();
    chosen.inference = inference_backend::onnxruntime;
    const auto refused = face_engine::create({chosen, [](const host_frame&, const result<frame_faces>&) {}});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, errc::invalid_argument) << refused.error().message;
}

}  // namespace
}  // namespace faceflow::internal
