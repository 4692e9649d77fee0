// SPDX-License-Identifier: Apache-2.0
// ONNX Runtime's CUDA provider: whether it can be had, and how a session is put on a stream with it. For src/inference
// alone.
#pragma once

#include <onnxruntime_cxx_api.h>

#include "device/device.hpp"
#include "faceflow/result.hpp"

namespace faceflow::inference {

inline constexpr const char* cuda_provider_name = "CUDAExecutionProvider";

// Loads the provider's libraries; needs an environment. errc::unavailable: which one is missing, and what to do.
[[nodiscard]] result<void> load_cuda_provider();

// Lets the session run on the device of `home`, a stream of a CUDA device, and add its work to that stream. With `tf32`
// products have 10 bits behind the point. Throws what ONNX Runtime throws.
[[nodiscard]] result<void> append_cuda_provider(Ort::SessionOptions& options, const stream& home, bool tf32);

// Addresses of CUDA device `index`.
[[nodiscard]] Ort::MemoryInfo cuda_memory(int index);

}  // namespace faceflow::inference
