// SPDX-License-Identifier: Apache-2.0
#include "media/paint.hpp"

#include <algorithm>
#include <cmath>
#include <opencv2/imgproc.hpp>

namespace faceflow::media {

namespace {

constexpr int shift = 4;  // OpenCV's fixed-point coordinates: sixteenths of a pixel
constexpr float sixteenths = 1 << shift;

// Stroke fonts are rough at label size: draw them large, then average down.
constexpr int font = cv::FONT_HERSHEY_DUPLEX;
constexpr double font_scale = 2.0;
constexpr int font_thickness = 4;
constexpr float font_cap_height = 43.0F;  // height of capitals as drawn at that scale
constexpr int font_margin = 8;

struct weights {
    double red, blue;
};

weights weights_of(colour_matrix matrix) noexcept {
    switch (matrix) {
        case colour_matrix::bt601: return {0.299, 0.114};
        case colour_matrix::bt2020: return {0.2627, 0.0593};
        default: return {0.2126, 0.0722};
    }
}

std::uint8_t mix(int below, int above, int alpha) noexcept {
    return static_cast<std::uint8_t>((below * (255 - alpha) + above * alpha + 127) / 255);
}

cv::Mat draw_text(const std::string& words) {
    int baseline = 0;
    const cv::Size size = cv::getTextSize(words, font, font_scale, font_thickness, &baseline);
    cv::Mat drawn = cv::Mat::zeros(size.height + 2 * font_margin, size.width + 2 * font_margin, CV_8U);
    cv::putText(drawn, words, {font_margin, font_margin + size.height}, font, font_scale, 255, font_thickness,
                cv::LINE_AA);
    return drawn;
}

}  // namespace

yuv to_yuv(rgb colour, colour_matrix matrix, colour_range range) noexcept {
    const auto [kr, kb] = weights_of(matrix);
    const double luma = kr * colour.r + (1 - kr - kb) * colour.g + kb * colour.b;
    const double cb = (colour.b - luma) / (2 * (1 - kb));
    const double cr = (colour.r - luma) / (2 * (1 - kr));
    const bool full = range == colour_range::full;
    const auto clamp = [](double value) { return std::clamp(static_cast<int>(std::lround(value)), 0, 255); };
    const double chroma = full ? 1.0 : 224.0 / 255.0;
    return {clamp(full ? luma : 16 + luma * 219.0 / 255.0), clamp(128 + cb * chroma), clamp(128 + cr * chroma)};
}

paint_layer::paint_layer(yuv_planes& planes, rect area) : planes_(planes) {
    const auto even_cut = [](float value, int limit) {
        return std::clamp(2 * static_cast<int>(std::floor(std::clamp(value, -4.0F, 1e6F) / 2)), 0, limit);
    };
    const int left = even_cut(area.x, planes.y.cols);
    const int top = even_cut(area.y, planes.y.rows);
    const int right = even_cut(area.x + area.width + 2, planes.y.cols);
    const int bottom = even_cut(area.y + area.height + 2, planes.y.rows);
    area_ = {left, top, std::max(right - left, 0), std::max(bottom - top, 0)};
    mask_ = cv::Mat::zeros(area_.size(), CV_8U);
}

cv::Point paint_layer::fixed(point at) const noexcept {
    // OpenCV's (0, 0) is the centre of a pixel, ours its corner. Clamp far-away points: OpenCV's fixed point would
    // overflow.
    const auto convert = [](float value, int origin) {
        const float local = value - 0.5F - static_cast<float>(origin);
        return static_cast<int>(std::lround(std::clamp(local, -20'000.0F, 20'000.0F) * sixteenths));
    };
    return {convert(at.x, area_.x), convert(at.y, area_.y)};
}

void paint_layer::line(point from, point to, int thickness) {
    cv::line(mask_, fixed(from), fixed(to), 255, thickness, cv::LINE_AA, shift);
}

void paint_layer::arc(point centre, float radius_x, float radius_y, float tilt_degrees, float from_degrees,
                      float to_degrees, int thickness) {
    const cv::Size axes(static_cast<int>(std::lround(radius_x * sixteenths)),
                        static_cast<int>(std::lround(radius_y * sixteenths)));
    if (axes.width <= 0 || axes.height <= 0) return;
    cv::ellipse(mask_, fixed(centre), axes, tilt_degrees, from_degrees, to_degrees, 255, thickness, cv::LINE_AA, shift);
}

void paint_layer::disc(point centre, float radius) {
    cv::circle(mask_, fixed(centre), std::max(static_cast<int>(std::lround(radius * sixteenths)), 1), 255, cv::FILLED,
               cv::LINE_AA, shift);
}

void paint_layer::rounded_box(rect box, float radius, int thickness) {
    const float r = std::min({radius, box.width / 2, box.height / 2});
    const float right = box.x + box.width;
    const float bottom = box.y + box.height;
    line({box.x + r, box.y}, {right - r, box.y}, thickness);
    line({box.x + r, bottom}, {right - r, bottom}, thickness);
    line({box.x, box.y + r}, {box.x, bottom - r}, thickness);
    line({right, box.y + r}, {right, bottom - r}, thickness);
    arc({box.x + r, box.y + r}, r, r, 180, 0, 90, thickness);
    arc({right - r, box.y + r}, r, r, 270, 0, 90, thickness);
    arc({right - r, bottom - r}, r, r, 0, 0, 90, thickness);
    arc({box.x + r, bottom - r}, r, r, 90, 0, 90, thickness);
}

void paint_layer::filled_rounded_box(rect box, float radius) {
    const float r = std::min({radius, box.width / 2, box.height / 2});
    const auto fill = [this](float x0, float y0, float x1, float y1) {
        cv::rectangle(mask_, fixed({x0, y0}), fixed({x1, y1}), 255, cv::FILLED, cv::LINE_AA, shift);
    };
    fill(box.x + r, box.y, box.x + box.width - r, box.y + box.height);
    fill(box.x, box.y + r, box.x + box.width, box.y + box.height - r);
    for (const float x : {box.x + r, box.x + box.width - r}) {
        for (const float y : {box.y + r, box.y + box.height - r})
            disc({x, y}, r);
    }
}

float text_width(const std::string& words, float cap_height) {
    int baseline = 0;
    const cv::Size size = cv::getTextSize(words, font, font_scale, font_thickness, &baseline);
    return static_cast<float>(size.width) * cap_height / font_cap_height;
}

void paint_layer::text(const std::string& words, float left, float middle_y, float cap_height) {
    const cv::Mat drawn = draw_text(words);
    const float factor = cap_height / font_cap_height;
    // Position with subpixel precision, so that the label of a slowly moving face does not jitter.
    const float top = middle_y - factor * static_cast<float>(drawn.rows) / 2;
    const float x = left - factor * font_margin - static_cast<float>(area_.x);
    const float y = top - static_cast<float>(area_.y);
    const cv::Matx23f placing(factor, 0, x + 0.5F * factor - 0.5F, 0, factor, y + 0.5F * factor - 0.5F);
    cv::Mat soft;
    const double blur = std::max(0.3 / factor, 0.01);
    cv::GaussianBlur(drawn, soft, {}, blur);
    cv::Mat placed;
    cv::warpAffine(soft, placed, placing, mask_.size(), cv::INTER_LINEAR, cv::BORDER_CONSTANT, 0);
    cv::max(mask_, placed, mask_);
}

void paint_layer::stamp(rgb colour, float opacity) {
    if (mask_.empty()) return;
    const yuv value = to_yuv(colour, planes_.matrix, planes_.range);
    const int strength = static_cast<int>(std::lround(std::clamp(opacity, 0.0F, 1.0F) * 256));
    for (int row = 0; row < mask_.rows; ++row) {
        const std::uint8_t* cover = mask_.ptr(row);
        std::uint8_t* luma = planes_.y.ptr(area_.y + row) + area_.x;
        for (int x = 0; x < mask_.cols; ++x) {
            if (cover[x] != 0) luma[x] = mix(luma[x], value.y, cover[x] * strength >> 8);
        }
    }
    for (int row = 0; row + 1 < mask_.rows; row += 2) {
        const std::uint8_t* upper = mask_.ptr(row);
        const std::uint8_t* lower = mask_.ptr(row + 1);
        std::uint8_t* u = planes_.u.ptr((area_.y + row) / 2) + area_.x / 2;
        std::uint8_t* v = planes_.v.ptr((area_.y + row) / 2) + area_.x / 2;
        for (int x = 0; x + 1 < mask_.cols; x += 2) {
            const int sum = upper[x] + upper[x + 1] + lower[x] + lower[x + 1];
            if (sum == 0) continue;
            const int alpha = (sum * strength >> 8) / 4;
            u[x / 2] = mix(u[x / 2], value.u, alpha);
            v[x / 2] = mix(v[x / 2], value.v, alpha);
        }
    }
    mask_.setTo(0);
}

}  // namespace faceflow::media
