// SPDX-License-Identifier: Apache-2.0
// Text that came from another process, made safe to show.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace faceflow {

inline constexpr std::size_t max_printable = 1000;  // bytes

// The text in one line of UTF-8: what would steer a terminal or reorder the line (control characters, C1 too, and those for the
// direction of writing) and bytes that are no UTF-8 become '?', a line's end or a tab becomes a blank. Ends with "..." after `most`
// bytes.
[[nodiscard]] std::string printable(std::string_view text, std::size_t most = max_printable);

}  // namespace faceflow
