// SPDX-License-Identifier: Apache-2.0
// Drawing on a video's pictures: blending, and the copies that are drawn on.
#include <gtest/gtest.h>

#include <algorithm>
#include <opencv2/imgproc.hpp>
#include <random>
#include <utility>
#include <vector>

#include "media/canvas.hpp"
#include "media/paint.hpp"

namespace faceflow::internal::media {
namespace {

constexpr int wide = 240, high = 160;

struct drawing_ground {
    cv::Mat y{high, wide, CV_8U, cv::Scalar(90)};
    cv::Mat u{high / 2, wide / 2, CV_8U, cv::Scalar(110)};
    cv::Mat v{high / 2, wide / 2, CV_8U, cv::Scalar(140)};
    yuv_planes planes{y, u, v};
};

void draw_any_shape(paint_layer& layer, std::mt19937& random) {
    const auto any = [&](float from, float to) { return std::uniform_real_distribution<float>(from, to)(random); };
    const auto place = [&] { return point{any(-80, wide + 80), any(-80, high + 80)}; };
    const int thickness = std::uniform_int_distribution<int>(1, 9)(random);
    const point at = place();
    const rect box{at.x, at.y, any(1, 150), any(1, 150)};
    switch (std::uniform_int_distribution<int>(0, 5)(random)) {
        case 0: return layer.line(at, place(), thickness);
        case 1: return layer.arc({at, any(0, 60), any(0, 60), any(0, 360), any(0, 180), any(180, 360)}, thickness);
        case 2: return layer.disc(at, any(0, 30));
        case 3: return layer.rounded_box(box, any(0, 40), thickness);
        case 4: return layer.filled_rounded_box(box, any(0, 40));
        default: return layer.text("#1234", at.x, at.y, any(6, 60));
    }
}

// What a stamp left in the mask would show with the next one.
TEST(drawing, a_stamp_takes_all_of_its_shapes) {
    std::mt19937 random(7);
    for (int round = 0; round < 3000; ++round) {
        drawing_ground ground;
        paint_layer layer(ground.planes, {0, 0, wide, high});
        draw_any_shape(layer, random);
        if (round % 2 == 0) draw_any_shape(layer, random);
        layer.stamp({255, 255, 255}, 0);
        // From a corner to the opposite one: whatever lies between is stamped, too.
        layer.disc({2, 2}, 1);
        layer.disc({wide - 2, high - 2}, 1);
        layer.stamp({255, 0, 0}, 1);
        ground.y(cv::Rect(0, 0, 6, 6)).setTo(90);
        ground.y(cv::Rect(wide - 6, high - 6, 6, 6)).setTo(90);
        ASSERT_EQ(cv::countNonZero(ground.y != 90), 0) << "round " << round;
    }
}

TEST(drawing, blends_every_value_by_its_rounded_share) {
    constexpr rgb orange{255, 140, 66};
    const yuv value = to_yuv(orange, colour_matrix::bt709, colour_range::limited);
    for (int percent = 0; percent <= 100; ++percent) {
        const float opacity = static_cast<float>(percent) / 100;
        drawing_ground ground;
        for (int x = 0; x < wide; ++x) {
            ground.y.col(x).setTo(x);
            ground.u.col(x / 2).setTo(255 - x);
        }
        const cv::Mat luma = ground.y.clone(), u = ground.u.clone();
        paint_layer layer(ground.planes, {0, 0, wide, high});
        layer.filled_rounded_box({-20, -20, wide + 40, high + 40}, 0);
        layer.stamp(orange, opacity);
        const int strength = static_cast<int>(std::lround(opacity * 256));
        const int alpha = 255 * strength >> 8;
        const auto blended = [&](int below, int above) { return (below * (255 - alpha) + above * alpha + 127) / 255; };
        for (int x = 0; x < wide; ++x) {
            ASSERT_EQ(ground.y.at<std::uint8_t>(high / 2, x), blended(luma.at<std::uint8_t>(0, x), value.y)) << x;
            ASSERT_EQ(ground.u.at<std::uint8_t>(high / 4, x / 2), blended(u.at<std::uint8_t>(0, x / 2), value.u)) << x;
        }
    }
}

TEST(drawing, a_line_is_smooth_in_luma_and_chroma) {
    drawing_ground ground;
    paint_layer layer(ground.planes, {0, 0, wide, high});
    layer.line({20, 20}, {200, 91}, 3);
    layer.stamp({255, 255, 255}, 1);
    std::vector<bool> seen(256);
    for (int y = 0; y < high; ++y) {
        for (int x = 0; x < wide; ++x)
            seen[ground.y.at<std::uint8_t>(y, x)] = true;
    }
    EXPECT_GT(std::ranges::count(seen, true), 30);
    double low = 0, high_chroma = 0;
    cv::minMaxLoc(ground.u, &low, &high_chroma);
    EXPECT_EQ(low, 110);
    EXPECT_GT(high_chroma, 120);
}

struct grey_picture {
    std::vector<std::uint8_t> pixels;
    image picture;

    grey_picture(int width, int height, std::uint8_t value)
        : pixels(static_cast<std::size_t>(width) * static_cast<std::size_t>(height) * 3 / 2, value) {
        const std::size_t luma = static_cast<std::size_t>(width) * static_cast<std::size_t>(height);
        picture.format = pixel_format::i420;
        picture.width = width;
        picture.height = height;
        picture.planes[0] = {pixels.data(), width};
        picture.planes[1] = {pixels.data() + luma, width / 2};
        picture.planes[2] = {pixels.data() + luma * 5 / 4, width / 2};
    }
};

TEST(canvas, a_converted_picture_is_the_same_straight_and_turned) {
    std::vector<std::uint8_t> pixels(std::size_t{64} * 48 * 3);
    for (std::size_t i = 0; i < pixels.size(); ++i)
        pixels[i] = static_cast<std::uint8_t>(i / 192 * 5);  // rows of grey
    image picture;
    picture.format = pixel_format::rgb24;
    picture.matrix = colour_matrix::rgb;
    picture.width = 64;
    picture.height = 48;
    picture.planes[0] = {pixels.data(), 192};
    canvas_maker canvases(canvas_format_of(picture));
    const auto straight = canvases.make(picture);
    picture.turn = rotation::cw180;
    const auto turned = canvases.make(picture);
    ASSERT_TRUE(straight && turned);
    cv::Mat back;
    cv::rotate(canvases.planes_of(**turned).y, back, cv::ROTATE_180);
    EXPECT_EQ(cv::countNonZero(back != canvases.planes_of(**straight).y), 0);
}

TEST(canvas, a_picture_of_another_size_between_is_scaled_and_changes_nothing_after_it) {
    const grey_picture usual(64, 48, 50), larger(128, 96, 77);
    canvas_maker canvases(canvas_format_of(usual.picture));
    for (const grey_picture* next : {&usual, &larger, &usual}) {
        const auto made = canvases.make(next->picture);
        ASSERT_TRUE(made);
        EXPECT_EQ((*made)->width, 64);
        const yuv_planes planes = canvases.planes_of(**made);
        EXPECT_EQ(cv::countNonZero(planes.y != next->pixels.front()), 0);
    }
}

}  // namespace
}  // namespace faceflow::internal::media
