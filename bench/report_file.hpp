// SPDX-License-Identifier: Apache-2.0
// Where a benchmark leaves its figures.
#pragma once

#include <fmt/format.h>

#include <cstdio>
#include <string>
#include <string_view>

#include "core/output_file.hpp"

namespace faceflow::internal::bench {

// Writes the whole file or none of it. No path: nothing is wanted. False after a line on stderr when it cannot be written.
[[nodiscard]] inline bool write_report(const std::string& path, std::string_view text) {
    if (path.empty()) return true;
    const auto written = write_document(path, text);
    if (!written) fmt::print(stderr, "{}\n", written.error().message);
    return written.has_value();
}

}  // namespace faceflow::internal::bench
