// SPDX-License-Identifier: Apache-2.0
// Converts file: addresses to paths.
#pragma once

#include <string>

#include "faceflow/result.hpp"

namespace faceflow::internal::media {

// The decoded path of file:///a%20b, file://localhost/a%20b and file:/a%20b (RFC 8089); any other input unchanged.
// errc::invalid_argument for another host, an invalid escape, or a zero byte.
[[nodiscard]] result<std::string> local_path(const std::string& input);

}  // namespace faceflow::internal::media
