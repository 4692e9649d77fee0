// SPDX-License-Identifier: Apache-2.0
// Configuration files: TOML whose keys are the long options of `faceflow run`, without the dashes; those that tune may
// stand under [tuning].
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "faceflow/result.hpp"

namespace faceflow::cli {

// The file's contents as command-line arguments, to stand before the user's own, which so win. `keys` are the known
// long options; an unknown one is an error that names it, its line and the nearest match. Those of `tuning` may also
// stand in a table of that name, but not in both places.
[[nodiscard]] result<std::vector<std::string>> config_arguments(std::string_view text,
                                                                std::span<const std::string> keys,
                                                                std::span<const std::string> tuning = {});

}  // namespace faceflow::cli
