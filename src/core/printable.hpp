// SPDX-License-Identifier: Apache-2.0
// Makes text from another process safe to print.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace faceflow::internal {

inline constexpr std::size_t max_printable = 1000;  // bytes

// The text as one line of UTF-8: characters that would steer a terminal or reorder the line (control characters
// including C1, and bidirectional controls) and invalid UTF-8 become '?', line ends and tabs become blanks. Cut to
// `most` bytes followed by "...".
[[nodiscard]] std::string printable(std::string_view text, std::size_t most = max_printable);

}  // namespace faceflow::internal
