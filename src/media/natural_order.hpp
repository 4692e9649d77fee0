// The pictures of a folder or pattern, as a person would count them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "faceflow/result.hpp"

namespace faceflow::media {

// img2 before img10; otherwise byte order, and upper like lower case.
[[nodiscard]] bool natural_less(std::string_view a, std::string_view b) noexcept;

// Whether the name ends like a picture's; says nothing of the content.
[[nodiscard]] bool has_picture_extension(std::string_view path);

[[nodiscard]] bool has_wildcard(std::string_view input) noexcept;

// In natural order, hidden files left out, folders not entered. Errors when nothing is left.
[[nodiscard]] result<std::vector<std::string>> pictures_in_folder(const std::string& folder);
[[nodiscard]] result<std::vector<std::string>> pictures_of_pattern(const std::string& pattern);

}  // namespace faceflow::media
