// SPDX-License-Identifier: Apache-2.0
// ONNX Runtime's TensorRT provider: whether it is available, and how to put a session on a stream with it. Private to
// src/inference.
#pragma once

#include <onnxruntime_cxx_api.h>

#include <filesystem>
#include <string>
#include <unordered_map>

#include "device/device.hpp"
#include "faceflow/result.hpp"
#include "inference/session.hpp"

namespace faceflow::internal::inference {

inline constexpr const char* tensorrt_provider_name = "TensorrtExecutionProvider";

// The version of TensorRT on this machine, as "10.13.3". errc::unavailable: what is missing, and what to do.
[[nodiscard]] result<std::string> tensorrt_version();
// Loads the provider's libraries; needs an environment. Errors of tensorrt_version.
[[nodiscard]] result<void> load_tensorrt_provider();

// The facts that TensorRT engines depend on: engines of one key serve no other.
struct engine_key {
    std::string architecture;  // of the device
    std::string tensorrt;      // its version
    std::string model_sha256;
    std::string profile;  // the batch sizes that they are built for, such as "1-4-32"
    bool half = false;
};
// Their folder in `base`: one folder per card, version and precision, with one in it per model and profile.
[[nodiscard]] std::filesystem::path engine_folder(const std::filesystem::path& base, const engine_key& key);

// The provider's options for a plan on CUDA device `index`, except the stream.
[[nodiscard]] std::unordered_map<std::string, std::string> tensorrt_options(const tensorrt_plan& plan, int index);

// Like append_cuda_provider, which must be called afterwards for the nodes that TensorRT does not support. Creates the
// plan's folder.
[[nodiscard]] result<void> append_tensorrt_provider(Ort::SessionOptions& options, const stream& home,
                                                    const tensorrt_plan& plan);

}  // namespace faceflow::internal::inference
