// SPDX-License-Identifier: Apache-2.0
// The files of the page and the API's description, in the program itself (cmake/embed.cmake).
#pragma once

#include <string_view>

namespace faceflow::internal::serve {

struct served_file {
    std::string_view path;  // "/app.js"; "/" is index.html
    std::string_view type;
    std::string_view content;
};

// Null if there is none.
[[nodiscard]] const served_file* find_file(std::string_view path);

}  // namespace faceflow::internal::serve
