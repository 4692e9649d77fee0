// SPDX-License-Identifier: Apache-2.0
// The description of a picture in messages between processes.
#pragma once

#include <cstdint>

#include "faceflow/result.hpp"
#include "faceflow/types.hpp"

namespace faceflow::internal {

// An `image` without plane pointers; the planes lie one after another without padding.
struct picture_facts {
    std::uint8_t format = 0, matrix = 0, range = 0, site = 0, turn = 0, mirrored = 0, transfer = 0;
    std::uint8_t unused = 0;
    std::int32_t width = 0, height = 0, square_width = 0;
    std::uint32_t unused_too = 0;
};
[[nodiscard]] picture_facts facts_of(const image& picture) noexcept;
// An image with null planes. errc::corrupt unless the facts describe a picture of 1x1 to 16384x16384 in a known format.
[[nodiscard]] result<image> picture_of(const picture_facts& facts);

}  // namespace faceflow::internal
