// SPDX-License-Identifier: Apache-2.0
// TensorRT's engines where they cannot be built: what is said, before anyone waits for them.
#include "analysis/engine_gate.hpp"

#include <gmock/gmock.h>

namespace faceflow::internal::analysis {
namespace {

using testing::HasSubstr;

TEST(engine_gate, refuses_fp16_without_a_clip) {
    gate_request wanted;
    wanted.chosen.device = "cuda";
    wanted.chosen.precision = precision::fp16;
    const std::atomic<bool> stop{false};
    const auto built = build_engines(wanted, stop, [](const std::string&) {});
    ASSERT_FALSE(built);
    EXPECT_EQ(built.error().code, errc::invalid_argument);
    EXPECT_THAT(built.error().message, HasSubstr("--check"));
}

TEST(engine_gate, is_for_cuda_devices) {
    gate_request wanted;
    wanted.chosen.device = "cpu";
    wanted.chosen.detector = detector::blazeface;
    const std::atomic<bool> stop{false};
    const auto built = build_engines(wanted, stop, [](const std::string&) {});
    ASSERT_FALSE(built);
    EXPECT_EQ(built.error().code, errc::unavailable);
    EXPECT_THAT(built.error().message, HasSubstr("for CUDA devices, and this run is on cpu"));
}

}  // namespace
}  // namespace faceflow::internal::analysis
