// SPDX-License-Identifier: Apache-2.0
// For make_runtime.cpp: ONNX Runtime, if the build includes it.
#pragma once

#include "inference/session.hpp"

namespace faceflow::internal::inference {

// runtime::create.
[[nodiscard]] result<std::shared_ptr<runtime>> start_onnxruntime(const runtime_options& options);
// find_runtime.
[[nodiscard]] result<found_runtime> find_onnxruntime();

}  // namespace faceflow::internal::inference
