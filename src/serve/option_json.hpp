// SPDX-License-Identifier: Apache-2.0
// The options that clients see and change, as JSON: those of faces, and the flow.
#pragma once

#include <nlohmann/json.hpp>

#include "faceflow/options.hpp"
#include "faceflow/result.hpp"

namespace faceflow::internal::serve {

// By name, each with its value, and with what it can be ("words", or "least" and "most").
[[nodiscard]] nlohmann::ordered_json options_json(const options& of);

// Sets the members of an object of names and values. errc::invalid_argument for a name that clients do not change, and
// for a value of another type; whether values are in their ranges, the engine says.
[[nodiscard]] result<void> set_options(const nlohmann::ordered_json& values, options& into);

}  // namespace faceflow::internal::serve
