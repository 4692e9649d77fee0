// SPDX-License-Identifier: Apache-2.0
// The kernels of src/inference/kernels/list.hpp as functions to launch, by number; a source file each, so that they are
// compiled side by side.
#pragma once

#include <span>

namespace faceflow::inference::kernels {

[[nodiscard]] std::span<const void* const> functions_of_few_channels();
[[nodiscard]] std::span<const void* const> functions_of_many_channels();
[[nodiscard]] std::span<const void* const> functions_of_front();
[[nodiscard]] std::span<const void* const> functions_of_levels();
[[nodiscard]] std::span<const void* const> functions_of_chains();
[[nodiscard]] std::span<const void* const> functions_of_any();

}  // namespace faceflow::inference::kernels
