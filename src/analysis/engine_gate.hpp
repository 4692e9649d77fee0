// SPDX-License-Identifier: Apache-2.0
// Builds TensorRT engines ahead of time, and compares them with ONNX Runtime's own kernels.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "faceflow/options.hpp"
#include "faceflow/result.hpp"

namespace faceflow::internal::analysis {

struct gate_request {
    options chosen;            // the device, flow, batches and precision of the engines
    std::string input;         // a clip with faces; empty: engines are built but not checked, which fp16 does not allow
    std::uint64_t limit = 60;  // limit of its frames
    double tolerance_px = 1;   // between landmarks, in pixels of the frame
};

struct gate_report {
    std::vector<std::filesystem::path> folders;
    std::uint64_t frames = 0;  // compared; 0: not checked
    double largest_px = 0;
};

// Builds the engines of every batch size that a live run of `chosen` would use, which takes minutes, and runs the
// clip's frames through them and through ONNX Runtime's kernels in fp32. Engines that find other faces, or landmarks
// beyond the tolerance, are removed: errc::internal, with the difference. errc::unavailable without a CUDA device or
// TensorRT; errc::invalid_argument for fp16 without a clip. Blocks.
[[nodiscard]] result<gate_report> build_engines(const gate_request& wanted, const std::atomic<bool>& stop,
                                                const std::function<void(const std::string&)>& note);

}  // namespace faceflow::internal::analysis
