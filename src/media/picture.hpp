// One still picture from one file.
#pragma once

#include <string>

#include "media/pixel_format.hpp"

namespace faceflow::media {

struct decoded_picture {
    mapped_frame mapped;
    std::string codec;
    bool damaged = false;
};

// Still formats only (an animated GIF is a video). Errors are errc::corrupt, whatever kept the picture from being
// read, and name the path.
[[nodiscard]] result<decoded_picture> decode_picture(const std::string& path);

}  // namespace faceflow::media
