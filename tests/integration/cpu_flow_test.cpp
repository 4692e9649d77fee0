// SPDX-License-Identifier: Apache-2.0
// The models on the CPU's own kernels, in flows: what ONNX Runtime finds, and the same numbers wherever they are computed.
#include <gmock/gmock.h>

#include "flow/option_table.hpp"
#include "flow_testing.hpp"
#include "onnxruntime_testing.hpp"

namespace faceflow::internal {
namespace {

using test::farthest;
using test::same;
using testing::AllOf;
using testing::HasSubstr;

class cpu_native_flow : public test::flow_test {
protected:
    test::measured run_on(const std::string& device, const std::string& flow, const std::string& inference) {
        chosen.device = device;
        chosen.flow = flow::value_of<&options::flow>(flow).value();
        chosen.inference = flow::value_of<&options::inference>(inference).value();
        return run();
    }
};

TEST_F(cpu_native_flow, finds_what_onnx_runtime_finds) {
    SKIP_WITHOUT_ONNXRUNTIME();
    const auto own = run_on("cpu", "fused", "native"), reference = run_on("cpu", "fused", "onnxruntime");
    EXPECT_EQ(own.inference, inference_backend::native);
    EXPECT_EQ(reference.inference, inference_backend::onnxruntime);
    ASSERT_EQ(own.faces.size(), frames.size());
    EXPECT_LE(farthest(own.faces, reference.faces), 0.01f);
    EXPECT_TRUE(own.errors.empty());
}

TEST_F(cpu_native_flow, is_the_same_with_blazeface) {
    SKIP_WITHOUT_ONNXRUNTIME();
    chosen.detector = detector::blazeface;
    const auto own = run_on("cpu", "fused", "native"), reference = run_on("cpu", "fused", "onnxruntime");
    EXPECT_LE(farthest(own.faces, reference.faces), 0.01f);
}

// On a device with memory of its own, and in processes of their own, it is the same kernels on the same pixels.
TEST_F(cpu_native_flow, computes_the_same_numbers_in_every_flow_and_on_emulated_devices) {
    const auto wanted = run_on("cpu", "fused", "native");
    ASSERT_EQ(wanted.faces.size(), frames.size());
    for (const auto& [device, flow] : std::vector<std::pair<std::string, std::string>>{{"cpu", "threaded"},
                                                                                       {"cpu", "shared"},
                                                                                       {"cpu", "cached"},
                                                                                       {"emulated", "fused"},
                                                                                       {"emulated", "shared"}}) {
        SCOPED_TRACE(device + ", " + flow);
        const auto other = run_on(device, flow, "native");
        EXPECT_TRUE(same(other.faces, wanted.faces));
        EXPECT_TRUE(other.errors.empty());
    }
}

TEST_F(cpu_native_flow, computes_the_same_numbers_with_any_number_of_threads) {
    const auto two = run_on("cpu", "fused", "native");
    chosen.threads = 1;
    EXPECT_TRUE(same(run_on("cpu", "fused", "native").faces, two.faces));
}

// Frames of one source that the detector looks at as one batch are followed one after the other all the same.
TEST_F(cpu_native_flow, computes_the_same_numbers_however_many_frames_of_a_source_are_detected_in_together) {
    chosen.tuning.lanes = 1;
    chosen.tuning.batch_frames = 1;
    for (const std::uint32_t sources : {1u, 3u}) {
        chosen.device = "cpu";
        const auto one_by_one = run(sources);
        ASSERT_EQ(one_by_one.faces.size(), sources * frames.size());
        for (const int together : {2, 5, 16}) {
            SCOPED_TRACE(std::to_string(together) + " frames of " + std::to_string(sources) + " sources");
            chosen.tuning.batch_frames = together;
            EXPECT_TRUE(same(run(sources).faces, one_by_one.faces));
        }
        chosen.device = "emulated";
        const auto crossing = run(sources);
        EXPECT_TRUE(same(crossing.faces, one_by_one.faces));
        EXPECT_EQ(crossing.up.count, sources * frames.size()) << "a frame crosses once";
        chosen.tuning.batch_frames = 1;
    }
}

// A folder with the models, but not their plans.
class models_without_plans : public testing::Test {
protected:
    models_without_plans() {
        for (const char* file :
             {"catalogue.toml", "face_landmark_with_attention.onnx", "face_detection_full_range.onnx"})
            std::filesystem::create_symlink(test::checkout() / "models" / file, folder_ / file);
    }
    result<std::unique_ptr<face_engine>> run_by(const std::string& inference) const {
        options chosen;
        chosen.device = "cpu";
        chosen.detector = detector::blazeface;
        chosen.models = folder_.path();
        chosen.inference = flow::value_of<&options::inference>(inference).value();
        return face_engine::create({chosen, [](const host_frame&, const result<frame_faces>&) {}});
    }
    const test::temporary_folder folder_;
};

TEST_F(models_without_plans, run_on_onnx_runtime) {
    SKIP_WITHOUT_ONNXRUNTIME();
    const auto made = run_by("auto");
    ASSERT_OK(made);
    EXPECT_EQ((*made)->chosen().inference, inference_backend::onnxruntime);
    ASSERT_EQ((*made)->notes().size(), 1u);
    EXPECT_THAT((*made)->notes().front(), HasSubstr("there is no plan"));
}

TEST_F(models_without_plans, cannot_run_where_there_is_no_onnx_runtime_and_it_is_said_how_to_make_plans) {
    if (test::without_onnxruntime().empty()) GTEST_SKIP() << "this build has ONNX Runtime";
    const auto made = run_by("auto");
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().code, errc::unsupported);
    EXPECT_THAT(made.error().message, AllOf(HasSubstr("there is no plan"), HasSubstr("tools/make_plan.py"),
                                            HasSubstr("this build has no ONNX Runtime")));
}

TEST_F(models_without_plans, cannot_run_on_kernels_of_our_own) {
    const auto refused = run_by("native");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, errc::unsupported);
}

