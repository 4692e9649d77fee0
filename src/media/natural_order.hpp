// SPDX-License-Identifier: Apache-2.0
// The pictures of a folder or pattern, in natural order.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "faceflow/result.hpp"

namespace faceflow::internal::media {

// img2 before img10; otherwise byte order, ignoring case.
[[nodiscard]] bool natural_less(std::string_view a, std::string_view b) noexcept;

// Whether the name ends like a picture's; says nothing about the content, or whether this FFmpeg reads it.
[[nodiscard]] bool has_picture_extension(std::string_view path);

[[nodiscard]] bool has_wildcard(std::string_view input) noexcept;

struct picture_list {
    std::vector<std::string> paths;
    std::vector<std::string> left_out;  // names of files that are no pictures
};

// "left out 3 files of album that are no pictures: a.txt, b.mp4, c"; empty if there are none.
[[nodiscard]] std::string describe_left_out(const picture_list& list, const std::string& of);

// In natural order; skips hidden files and does not enter folders. A picture is a file with a picture's content, as for
// a single file, or with a picture's name: if that is unreadable, it is an error when its turn comes. Errors when there
// is none.
[[nodiscard]] result<picture_list> pictures_in_folder(const std::string& folder);
[[nodiscard]] result<picture_list> pictures_of_pattern(const std::string& pattern);

}  // namespace faceflow::internal::media
