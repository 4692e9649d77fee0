// SPDX-License-Identifier: Apache-2.0
#include "media/overlay.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <vector>

#include "vision/mesh_data.hpp"

namespace faceflow::internal::media {

namespace {

constexpr rgb ink{16, 18, 22};
constexpr rgb untracked{208, 212, 218};
constexpr int nose_tip = 1;
constexpr int irises_begin = 468;

// A face in the picture's pixels, and the dimensions of its drawing.
struct drawing {
    face found;
    rgb colour;
    int thin = 1;
    int bold = 2;
    float text = 12;  // height of capitals
    rect label;
    bool has_mesh = false;
    bool has_irises = false;
};

bool finite(const rect& box) {
    return std::isfinite(box.x) && std::isfinite(box.y) && std::isfinite(box.width) && std::isfinite(box.height);
}

point flat(const point3& at) {
    return {at.x, at.y};
}

// Landmarks that were not computed are all zero; some may be NaN if a model failed.
bool spread_out(const face& found, int begin, int end) {
    float low = found.landmarks[begin].x;
    float high = low;
    for (int i = begin; i < end; ++i) {
        const point3& at = found.landmarks[i];
        if (!std::isfinite(at.x) || !std::isfinite(at.y)) return false;
        low = std::min(low, at.x);
        high = std::max(high, at.x);
    }
    return high - low > 1e-3F;
}

rgb lighten(rgb colour, float amount) {
    const auto toward_white = [amount](std::uint8_t value) {
        return static_cast<std::uint8_t>(std::lround(value + (255 - value) * amount));
    };
    return {toward_white(colour.r), toward_white(colour.g), toward_white(colour.b)};
}

face scaled(face found, float sx, float sy) {
    found.box = {found.box.x * sx, found.box.y * sy, found.box.width * sx, found.box.height * sy};
    for (point& at : found.keypoints)
        at = {at.x * sx, at.y * sy};
    for (point3& at : found.landmarks)
        at = {at.x * sx, at.y * sy, at.z * sx};
    return found;
}

std::string label_of(const face& found) {
    return "#" + std::to_string(found.track);
}

rect place_label(const drawing& about, const yuv_planes& picture) {
    const float height = std::round(about.text * 2.0F);
    const float width = text_width(label_of(about.found), about.text) + about.text * 1.3F;
    const float gap = about.text * 0.45F;
    rect tag{about.found.box.x, about.found.box.y - height - gap, width, height};
    if (tag.y < 0) tag.y = about.found.box.y + gap;  // no room above: inside
    tag.x = std::clamp(tag.x, 0.0F, std::max(0.0F, static_cast<float>(picture.y.cols) - width));
    tag.y = std::clamp(tag.y, 0.0F, std::max(0.0F, static_cast<float>(picture.y.rows) - height));
    return tag;
}

drawing plan(const face& found, const yuv_planes& picture) {
    drawing about;
    about.found = found;
    about.colour = track_colour(found.track);
    const auto shorter = static_cast<float>(std::min(picture.y.cols, picture.y.rows));
    const float unit = shorter / 720.0F;
    about.thin = std::max(1, static_cast<int>(std::lround(0.8F * unit)));
    // Strokes sized for large faces would hide a small one.
    const float stroke = std::min(2.0F * unit, found.box.width * 0.016F);
    about.bold = std::max(1, static_cast<int>(std::lround(stroke)));
    about.text = std::clamp(std::min(12.0F * unit, found.box.width * 0.11F + 3), 6.5F, 60.0F);
    about.label = place_label(about, picture);
    about.has_mesh = spread_out(found, 0, irises_begin);
    about.has_irises = about.has_mesh && spread_out(found, irises_begin, landmark_count);
    return about;
}

// The area that a face's drawing can touch.
rect reach(const drawing& about) {
    const rect& box = about.found.box;
    float left = std::min(box.x, about.label.x);
    float top = std::min(box.y, about.label.y);
    float right = std::max(box.x + box.width, about.label.x + about.label.width);
    float bottom = std::max(box.y + box.height, about.label.y + about.label.height);
    if (about.has_mesh) {
        for (const point3& at : about.found.landmarks) {
            left = std::min(left, at.x);
            top = std::min(top, at.y);
            right = std::max(right, at.x);
            bottom = std::max(bottom, at.y);
        }
    }
    const float margin = box.width * 0.25F + 8;
    return {left - margin, top - margin, right - left + 2 * margin, bottom - top + 2 * margin};
}

void draw_mesh(paint_layer& layer, const drawing& about) {
    const auto& points = about.found.landmarks;
    for (const auto& [a, b] : mesh::contours())
        layer.line(flat(points[a]), flat(points[b]), about.thin);
    layer.stamp(lighten(about.colour, 0.45F), 0.72F);
}

// Centre, then four points on the rim (right, top, left, bottom, rotated).
void draw_iris(paint_layer& layer, const drawing& about, int first) {
    const auto& points = about.found.landmarks;
    const point centre = flat(points[first]);
    const auto half = [&](int a, int b) {
        return point{(points[first + a].x - points[first + b].x) / 2, (points[first + a].y - points[first + b].y) / 2};
    };
    const point across = half(1, 3);
    const point along = half(2, 4);
    const float tilt = std::atan2(across.y, across.x) * 57.29578F;
    layer.arc({.centre = centre,
               .radius_x = std::hypot(across.x, across.y),
               .radius_y = std::hypot(along.x, along.y),
               .tilt = tilt},
              about.thin);
}

void draw_irises(paint_layer& layer, const drawing& about) {
    draw_iris(layer, about, irises_begin);
    draw_iris(layer, about, irises_begin + 5);
    layer.stamp({255, 255, 255}, 0.85F);
}

void trace_corners(paint_layer& layer, const rect& box, float radius, float arm, int thickness) {
    const float right = box.x + box.width;
    const float bottom = box.y + box.height;
    const auto corner = [&](float x, float y, float to_x, float to_y, float tilt) {
        const point centre{x + to_x * radius, y + to_y * radius};
        layer.arc({.centre = centre, .radius_x = radius, .radius_y = radius, .tilt = tilt, .to = 90}, thickness);
        layer.line({x + to_x * radius, y}, {x + to_x * arm, y}, thickness);
        layer.line({x, y + to_y * radius}, {x, y + to_y * arm}, thickness);
    };
    corner(box.x, box.y, 1, 1, 180);
    corner(right, box.y, -1, 1, 270);
    corner(right, bottom, -1, -1, 0);
    corner(box.x, bottom, 1, -1, 90);
}

void draw_box(paint_layer& layer, const drawing& about) {
    const rect& box = about.found.box;
    const float side = std::min(box.width, box.height);
    const float radius = side * 0.09F;
    const float arm = std::max(side * 0.22F, radius);
    layer.rounded_box(box, radius, about.thin);
    layer.stamp(about.colour, 0.4F);
    // A soft dark rim keeps light colours visible on light ground.
    trace_corners(layer, box, radius, arm, about.bold + 2);
    layer.stamp(ink, 0.35F);
    trace_corners(layer, box, radius, arm, about.bold);
    layer.stamp(about.colour, 1.0F);
}

void draw_axes(paint_layer& layer, const drawing& about) {
    constexpr std::array colours = {rgb{255, 82, 82}, rgb{76, 217, 100}, rgb{64, 140, 255}};
    const auto& pose = about.found.pose.matrix;
    const point nose = about.has_mesh ? flat(about.found.landmarks[nose_tip])
                                      : about.found.keypoints[static_cast<std::size_t>(keypoint::nose)];
    const float length = about.found.box.width * 0.22F;
    // Draw the furthest first: the axis that points at the viewer ends up on top.
    std::array order = {0, 1, 2};
    std::ranges::sort(order, {}, [&](int axis) { return pose[8 + axis]; });
    for (const int axis : order) {
        const float size = std::hypot(pose[axis], pose[4 + axis], pose[8 + axis]);
        if (!(size > 1e-6F) || !std::isfinite(size)) return;
        const point tip{nose.x + length * pose[axis] / size, nose.y - length * pose[4 + axis] / size};
        const auto knob = static_cast<float>(about.bold) * 1.2F;
        layer.line(nose, tip, about.bold + 2);
        layer.disc(tip, knob + 1);
        layer.stamp(ink, 0.3F);
        layer.line(nose, tip, about.bold);
        layer.disc(tip, knob);
        layer.stamp(colours[axis], 0.95F);
    }
}

void draw_label(paint_layer& layer, const drawing& about) {
    const rect& tag = about.label;
    layer.filled_rounded_box(tag, tag.height * 0.28F);
    layer.stamp(about.colour, 0.92F);
    const std::string words = label_of(about.found);
    const float left = tag.x + (tag.width - text_width(words, about.text)) / 2;
    layer.text(words, left, tag.y + tag.height / 2, about.text);
    layer.stamp(ink, 1.0F);
}

void draw_face(yuv_planes& picture, const face& found) {
    if (!finite(found.box) || found.box.width <= 0 || found.box.height <= 0) return;
    const drawing about = plan(found, picture);
    paint_layer layer(picture, reach(about));
    if (about.has_mesh) draw_mesh(layer, about);
    if (about.has_irises) draw_irises(layer, about);
    draw_box(layer, about);
    draw_axes(layer, about);
    if (found.track > 0) draw_label(layer, about);
}

}  // namespace

rgb track_colour(std::int64_t track) noexcept {
    static constexpr std::array<rgb, 12> palette = {{{61, 220, 151},
                                                     {76, 201, 240},
                                                     {255, 183, 3},
                                                     {255, 107, 107},
                                                     {179, 136, 255},
                                                     {198, 244, 50},
                                                     {255, 122, 198},
                                                     {255, 140, 66},
                                                     {46, 214, 196},
                                                     {108, 155, 255},
                                                     {255, 228, 94},
                                                     {230, 120, 245}}};
    if (track <= 0) return untracked;
    return palette[static_cast<std::size_t>(track - 1) % palette.size()];
}

void draw_faces(yuv_planes& picture, std::span<const face> faces, float scale_x, float scale_y) {
    if (picture.y.empty()) return;
    // The largest face is the nearest: draw it last, on top.
    std::vector<const face*> order;
    for (const face& found : faces)
        order.push_back(&found);
    std::ranges::stable_sort(order, {}, [](const face* found) { return found->box.width * found->box.height; });
    for (const face* found : order)
        draw_face(picture, scaled(*found, scale_x, scale_y));
}

void draw_faces_on(yuv_planes& picture, const frame_faces& faces) {
    // Canvases of odd pictures have an extra row or column: a scale of 1 then stays 1.
    const auto scale = [](int to, int from) {
        return from <= 0 || to - from == (from & 1) ? 1.0F : static_cast<float>(to) / static_cast<float>(from);
    };
    draw_faces(picture, faces.faces, scale(picture.y.cols, faces.width), scale(picture.y.rows, faces.height));
}

}  // namespace faceflow::internal::media