TEST(runners_of_models, that_are_not_for_the_cpu_are_refused_and_those_that_are_are_named) {
    for (const char* inference : {"cuda", "tensorrt"}) {
        options chosen;
        chosen.device = "cpu";
        chosen.inference = flow::value_of<&options::inference>(inference).value();
        const auto opened = runtime_context::open(chosen);
        ASSERT_FALSE(opened) << inference;
        if (!test::without_onnxruntime().empty()) continue;  // that is said first
        EXPECT_EQ(opened.error().code, errc::invalid_argument);
        EXPECT_THAT(opened.error().message, AllOf(HasSubstr(inference), HasSubstr("native"), HasSubstr("onnxruntime")));
    }
}

TEST(runners_of_models, of_onnx_runtime_are_refused_before_a_device_is_opened_where_there_is_none) {
    if (test::without_onnxruntime().empty()) GTEST_SKIP() << "this build has ONNX Runtime";
    for (const char* inference : {"onnxruntime", "cuda", "tensorrt"}) {
        options chosen;
        chosen.device = "no such device";
        chosen.inference = flow::value_of<&options::inference>(inference).value();
        const auto opened = runtime_context::open(chosen);
        ASSERT_FALSE(opened) << inference;
        EXPECT_EQ(opened.error().code, errc::unavailable);
        EXPECT_THAT(opened.error().message, AllOf(HasSubstr(inference), HasSubstr("this build has no ONNX Runtime"),
                                                  HasSubstr("ONNXRUNTIME=1"), HasSubstr("--inference native")));
    }
}

TEST_F(cpu_native_flow, refuses_a_precision_that_is_for_cuda) {
    chosen.device = "cpu";
    chosen.inference = inference_backend::native;
    chosen.precision = precision::fp16;
    const auto refused = face_engine::create({chosen, [](const host_frame&, result<frame_faces>) {}});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, errc::invalid_argument);
    EXPECT_NE(refused.error().message.find("fp32"), std::string::npos) << refused.error().message;
}

}  // namespace
}  // namespace faceflow::internal
