// SPDX-License-Identifier: Apache-2.0
// Which way up a picture is.
#pragma once

#include "faceflow/types.hpp"

namespace faceflow::internal::media {

// From the stored picture to the upright one: turned first, then mirrored left to right.
struct turn_and_flip {
    rotation turn = rotation::none;
    bool flipped = false;
};

// `first`, and what comes of it turned and mirrored by `second`: behind a mirror, a turn goes the other way round.
[[nodiscard]] constexpr turn_and_flip followed_by(const turn_and_flip& first, const turn_and_flip& second) noexcept {
    const int quarters = static_cast<int>(second.turn) * (first.flipped ? 3 : 1);
    return {static_cast<rotation>((static_cast<int>(first.turn) + quarters) % 4), first.flipped != second.flipped};
}

}  // namespace faceflow::internal::media
