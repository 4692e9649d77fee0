// SPDX-License-Identifier: Apache-2.0
// Output of commands. A stream that cannot be written (closed, a full disk, a closed pipe) neither throws nor stops
// anything: main reports a lost standard output; a lost standard error cannot be reported.
#pragma once

#include <fmt/format.h>

#include <cstdio>
#include <utility>

namespace faceflow::internal::cli {

template <class... Arguments>
void to_stdout(fmt::format_string<Arguments...> text, Arguments&&... arguments) {
    std::fputs(fmt::format(text, std::forward<Arguments>(arguments)...).c_str(), stdout);
}

template <class... Arguments>
void to_stderr(fmt::format_string<Arguments...> text, Arguments&&... arguments) {
    std::fputs(fmt::format(text, std::forward<Arguments>(arguments)...).c_str(), stderr);
}

}  // namespace faceflow::internal::cli
