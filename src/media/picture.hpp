// SPDX-License-Identifier: Apache-2.0
// One still picture from one file.
#pragma once

#include <stop_token>
#include <string>

#include "media/pixel_format.hpp"

namespace faceflow::media {

struct decoded_picture {
    mapped_frame mapped;
    std::string codec;
    bool damaged = false;
    std::string left;  // what else the file holds, for people ("scan.tif has 3 pages; ..."); empty: nothing
};

// The picture that the file holds, or the first of them: a page of a TIFF, the first frame of what moves. Errors are
// errc::corrupt, whatever kept the picture from being read, and name the path and what to do.
[[nodiscard]] result<decoded_picture> decode_picture(const std::string& path, std::stop_token stop);

}  // namespace faceflow::media
