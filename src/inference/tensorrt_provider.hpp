// ONNX Runtime's TensorRT provider: whether it can be had, and how a session is put on a stream with it. For src/inference alone.
#pragma once

#include <onnxruntime_cxx_api.h>

#include <string>
#include <unordered_map>

#include "device/device.hpp"
#include "faceflow/result.hpp"
#include "inference/session.hpp"

namespace faceflow::inference {

inline constexpr const char* tensorrt_provider_name = "TensorrtExecutionProvider";

// The provider's options for a plan on CUDA device `index`, but for the stream.
[[nodiscard]] std::unordered_map<std::string, std::string> tensorrt_options(const tensorrt_plan& plan, int index);

// As append_cuda_provider, which comes behind it for the nodes that TensorRT does not take. Makes the plan's folder.
[[nodiscard]] result<void> append_tensorrt_provider(Ort::SessionOptions& options, const stream& home,
                                                    const tensorrt_plan& plan);

}  // namespace faceflow::inference
