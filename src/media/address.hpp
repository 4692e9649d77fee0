// SPDX-License-Identifier: Apache-2.0
// Makes addresses safe to show.
#pragma once

#include <string>
#include <string_view>

namespace faceflow::internal::media {

// The input without credentials: the password before a host, and the values of query keys like `password` or `token`,
// are replaced by ***. Anything but an address (a path) is returned unchanged.
[[nodiscard]] std::string without_secrets(std::string_view input);

}  // namespace faceflow::internal::media
