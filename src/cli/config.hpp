// SPDX-License-Identifier: Apache-2.0
// Configuration files: TOML whose keys are the long options of a command, without dashes; tuning options may be in the
// section [tuning], and sources of `faceflow serve` are in the section [sources].
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "faceflow/result.hpp"

namespace faceflow::internal::cli {

// Returns the file's contents as command-line arguments, to insert before the user's own, which take precedence. `keys`
// are the known long options; for an unknown one, the error names it, its line and the nearest match. Keys in `tuning`
// may also be in the table of that name, but not in both places.
[[nodiscard]] result<std::vector<std::string>> config_arguments(std::string_view text,
                                                                std::span<const std::string> keys,
                                                                std::span<const std::string> tuning = {});

}  // namespace faceflow::internal::cli
