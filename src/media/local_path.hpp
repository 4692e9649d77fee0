// SPDX-License-Identifier: Apache-2.0
// file: addresses as paths.
#pragma once

#include <string>

#include "faceflow/result.hpp"

namespace faceflow::media {

// The path of file:///a%20b, file://localhost/a%20b and file:/a%20b (RFC 8089), decoded; every other input as it is.
// errc::invalid_argument for another host, an escape that is none, and a zero byte.
[[nodiscard]] result<std::string> local_path(const std::string& input);

}  // namespace faceflow::media
