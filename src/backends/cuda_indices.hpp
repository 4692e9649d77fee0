// SPDX-License-Identifier: Apache-2.0
// The numbers in a name such as cuda:0,2.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "faceflow/result.hpp"

namespace faceflow::internal {

// "0,2" -> {0, 2}; without an index {0}; for "all" an empty list, because only the driver knows the devices.
// errc::invalid_argument for everything else.
[[nodiscard]] result<std::vector<int>> parse_cuda_indices(std::optional<std::string_view> index);

}  // namespace faceflow::internal
