// The models on the CPU's own kernels, in flows: what ONNX Runtime finds, and the same numbers wherever they are computed.
#include <gtest/gtest.h>

#include "flow_testing.hpp"

namespace faceflow {
namespace {

using test::farthest;
using test::same;

class cpu_native_flow : public test::flow_test {
protected:
    test::measured run_on(const std::string& device, const std::string& flow, const std::string& inference) {
        chosen.device = device;
        chosen.flow = flow;
        chosen.inference = inference;
        return run();
    }
};

TEST_F(cpu_native_flow, finds_what_onnx_runtime_finds) {
    const auto own = run_on("cpu", "fused", "native"), reference = run_on("cpu", "fused", "onnxruntime");
    EXPECT_EQ(own.inference, "native");
    EXPECT_EQ(reference.inference, "onnxruntime");
    ASSERT_EQ(own.faces.size(), frames.size());
    EXPECT_LE(farthest(own.faces, reference.faces), 0.01f);
    EXPECT_TRUE(own.errors.empty());
}

TEST_F(cpu_native_flow, is_the_same_with_blazeface) {
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

TEST_F(cpu_native_flow, without_a_plan_models_run_on_onnx_runtime) {
    const test::temporary_folder models;
    for (const char* file : {"catalogue.toml", "face_landmark_with_attention.onnx", "face_detection_full_range.onnx"})
        std::filesystem::create_symlink(test::checkout() / "models" / file, models / file);
    chosen.device = "cpu";
    chosen.detector = detector::blazeface;
    chosen.models = models.path();
    const auto made = face_engine::create({chosen, [](const host_frame&, const result<frame_faces>&) {}});
    ASSERT_OK(made);
    EXPECT_EQ((*made)->chosen().inference, "onnxruntime");
    ASSERT_EQ((*made)->notes().size(), 1u);
    EXPECT_NE((*made)->notes().front().find("there is no plan"), std::string::npos) << (*made)->notes().front();
    chosen.inference = "native";
    const auto refused = face_engine::create({chosen, [](const host_frame&, const result<frame_faces>&) {}});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, errc::unsupported);
}

TEST_F(cpu_native_flow, refuses_a_precision_that_is_for_cuda) {
    chosen.device = "cpu";
    chosen.inference = "native";
    chosen.precision = "fp16";
    const auto refused = face_engine::create({chosen, [](const host_frame&, result<frame_faces>) {}});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, errc::invalid_argument);
    EXPECT_NE(refused.error().message.find("fp32"), std::string::npos) << refused.error().message;
}

}  // namespace
}  // namespace faceflow
