// SPDX-License-Identifier: Apache-2.0
// Errors about the value of an option. They carry its name, so that callers that use another name (the command line, a
// configuration file) can show theirs.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>

#include "faceflow/result.hpp"

namespace faceflow::internal {

// The error "NAME must be …"; `what` is the text after the name.
[[nodiscard]] inline tl::unexpected<error> fail_option(std::string_view name, std::string_view what) {
    return tl::unexpected<error>(error{errc::invalid_argument, fmt::format("{} {}", name, what), std::string(name)});
}

// Checks that `value` is in [least, most]; NaN is not.
template <class T>
[[nodiscard]] result<void> expect_between(std::string_view name, T value, T least, T most) {
    if (value >= least && value <= most) return {};
    return fail_option(name, fmt::format("must be from {} to {}, not {}", least, most, value));
}

}  // namespace faceflow::internal
