// SPDX-License-Identifier: Apache-2.0
// Describes the blendshapes of a face for media/face_fields.hpp: a number each, under MediaPipe's names.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>
#include <tuple>
#include <utility>

#include "faceflow/types.hpp"
#include "media/field.hpp"
#include "media/measure_fields.hpp"

namespace faceflow::internal::media::fields {
namespace detail {

struct blendshape_key {
    std::array<char, 40> text{};
    std::size_t length = 0;

    constexpr void append(std::string_view more) {
        for (const char c : more)
            text[length++] = c;
    }
    [[nodiscard]] constexpr std::string_view view() const { return {text.data(), length}; }
};

inline constexpr auto blendshape_keys = [] {
    std::array<blendshape_key, blendshape_count> keys{};
    for (std::size_t i = 0; i < keys.size(); ++i) {
        keys[i].append("blendshapes.");
        keys[i].append(blendshape_names[i]);
    }
    return keys;
}();

template <std::size_t I>
constexpr float blendshape(const face& f) {
    return f.blendshapes[I];
}

}  // namespace detail

inline constexpr int first_blendshape_place =
    first_measure_place + static_cast<int>(std::tuple_size_v<decltype(of_measures)>);

inline constexpr auto of_blendshapes = []<std::size_t... I>(std::index_sequence<I...>) {
    return std::tuple{describe<face, &detail::blendshape<I>>(
        {.key = detail::blendshape_keys[I].view(),
         .unit = "0..1",
         .decimals = share_decimals,
         .meaning = "how far the face makes this movement, by MediaPipe's model and names; left and right are the "
                    "person's own. Only with `--landmarks v2`",
         .least = 0,
         .most = 1,
         .columns = {blendshape_names[I]},
         .place = first_blendshape_place + static_cast<int>(I),
         .only = extra::blendshapes})...};
}
(std::make_index_sequence<blendshape_count>());

}  // namespace faceflow::internal::media::fields
