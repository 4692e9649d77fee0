// SPDX-License-Identifier: Apache-2.0
// TensorRT where it is not: what is said, and what does not depend on it.
#include "inference/onnxruntime/tensorrt_provider.hpp"

#include <gmock/gmock.h>

#include <set>

#include "inference/session.hpp"
#include "support.hpp"

namespace faceflow::internal::inference {
namespace {

using testing::AllOf;
using testing::HasSubstr;

TEST(tensorrt, that_is_missing_is_unavailable_and_says_what_to_do) {
    const auto version = tensorrt_version();
    if (version) GTEST_SKIP() << "there is TensorRT " << *version;
    EXPECT_EQ(version.error().code, errc::unavailable);
    EXPECT_THAT(version.error().message, AllOf(HasSubstr("libnvinfer"), HasSubstr("install TensorRT")));
    auto runtime = runtime::create({1});
    ASSERT_OK(runtime);
    const auto usable = (*runtime)->check_tensorrt();
    ASSERT_FALSE(usable);
    EXPECT_EQ(usable.error().code, errc::unavailable);
}

TEST(engine_folders, are_each_keys_own) {
    const engine_key usual{"sm_90", "10.13.3", std::string(64, 'a'), "1-4-32", false};
    std::set<std::filesystem::path> folders{engine_folder("/cache", usual)};
    engine_key other = usual;
    other.architecture = "sm_89";
    folders.insert(engine_folder("/cache", other));
    other = usual;
    other.tensorrt = "10.14.0";
    folders.insert(engine_folder("/cache", other));
    other = usual;
    other.model_sha256[0] = 'b';
    folders.insert(engine_folder("/cache", other));
    other = usual;
    other.profile = "1-4-8";
    folders.insert(engine_folder("/cache", other));
    other = usual;
    other.half = true;
    folders.insert(engine_folder("/cache", other));
    EXPECT_EQ(folders.size(), 6u);
    EXPECT_EQ(engine_folder("/cache", usual), "/cache/sm_90-tensorrt10.13.3-fp32/aaaaaaaaaaaaaaaa-1-4-32");
}

TEST(tensorrt_plans, give_the_providers_options_by_its_own_names) {
    const tensorrt_plan plan{"/cache/x", true, "data", {1, 3, 384, 640}, {4, 3, 384, 640}, {16, 3, 384, 640}};
    const auto options = tensorrt_options(plan, 2);
    EXPECT_EQ(options.at("device_id"), "2");
    EXPECT_EQ(options.at("trt_fp16_enable"), "1");
    EXPECT_EQ(options.at("trt_engine_cache_path"), "/cache/x");
    EXPECT_EQ(options.at("trt_profile_min_shapes"), "data:1x3x384x640");
    EXPECT_EQ(options.at("trt_profile_opt_shapes"), "data:4x3x384x640");
    EXPECT_EQ(options.at("trt_profile_max_shapes"), "data:16x3x384x640");
}

}  // namespace
}  // namespace faceflow::internal::inference
