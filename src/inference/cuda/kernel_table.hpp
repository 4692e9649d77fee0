// SPDX-License-Identifier: Apache-2.0
// The kernels of src/inference/kernels/list.hpp as functions to launch, by number; one source file per group, so that
// they compile in parallel.
#pragma once

#include <span>

namespace faceflow::internal::inference::kernels {

[[nodiscard]] std::span<const void* const> functions_of_few_channels();
[[nodiscard]] std::span<const void* const> functions_of_many_channels();
[[nodiscard]] std::span<const void* const> functions_of_front();
[[nodiscard]] std::span<const void* const> functions_of_levels();
[[nodiscard]] std::span<const void* const> functions_of_chains();
[[nodiscard]] std::span<const void* const> functions_of_any();

}  // namespace faceflow::internal::inference::kernels
