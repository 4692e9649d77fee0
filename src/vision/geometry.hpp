// SPDX-License-Identifier: Apache-2.0
// Geometry in a frame: affine maps, the letterbox, the region around a face. Host/device functions.
//
// Coordinates are continuous: (0, 0) is the outer corner of the top-left pixel, pixel i covers [i, i + 1].
#pragma once

#include <cmath>

#include "core/hd.hpp"
#include "faceflow/types.hpp"

namespace faceflow::internal::vision {

// (x, y) -> (xx * x + xy * y + x0, yx * x + yy * y + y0)
struct affine {
    float xx = 1, xy = 0, x0 = 0;
    float yx = 0, yy = 1, y0 = 0;

    FACEFLOW_HD point operator()(point p) const { return {xx * p.x + xy * p.y + x0, yx * p.x + yy * p.y + y0}; }
};

// outer(inner(p)) as one map.
FACEFLOW_HD inline affine compose(const affine& outer, const affine& inner) {
    return {outer.xx * inner.xx + outer.xy * inner.yx,
            outer.xx * inner.xy + outer.xy * inner.yy,
            outer.xx * inner.x0 + outer.xy * inner.y0 + outer.x0,
            outer.yx * inner.xx + outer.yy * inner.yx,
            outer.yx * inner.xy + outer.yy * inner.yy,
            outer.yx * inner.x0 + outer.yy * inner.y0 + outer.y0};
}

// Turned pixel -> pixel, for a picture of width x height that `turn` makes upright.
FACEFLOW_HD inline affine before_turn(rotation turn, float width, float height) {
    switch (turn) {
        case rotation::none: return {};
        case rotation::cw90: return {0, 1, 0, -1, 0, height};
        case rotation::cw180: return {-1, 0, width, 0, -1, height};
        case rotation::cw270: return {0, -1, width, 1, 0, 0};
    }
    return {};
}

// Upright pixel -> stored pixel. A pure turn is exact: nothing is rounded.
inline affine stored_from_upright(const image& picture) {
    const auto width = static_cast<float>(picture.shown_width()), height = static_cast<float>(picture.height);
    affine stored = before_turn(picture.turn, width, height);
    if (picture.mirrored) stored = compose(stored, {-1, 0, static_cast<float>(picture.upright_width()), 0, 1, 0});
    if (picture.shown_width() == picture.width) return stored;
    return compose({static_cast<float>(picture.width) / width, 0, 0, 0, 1, 0}, stored);
}

// The rotated square for the landmark model. `angle` is clockwise in the picture, in radians.
struct region {
    float cx = 0, cy = 0;
    float size = 0;
    float angle = 0;
};

// Model input pixel (model_size square) -> upright frame pixel.
FACEFLOW_HD inline affine frame_from_region(const region& r, float model_size) {
    const float scale = r.size / model_size;
    const float c = cosf(r.angle) * scale, s = sinf(r.angle) * scale;
    const float half = 0.5f * model_size;
    return {c, -s, r.cx - c * half + s * half, s, c, r.cy - s * half - c * half};
}

// Everything, unless a side has an end.
struct bounds {
    float left = -1e30f, top = -1e30f, right = 1e30f, bottom = 1e30f;

    FACEFLOW_HD bool contain(const rect& r) const {
        return r.x >= left && r.y >= top && r.x + r.width <= right && r.y + r.height <= bottom;
    }
};

// How a frame, or a tile of it, fits a detector's input: scaled by `scale`, a whole frame centred, the rest padded.
struct letterbox {
    float scale = 1;  // input pixels per frame pixel
    float left = 0, top = 0;
    // The part of the input that shows the frame: columns [x_begin, x_end), rows [y_begin, y_end).
    std::int32_t x_begin = 0, x_end = 0, y_begin = 0, y_end = 0;

    FACEFLOW_HD point to_frame(point p) const { return {(p.x - left) / scale, (p.y - top) / scale}; }
};

inline letterbox fit(std::int32_t frame_width, std::int32_t frame_height, std::int32_t width, std::int32_t height) {
    letterbox l;
    const float sx = static_cast<float>(width) / static_cast<float>(frame_width);
    const float sy = static_cast<float>(height) / static_cast<float>(frame_height);
    l.scale = sx < sy ? sx : sy;
    const auto inner = [&](std::int32_t size, std::int32_t limit) {
        const auto scaled = static_cast<std::int32_t>(std::lround(static_cast<float>(size) * l.scale));
        return scaled < 1 ? 1 : scaled > limit ? limit : scaled;
    };
    const std::int32_t w = inner(frame_width, width), h = inner(frame_height, height);
    l.x_begin = (width - w) / 2;
    l.y_begin = (height - h) / 2;
    l.x_end = l.x_begin + w;
    l.y_end = l.y_begin + h;
    l.left = static_cast<float>(l.x_begin);
    l.top = static_cast<float>(l.y_begin);
    return l;
}

inline affine frame_from_letterbox(const letterbox& l) {
    const float step = 1 / l.scale;
    return {step, 0, -l.left * step, 0, step, -l.top * step};
}

FACEFLOW_HD inline float intersection_over_union(const rect& a, const rect& b) {
    const float left = fmaxf(a.x, b.x), right = fminf(a.x + a.width, b.x + b.width);
    const float top = fmaxf(a.y, b.y), bottom = fminf(a.y + a.height, b.y + b.height);
    const float w = fmaxf(0.0f, right - left), h = fmaxf(0.0f, bottom - top);
    const float inter = w * h;
    const float both = a.width * a.height + b.width * b.height - inter;
    return both > 0 ? inter / both : 0;
}

}  // namespace faceflow::internal::vision
