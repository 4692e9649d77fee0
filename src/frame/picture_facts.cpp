// SPDX-License-Identifier: Apache-2.0
#include "frame/picture_facts.hpp"

#include <fmt/format.h>

#include "frame/layout.hpp"

namespace faceflow::internal {

picture_facts facts_of(const image& picture) noexcept {
    picture_facts f;
    f.format = static_cast<std::uint8_t>(picture.format);
    f.matrix = static_cast<std::uint8_t>(picture.matrix);
    f.range = static_cast<std::uint8_t>(picture.range);
    f.site = static_cast<std::uint8_t>(picture.site);
    f.turn = static_cast<std::uint8_t>(picture.turn);
    f.transfer = static_cast<std::uint8_t>(picture.transfer);
    f.mirrored = picture.mirrored ? 1 : 0;
    f.width = picture.width;
    f.height = picture.height;
    f.square_width = picture.square_width;
    return f;
}

result<image> picture_of(const picture_facts& f) {
    const bool known = layout_of(static_cast<pixel_format>(f.format)).planes != 0 &&
                       f.matrix <= static_cast<std::uint8_t>(colour_matrix::bt2020) &&
                       f.range <= static_cast<std::uint8_t>(colour_range::full) &&
                       f.site <= static_cast<std::uint8_t>(chroma_site::centre) &&
                       f.turn <= static_cast<std::uint8_t>(rotation::cw270) && f.mirrored <= 1 &&
                       f.transfer <= static_cast<std::uint8_t>(colour_transfer::hlg);
    if (!known) return fail(errc::corrupt, "a message describes a picture of no known format");
    const bool sized = f.width >= 1 && f.height >= 1 && f.width <= max_dimension && f.height <= max_dimension &&
                       f.square_width >= 0 && f.square_width <= max_dimension;
    if (!sized) return fail(errc::corrupt, fmt::format("a message describes a picture of {}x{}", f.width, f.height));
    image picture;
    picture.format = static_cast<pixel_format>(f.format);
    picture.matrix = static_cast<colour_matrix>(f.matrix);
    picture.range = static_cast<colour_range>(f.range);
    picture.site = static_cast<chroma_site>(f.site);
    picture.turn = static_cast<rotation>(f.turn);
    picture.transfer = static_cast<colour_transfer>(f.transfer);
    picture.mirrored = f.mirrored != 0;
    picture.width = f.width;
    picture.height = f.height;
    picture.square_width = f.square_width;
    return picture;
}

}  // namespace faceflow::internal
