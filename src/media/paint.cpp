// SPDX-License-Identifier: Apache-2.0
#include "media/paint.hpp"

#include <algorithm>
#include <cmath>
#include <opencv2/imgproc.hpp>
#include <utility>

namespace faceflow::internal::media {

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

// In 16 bits, so that a vector holds as many as possible: for a sum below 65 535, sum / 255 is exactly this.
std::uint8_t mix(std::uint8_t below, std::uint16_t above, std::uint16_t alpha) noexcept {
    const auto sum = static_cast<std::uint16_t>(below * (255 - alpha) + above * alpha + 127);
    return static_cast<std::uint8_t>((sum + 1 + (sum >> 8)) >> 8);
}

bool nothing_in(const std::uint8_t* cover, int count) noexcept {
    std::uint8_t any = 0;
    for (int i = 0; i < count; ++i)
        any = static_cast<std::uint8_t>(any | cover[i]);
    return any == 0;
}

// Blends `above` into a row, as far as it is covered. `strength`: 256 is opaque.
void blend(const std::uint8_t* __restrict cover, std::uint8_t* __restrict row, int count, int above,
           int strength) noexcept {
    for (int i = 0; i < count; ++i) {
        const auto alpha = static_cast<std::uint16_t>(cover[i] * strength >> 8);
        row[i] = mix(row[i], static_cast<std::uint16_t>(above), alpha);
    }
}

constexpr int block = 64;  // pixels of a row that are blended at once

// How opaque samples of chroma are, each below two pixels of both rows.
struct chroma_alpha {
    std::uint16_t of[block / 2];

    chroma_alpha(const std::uint8_t* __restrict upper, const std::uint8_t* __restrict lower, int samples,
                 int strength) noexcept {
        for (int i = 0; i < samples; ++i) {
            const int sum = upper[2 * i] + upper[2 * i + 1] + lower[2 * i] + lower[2 * i + 1];
            of[i] = static_cast<std::uint16_t>(sum * strength >> 10);
        }
    }
};

void blend(const chroma_alpha& alpha, std::uint8_t* __restrict row, int samples, int above) noexcept {
    for (int i = 0; i < samples; ++i)
        row[i] = mix(row[i], static_cast<std::uint16_t>(above), alpha.of[i]);
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
    mask_.create(area_.size(), CV_8U);  // rows without gaps
    std::fill_n(mask_.data, mask_.total(), std::uint8_t{0});
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

void paint_layer::touch(cv::Point at, int around) {
    const int pixels = around + 4;  // fractions of pixels, and antialiasing
    touched_ |= cv::Rect((at.x >> shift) - pixels, (at.y >> shift) - pixels, 2 * pixels + 1, 2 * pixels + 1);
}

void paint_layer::line(point from, point to, int thickness) {
    const cv::Point begin = fixed(from), end = fixed(to);
    touch(begin, thickness);
    touch(end, thickness);
    cv::line(mask_, begin, end, 255, thickness, cv::LINE_AA, shift);
}

void paint_layer::arc(const arc_shape& shape, int thickness) {
    const cv::Point centre = fixed(shape.centre);
    const cv::Size axes(static_cast<int>(std::lround(shape.radius_x * sixteenths)),
                        static_cast<int>(std::lround(shape.radius_y * sixteenths)));
    if (axes.width <= 0 || axes.height <= 0) return;
    touch(centre, (std::max(axes.width, axes.height) >> shift) + thickness);
    cv::ellipse(mask_, centre, axes, shape.tilt, shape.from, shape.to, 255, thickness, cv::LINE_AA, shift);
}

void paint_layer::disc(point centre, float radius) {
    const int size = std::max(static_cast<int>(std::lround(radius * sixteenths)), 1);
    touch(fixed(centre), size >> shift);
    cv::circle(mask_, fixed(centre), size, 255, cv::FILLED, cv::LINE_AA, shift);
}

void paint_layer::rounded_box(rect box, float radius, int thickness) {
    const float r = std::min({radius, box.width / 2, box.height / 2});
    const float right = box.x + box.width;
    const float bottom = box.y + box.height;
    line({box.x + r, box.y}, {right - r, box.y}, thickness);
    line({box.x + r, bottom}, {right - r, bottom}, thickness);
    line({box.x, box.y + r}, {box.x, bottom - r}, thickness);
    line({right, box.y + r}, {right, bottom - r}, thickness);
    const auto corner = [&](point centre, float tilt) {
        arc({.centre = centre, .radius_x = r, .radius_y = r, .tilt = tilt, .to = 90}, thickness);
    };
    corner({box.x + r, box.y + r}, 180);
    corner({right - r, box.y + r}, 270);
    corner({right - r, bottom - r}, 0);
    corner({box.x + r, bottom - r}, 90);
}

void paint_layer::filled_rounded_box(rect box, float radius) {
    const float r = std::min({radius, box.width / 2, box.height / 2});
    const auto fill = [this](float x0, float y0, float x1, float y1) {
        touch(fixed({x0, y0}), 0);
        touch(fixed({x1, y1}), 0);
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
    const auto end = [](float begin, float length, int limit) {
        return std::clamp(static_cast<int>(std::ceil(begin + length)) + 2, 0, limit);
    };
    const cv::Rect place(0, 0, end(x, factor * static_cast<float>(drawn.cols), mask_.cols),
                         end(y, factor * static_cast<float>(drawn.rows), mask_.rows));
    if (place.empty()) return;
    cv::Mat placed;
    cv::warpAffine(soft, placed, placing, place.size(), cv::INTER_LINEAR, cv::BORDER_CONSTANT, 0);
    cv::Mat under = mask_(place);
    cv::max(under, placed, under);
    touched_ |= place;
}

void paint_layer::stamp(rgb colour, float opacity) {
    const yuv value = to_yuv(colour, planes_.matrix, planes_.range);
    const int strength = static_cast<int>(std::lround(std::clamp(opacity, 0.0F, 1.0F) * 256));
    const cv::Rect touched = std::exchange(touched_, {}) & cv::Rect({}, mask_.size());
    // A sample of chroma lies below four pixels.
    const int left = touched.x & ~1, right = touched.br().x + (touched.br().x & 1);
    for (int row = touched.y & ~1; row < touched.br().y; row += 2) {
        const int y = area_.y + row;
        for (int x = left; x < right; x += block) {
            const int count = std::min(block, right - x);
            std::uint8_t* upper = mask_.ptr(row, x);
            std::uint8_t* lower = mask_.ptr(row + 1, x);
            // Most of a mask is empty: it holds lines.
            if (nothing_in(upper, count) && nothing_in(lower, count)) continue;
            blend(upper, planes_.y.ptr(y, area_.x + x), count, value.y, strength);
            blend(lower, planes_.y.ptr(y + 1, area_.x + x), count, value.y, strength);
            const int half = (area_.x + x) / 2, samples = count / 2;
            const chroma_alpha alpha(upper, lower, samples, strength);
            blend(alpha, planes_.u.ptr(y / 2, half), samples, value.u);
            blend(alpha, planes_.v.ptr(y / 2, half), samples, value.v);
            std::fill_n(upper, count, std::uint8_t{0});
            std::fill_n(lower, count, std::uint8_t{0});
        }
    }
}

}  // namespace faceflow::internal::media
