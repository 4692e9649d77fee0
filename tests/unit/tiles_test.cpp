// SPDX-License-Identifier: Apache-2.0
#include "vision/tiles.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace faceflow::internal::vision {
namespace {

// Pixels of the frame, scaled, that a tile shows.
struct span {
    std::int32_t begin, end;
};
span across(const letterbox& l) {
    return {l.x_begin - static_cast<std::int32_t>(l.left), l.x_end - static_cast<std::int32_t>(l.left)};
}
span down(const letterbox& l) {
    return {l.y_begin - static_cast<std::int32_t>(l.top), l.y_end - static_cast<std::int32_t>(l.top)};
}

TEST(frame_tiles, shows_the_whole_frame_at_its_scale) {
    for (const auto& [width, height] :
         std::vector<std::pair<int, int>>{{1920, 1080}, {1080, 1920}, {700, 500}, {1, 9000}}) {
        const frame_tiles grid(width, height, 2, 0.33f, 640, 384);
        std::int32_t right = 0, bottom = 0;
        for (std::int32_t i = 0; i < grid.count(); ++i) {
            const letterbox l = grid.tile(i);
            EXPECT_EQ(l.scale, 2);
            EXPECT_LE(across(l).begin, right) << "no gap";
            EXPECT_GE(l.x_begin, 0);
            EXPECT_LE(l.x_end, 640);
            EXPECT_LE(l.y_end, 384);
            if (across(l).begin == 0) {
                right = 0;
                EXPECT_LE(down(l).begin, bottom);
                bottom = down(l).end;
            }
            right = across(l).end;
        }
        EXPECT_EQ(right, 2 * width);
        EXPECT_EQ(bottom, 2 * height);
    }
}

TEST(frame_tiles, is_one_tile_with_padding_for_a_frame_that_fits) {
    const frame_tiles grid(300, 100, 2, 1, 640, 384);
    ASSERT_EQ(grid.count(), 1);
    const letterbox l = grid.tile(0);
    EXPECT_EQ(l.x_begin, 20);
    EXPECT_EQ(l.x_end, 620);
    EXPECT_EQ(l.y_begin, 92);
    EXPECT_EQ(l.y_end, 292);
    EXPECT_TRUE(grid.inside(0).contain({-100, -100, 1000, 1000})) << "its edges are the frame's";
}

// At a third of a frame's size faces of 72 pixels are found, which are 144 in tiles of twice its size.
TEST(frame_tiles, has_each_small_face_wholly_inside_a_tile) {
    const frame_tiles grid(1920, 1080, 2, 1.0f / 3, 1280, 768);
    constexpr float face = 72;
    for (float y = 0; y <= 1080 - face; y += 7) {
        for (float x = 0; x <= 1920 - face; x += 7) {
            bool somewhere = false;
            for (std::int32_t i = 0; i < grid.count() && !somewhere; ++i) {
                const letterbox l = grid.tile(i);
                const rect box{x * l.scale + l.left, y * l.scale + l.top, face * l.scale, face * l.scale};
                somewhere = box.x >= 0 && box.y >= 0 && box.x + box.width <= 1280 && box.y + box.height <= 768 &&
                            grid.inside(i).contain(box);
            }
            ASSERT_TRUE(somewhere) << x << ", " << y;
        }
    }
}

}  // namespace
}  // namespace faceflow::internal::vision
