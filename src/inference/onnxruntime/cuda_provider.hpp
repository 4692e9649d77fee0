// SPDX-License-Identifier: Apache-2.0
// ONNX Runtime's CUDA provider: whether it is available, and how to put a session on a stream with it. Private to
// src/inference.
#pragma once

#include <onnxruntime_cxx_api.h>

#include "device/device.hpp"
#include "faceflow/result.hpp"

namespace faceflow::internal::inference {

inline constexpr const char* cuda_provider_name = "CUDAExecutionProvider";

// Loads the provider's libraries; needs an environment. errc::unavailable: which library is missing, and what to do.
[[nodiscard]] result<void> load_cuda_provider();

// Lets the session run on the device of `home`, a stream of a CUDA device, and add its work to that stream. With
// `tf32`, products have a 10-bit mantissa. Throws what ONNX Runtime throws.
[[nodiscard]] result<void> append_cuda_provider(Ort::SessionOptions& options, const stream& home, bool tf32);

// Describes addresses of CUDA device `index`.
[[nodiscard]] Ort::MemoryInfo cuda_memory(int index);

}  // namespace faceflow::internal::inference
