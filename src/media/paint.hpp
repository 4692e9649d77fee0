// SPDX-License-Identifier: Apache-2.0
// Draws antialiased shapes on YUV planes: shapes go into a coverage mask, the mask into the planes. Edges are thus
// equally smooth in chroma and luma, and opacity is free.
#pragma once

#include <cstdint>
#include <opencv2/core.hpp>
#include <string>

#include "faceflow/types.hpp"

namespace faceflow::internal::media {

struct rgb {
    std::uint8_t r = 0, g = 0, b = 0;
};

// Views of the three planes of one 4:2:0 picture of even size. Writes go to the owner of the pixels.
struct yuv_planes {
    cv::Mat y, u, v;
    colour_matrix matrix = colour_matrix::bt709;
    colour_range range = colour_range::limited;
};

struct yuv {
    int y = 0, u = 0, v = 0;
};

[[nodiscard]] yuv to_yuv(rgb colour, colour_matrix matrix, colour_range range) noexcept;

// Part of an ellipse. Angles in degrees, clockwise: `tilt` that of its x axis, the others from there.
struct arc_shape {
    point centre;
    float radius_x = 0, radius_y = 0;
    float tilt = 0;
    float from = 0, to = 360;
};

// Shapes of one colour inside an area of the picture. Coordinates are the picture's, (0, 0) at the outer corner of the
// first pixel.
class paint_layer {
public:
    // The area is widened to even borders and clipped to the picture.
    paint_layer(yuv_planes& planes, rect area);

    void line(point from, point to, int thickness);
    void arc(const arc_shape& shape, int thickness);
    void disc(point centre, float radius);
    void rounded_box(rect box, float radius, int thickness);  // the outline
    void filled_rounded_box(rect box, float radius);
    // Left-aligned, with the middle of its capitals at `middle_y`.
    void text(const std::string& words, float left, float middle_y, float cap_height);

    // Blends `colour` into the shapes' area, and clears the shapes.
    void stamp(rgb colour, float opacity);

private:
    [[nodiscard]] cv::Point fixed(point at) const noexcept;
    void touch(cv::Point at, int around);  // a fixed point, and the pixels around it that a shape may cover

    yuv_planes& planes_;
    cv::Rect area_;     // even
    cv::Mat mask_;      // its coverage, 0 where nothing was drawn since the last stamp
    cv::Rect touched_;  // of the mask, and beyond it: outside of this it is 0
};

[[nodiscard]] float text_width(const std::string& words, float cap_height);

}  // namespace faceflow::internal::media
