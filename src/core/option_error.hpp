// SPDX-License-Identifier: Apache-2.0
// Errors about the value of an option. They carry its name, so that whoever knows it by another (the command line, a
// configuration file) can say that one.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>

#include "faceflow/result.hpp"

namespace faceflow {

// "NAME must be …": `what` is what follows the name.
[[nodiscard]] inline tl::unexpected<error> fail_option(std::string_view name, std::string_view what) {
    return tl::unexpected<error>(error{errc::invalid_argument, fmt::format("{} {}", name, what), std::string(name)});
}

// Whether `value` is in [least, most]; what is not a number is not.
template <class T>
[[nodiscard]] result<void> expect_between(std::string_view name, T value, T least, T most) {
    if (value >= least && value <= most) return {};
    return fail_option(name, fmt::format("must be from {} to {}, not {}", least, most, value));
}

}  // namespace faceflow
