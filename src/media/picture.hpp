// SPDX-License-Identifier: Apache-2.0
// Decodes one still picture from one file.
#pragma once

#include <stop_token>
#include <string>

#include "media/pixel_format.hpp"

namespace faceflow::internal::media {

struct decoded_picture {
    mapped_frame mapped;
    std::string codec;
    bool damaged = false;
    std::string left;  // for the user: what else the file holds ("scan.tif has 3 pages; ..."); empty: nothing
};

// Decodes the file's picture, or the first of several: a page of a TIFF, the first frame of an animation. Every error
// is errc::corrupt, whatever its cause, and names the path and what to do.
[[nodiscard]] result<decoded_picture> decode_picture(const std::string& path, std::stop_token stop);

}  // namespace faceflow::internal::media
