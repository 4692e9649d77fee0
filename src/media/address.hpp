// SPDX-License-Identifier: Apache-2.0
// Addresses as users write them, and as they may be shown.
#pragma once

#include <string>
#include <string_view>

namespace faceflow::media {

// The input without what lets anybody in: the password before a host, and the values of keys like `password` or `token` in a query,
// each as ***. What is no address (a path) stays as it is.
[[nodiscard]] std::string without_secrets(std::string_view input);

}  // namespace faceflow::media
