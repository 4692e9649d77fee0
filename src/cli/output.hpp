// SPDX-License-Identifier: Apache-2.0
// What a command prints. A stream that cannot be written (closed, a full disk, a reader that left) throws nothing and stops nothing:
// main tells of a standard output that was lost, and there is nobody to tell of a lost standard error.
#pragma once

#include <fmt/format.h>

#include <cstdio>
#include <utility>

namespace faceflow::cli {

template <class... Arguments>
void to_stdout(fmt::format_string<Arguments...> text, Arguments&&... arguments) {
    std::fputs(fmt::format(text, std::forward<Arguments>(arguments)...).c_str(), stdout);
}

template <class... Arguments>
void to_stderr(fmt::format_string<Arguments...> text, Arguments&&... arguments) {
    std::fputs(fmt::format(text, std::forward<Arguments>(arguments)...).c_str(), stderr);
}

}  // namespace faceflow::cli
