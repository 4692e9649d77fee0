// SPDX-License-Identifier: Apache-2.0
// "Did you mean …?"
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace faceflow::internal {

// The candidate with the fewest edits from `word`; empty when none is near (more than a third of it would change).
[[nodiscard]] std::string_view nearest(std::string_view word, std::span<const std::string> candidates);

}  // namespace faceflow::internal
