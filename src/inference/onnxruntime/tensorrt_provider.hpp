// SPDX-License-Identifier: Apache-2.0
// ONNX Runtime's TensorRT provider: whether it can be had, and how a session is put on a stream with it. For
// src/inference alone.
#pragma once

#include <onnxruntime_cxx_api.h>

#include <filesystem>
#include <string>
#include <unordered_map>

#include "device/device.hpp"
#include "faceflow/result.hpp"
#include "inference/session.hpp"

namespace faceflow::inference {

inline constexpr const char* tensorrt_provider_name = "TensorrtExecutionProvider";

// The TensorRT that this machine has, as "10.13.3". errc::unavailable: what is missing, and what to do.
[[nodiscard]] result<std::string> tensorrt_version();
// Loads the provider's libraries; needs an environment. As tensorrt_version.
[[nodiscard]] result<void> load_tensorrt_provider();

// What TensorRT's engines depend on: those of one key serve no other.
struct engine_key {
    std::string architecture;  // of the device
    std::string tensorrt;      // its version
    std::string model_sha256;
    std::string profile;  // the sizes of batches that they are made for, such as "1-4-32"
    bool half = false;
};
// Where they lie beneath `base`: a folder for card, version and precision, and in it one for each model and profile.
[[nodiscard]] std::filesystem::path engine_folder(const std::filesystem::path& base, const engine_key& key);

// The provider's options for a plan on CUDA device `index`, but for the stream.
[[nodiscard]] std::unordered_map<std::string, std::string> tensorrt_options(const tensorrt_plan& plan, int index);

// As append_cuda_provider, which comes behind it for the nodes that TensorRT does not take. Makes the plan's folder.
[[nodiscard]] result<void> append_tensorrt_provider(Ort::SessionOptions& options, const stream& home,
                                                    const tensorrt_plan& plan);

}  // namespace faceflow::inference
