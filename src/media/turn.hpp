// Which way up a picture is.
#pragma once

#include "faceflow/types.hpp"

namespace faceflow::media {

// From the stored picture to the upright one: turned first, then mirrored left to right.
struct turn_and_flip {
    rotation turn = rotation::none;
    bool flipped = false;
};

}  // namespace faceflow::media
