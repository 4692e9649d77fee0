// SPDX-License-Identifier: Apache-2.0
// For tests that look at ONNX Runtime beside faceflow's own kernels.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "inference/session.hpp"

namespace faceflow::internal::test {

// Why there is nothing to look at; empty in a build with ONNX Runtime, be its library found or not.
inline std::string without_onnxruntime() {
    const auto found = inference::find_runtime();
    if (found || found.error().message.find("this build has no ONNX Runtime") == std::string::npos) return {};
    return found.error().message;
}

#define SKIP_WITHOUT_ONNXRUNTIME() \
    if (const std::string why = test::without_onnxruntime(); !why.empty()) GTEST_SKIP() << why

}  // namespace faceflow::internal::test
