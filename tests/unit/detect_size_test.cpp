// SPDX-License-Identifier: Apache-2.0
#include "engine/detect_size.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace faceflow::internal {
namespace {

TEST(detect_size, follows_the_shape_of_frames_and_keeps_their_number_of_pixels) {
    EXPECT_EQ(detect_size_for({1920, 1080}), (detect_size{640, 384}));
    EXPECT_EQ(detect_size_for({1280, 720}), (detect_size{640, 384}));
    EXPECT_EQ(detect_size_for({1080, 1920}), (detect_size{384, 640}));
    EXPECT_EQ(detect_size_for({1000, 1000}), (detect_size{480, 480}));
    EXPECT_EQ(detect_size_for({0, 0}), (detect_size{640, 384}));
    for (std::int32_t width = 1; width < 20'000; width = width * 3 / 2 + 1) {
        for (std::int32_t height = 1; height < 20'000; height = height * 3 / 2 + 1) {
            const detect_size size = detect_size_for({width, height});
            EXPECT_EQ(size.width % 32, 0);
            EXPECT_EQ(size.height % 32, 0);
            EXPECT_GE(size.width, 64);
            EXPECT_GE(size.height, 64);
            EXPECT_LE(size.width * size.height, 640 * 384) << width << 'x' << height;
            EXPECT_LE(std::max(size.width, size.height), 4096);
        }
    }
}

TEST(detect_size, tiles_show_a_picture_larger_than_it_is_and_a_large_one_smaller) {
    EXPECT_EQ(tiles_for({1024, 728, true}), 1.25f);
    EXPECT_NEAR(tiles_for({4000, 3000, true}), 0.66f, 0.01f);
    EXPECT_EQ(tiles_for({4000, 3000, true}), tiles_for({3000, 4000, true}));
    EXPECT_EQ(tiles_for({4000, 3000, false}), 0);
    EXPECT_EQ(tiles_for({320, 240, true}), 0) << "the whole picture is seen as large";
}

TEST(detect_size, several_sources_get_one_that_fits_each) {
    options o;
    o.detect_width = o.detect_height = 0;
    o.tiles = -1;
    const std::vector<frame_shape> shapes = {{1920, 1080}, {1080, 1920}};
    choose_detection(o, shapes);
    EXPECT_EQ(o.detect_width, 640);
    EXPECT_EQ(o.detect_height, 640);
    EXPECT_EQ(o.tiles, 0);
}

TEST(detect_size, one_that_was_chosen_stays) {
    options o;
    o.detect_width = 320;
    o.detect_height = 192;
    o.tiles = -1;
    choose_detection(o, std::vector<frame_shape>{{4000, 3000, true}});
    EXPECT_EQ(o.detect_width, 320);
    EXPECT_EQ(o.tiles, 0);
}

}  // namespace
}  // namespace faceflow::internal
