// SPDX-License-Identifier: Apache-2.0
// The words for option values: of enums in their order, and of text options with fixed choices.
#pragma once

#include <array>
#include <string_view>

namespace faceflow::internal::option_names {

inline constexpr std::array<std::string_view, 5> flow{"fused", "threaded", "shared", "cached", "copied"};
inline constexpr std::array<std::string_view, 5> inference{"auto", "native", "onnxruntime", "cuda", "tensorrt"};
inline constexpr std::array<std::string_view, 5> precision{"auto", "fp32", "tf32", "fp16", "bf16"};
inline constexpr std::array<std::string_view, 3> detect{"auto", "always", "independent"};
inline constexpr std::array<std::string_view, 2> landmarks{"attention", "v2"};
inline constexpr std::array<std::string_view, 2> pose_convention{"faceflow", "openface"};
inline constexpr std::array<std::string_view, 3> detector{"retinaface", "blazeface", "blazeface-short"};
inline constexpr std::array<std::string_view, 2> pacing{"recorded", "live"};
inline constexpr std::array<std::string_view, 4> link{"none", "pcie3", "pcie4", "pcie5"};
inline constexpr std::array<std::string_view, 2> on_off{"on", "off"};

}  // namespace faceflow::internal::option_names
