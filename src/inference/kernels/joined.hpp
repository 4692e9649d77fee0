// SPDX-License-Identifier: Apache-2.0
// The map that a convolution adds to its product.
#pragma once

#include "inference/kernels/fragments.hpp"

namespace faceflow::internal::inference::kernels {

// Equals the plan's `joining`, whose header kernels do not include.
enum class join_kind : std::uint8_t { none, same, pooled, doubled, smoothed };

struct joined_map {
    const half* data;
    join_kind kind;
    bool first;  // before the activation
    int channels;
    int height, width;  // of this map
};

// A pixel of the output: its picture, row and column.
struct pixel_place {
    int picture, y, x;
};
FACEFLOW_DEVICE pixel_place place_of(int pixel, int height, int width) {
    const int row = pixel / width;
    return {row / height, row % height, pixel - row * width};
}

FACEFLOW_DEVICE const half* joined_row(const joined_map& j, int picture, int y, int channel) {
    return j.data + (static_cast<std::size_t>(picture) * j.height + y) * j.width * j.channels + channel;
}

// Four channels from a map of twice the size: the maximum of 2 x 2.
FACEFLOW_DEVICE half4 pooled(const joined_map& j, pixel_place at, int channel) {
    const half* const upper = joined_row(j, at.picture, 2 * at.y, channel) + 2 * at.x * j.channels;
    const half* const lower = upper + static_cast<std::size_t>(j.width) * j.channels;
    return larger(larger(load4(upper), load4(upper + j.channels)), larger(load4(lower), load4(lower + j.channels)));
}

// Four channels from a map of half the size, interpolated between pixel centres.
FACEFLOW_DEVICE half4 smoothed(const joined_map& j, pixel_place at, int channel) {
    // At 2 y the centre is a quarter before that of row y, at 2 y + 1 a quarter after it.
    const int y = at.y / 2, x = at.x / 2, last_y = j.height - 1, last_x = j.width - 1;
    const int other_y = at.y % 2 != 0 ? smaller_of(y + 1, last_y) : larger_of(y - 1, 0);
    const int other_x = at.x % 2 != 0 ? smaller_of(x + 1, last_x) : larger_of(x - 1, 0);
    const half* const near_row = joined_row(j, at.picture, y, channel);
    const half* const far_row = joined_row(j, at.picture, other_y, channel);
    float a[4], b[4], c[4], d[4], v[4];
    to_floats(load4(near_row + x * j.channels), a);
    to_floats(load4(near_row + other_x * j.channels), b);
    to_floats(load4(far_row + x * j.channels), c);
    to_floats(load4(far_row + other_x * j.channels), d);
    FACEFLOW_UNROLL
    for (int k = 0; k < 4; ++k)
        v[k] = 0.75f * (0.75f * a[k] + 0.25f * b[k]) + 0.25f * (0.75f * c[k] + 0.25f * d[k]);
    return {pack(v[0], v[1]), pack(v[2], v[3])};
}

// The kinds of joining that a kernel supports: others generate no code.
constexpr unsigned join_bit(join_kind k) {
    return 1u << static_cast<unsigned>(k);
}
constexpr unsigned all_joins = ~0u;

// Applies the joined map and the activation to v. `pixel` is its index in the output, height x width per picture.
template <unsigned Kinds>
FACEFLOW_DEVICE half4 join(const joined_map& j, half4 v, half4 slopes, int pixel, int height, int width, int channel) {
    constexpr auto known = [](join_kind k) { return (Kinds & join_bit(k)) != 0; };
    if constexpr (Kinds == 0) {
        return prelu(v, slopes);
    } else {
        const bool joins = j.kind != join_kind::none && channel < j.channels;
        half4 other{0, 0};
        if (joins) {
            if (known(join_kind::same) && j.kind == join_kind::same) {
                other = load4(j.data + static_cast<std::size_t>(pixel) * j.channels + channel);
            } else if constexpr ((Kinds & ~join_bit(join_kind::same)) != 0) {
                const pixel_place at = place_of(pixel, height, width);
                if (known(join_kind::pooled) && j.kind == join_kind::pooled) {
                    other = pooled(j, at, channel);
                } else if (known(join_kind::doubled) && j.kind == join_kind::doubled) {
                    other = load4(joined_row(j, at.picture, at.y / 2, channel) + at.x / 2 * j.channels);
                } else if constexpr (known(join_kind::smoothed)) {
                    other = smoothed(j, at, channel);
                }
            }
        }
        if (joins && j.first) v = add(v, other);
        v = prelu(v, slopes);
        if (joins && !j.first) v = add(v, other);
        return v;
    }
}

}  // namespace faceflow::internal::inference::kernels
