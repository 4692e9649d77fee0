// SPDX-License-Identifier: Apache-2.0
#include "vision/sampling.hpp"

namespace faceflow::internal::vision {
namespace {

struct luma_weights {
    float kr, kb;
};

luma_weights weights_of(colour_matrix matrix) {
    switch (matrix) {
        case colour_matrix::bt709: return {0.2126f, 0.0722f};
        case colour_matrix::bt2020: return {0.2627f, 0.0593f};
        case colour_matrix::bt601:
        case colour_matrix::rgb: break;
    }
    return {0.299f, 0.114f};
}

colour_transform transform_of(const image& picture, const format_layout& layout) {
    colour_transform t;
    const float peak = static_cast<float>((1 << layout.depth) - 1);
    const float unit = static_cast<float>(1 << (layout.depth - 8));  // one 8-bit step
    const bool limited = picture.range == colour_range::limited && !layout.rgb;
    const float y_span = limited ? 219 * unit : peak;
    const float c_span = limited ? 224 * unit : peak;
    t.y_zero = limited ? 16 * unit : 0;
    t.y = 1 / y_span;
    t.c_zero = 128 * unit;
    const auto [kr, kb] = weights_of(picture.matrix);
    const float kg = 1 - kr - kb;
    t.rv = 2 * (1 - kr) / c_span;
    t.bu = 2 * (1 - kb) / c_span;
    t.gu = -2 * kb * (1 - kb) / kg / c_span;
    t.gv = -2 * kr * (1 - kr) / kg / c_span;
    return t;
}

}  // namespace

sampling_source make_sampling_source(const image& picture) {
    sampling_source s;
    s.picture = picture;
    s.layout = layout_of(picture.format);
    s.colour = transform_of(picture, s.layout);
    s.stored = stored_from_upright(picture);
    const int log2_w = s.layout.component[1].log2_w;
    // A centred sample of a 2:1 subsampling lies 0.5 luma pixels right of a left-sited one: a quarter of a chroma
    // sample.
    if (picture.site == chroma_site::left && log2_w > 0) {
        s.chroma_shift_x = 0.5f - 0.5f / static_cast<float>(1 << log2_w);
    }
    return s;
}

}  // namespace faceflow::internal::vision
