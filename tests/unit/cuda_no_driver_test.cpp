// SPDX-License-Identifier: Apache-2.0
// What is said where CUDA cannot be used, and that the rest goes on: most machines that build faceflow are such.
#include <gmock/gmock.h>

#include "backends/open_devices.hpp"
#include "support.hpp"
#ifdef FACEFLOW_CUDA
#include "device/cuda/cuda_device.hpp"
#include "device/cuda/cuda_probe.hpp"
#endif

namespace faceflow::internal {
namespace {

using testing::AllOf;
using testing::HasSubstr;

using test::mib;

TEST(cuda_names, that_are_invalid_are_refused_before_the_driver_is_called) {
    for (const char* name : {"cuda:", "cuda:x", "cuda:-1", "cuda:0,", "cuda:,0", "cuda:0;1", "cuda:0,0", "cuda:1 ",
                             "cuda:99999999999", "cuda:all,0", "cuda:0,all", "cuda:ALL"}) {
        const auto opened = open_devices({name, mib, "none"});
        ASSERT_FALSE(opened) << name;
        EXPECT_EQ(opened.error().code, errc::invalid_argument) << name;
        EXPECT_THAT(opened.error().message, HasSubstr("cuda:I,J,...")) << name;
    }
}

TEST(cuda_names, auto_is_the_cpu) {
    const auto opened = open_devices({"auto", mib, "none"});
    ASSERT_OK(opened);
    ASSERT_EQ(opened->size(), 1u);
    EXPECT_EQ(opened->front()->kind(), device_kind::cpu);
}

TEST(cuda_without_a_driver, is_unavailable_and_says_why_and_what_to_do) {
    for (const char* name : {"cuda", "cuda:0", "cuda:1,0", "cuda:all"}) {
        const auto opened = open_devices({name, mib, "none"});
        if (opened) GTEST_SKIP() << "there is a CUDA device: " << opened->front()->description();
        EXPECT_EQ(opened.error().code, errc::unavailable);
        EXPECT_THAT(opened.error().message, AllOf(HasSubstr("no CUDA device"), HasSubstr(";")))
            << "what is missing; what to do";
    }
}

#ifdef FACEFLOW_CUDA

TEST(cuda_without_a_driver, making_a_device_anyway_is_an_error_value) {
    if (const auto count = device_count(ask_cuda())) GTEST_SKIP() << "there are CUDA devices: " << *count;
    const auto made = make_cuda_device(0, mib);
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().code, errc::unavailable);
    EXPECT_THAT(made.error().message,
                AllOf(HasSubstr("cudaGetDeviceProperties failed: cudaError"), HasSubstr("driver")));
}

// The codes are those of the CUDA runtime, which never change their meaning.
constexpr int success = 0, insufficient_driver = 35, no_device = 100, system_not_ready = 802, unknown = 999;

TEST(cuda_answers, count_the_devices) {
    const auto count = device_count({success, 2, 13000, 13000, {}});
    ASSERT_OK(count);
    EXPECT_EQ(*count, 2);
}

TEST(cuda_answers, each_get_a_sentence_of_their_own) {
    const struct {
        cuda_answer answer;
        const char* says;
    } absent[] = {
        {{insufficient_driver, 0, 0, 13000, {}}, "has no NVIDIA driver (libcuda.so.1)"},
        {{insufficient_driver, 0, 12040, 13000, {}}, "serves CUDA up to 12.4, and this program is built for 13.0"},
        {{no_device, 0, 13000, 13000, ""}, "CUDA_VISIBLE_DEVICES is ''"},
        {{no_device, 0, 13000, 13000, "7"}, "CUDA_VISIBLE_DEVICES is '7'"},
        {{no_device, 0, 13000, 13000, {}}, "there is an NVIDIA driver, but no CUDA device"},
        {{success, 0, 13000, 13000, {}}, "there is an NVIDIA driver, but no CUDA device"},
        {{system_not_ready, 0, 13000, 13000, {}}, "fabricmanager"},
        {{unknown, 0, 13000, 13000, {}}, "cudaGetDeviceCount failed: cudaErrorUnknown"},
    };
    for (const auto& a : absent) {
        const auto count = device_count(a.answer);
        ASSERT_FALSE(count) << a.says;
        EXPECT_EQ(count.error().code, errc::unavailable) << count.error().message;
        EXPECT_THAT(count.error().message, HasSubstr(a.says));
    }
}

#endif

}  // namespace
}  // namespace faceflow::internal
