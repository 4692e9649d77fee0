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

TEST(detect_size, a_picture_gets_a_closer_look_at_its_own_size) {
    EXPECT_EQ(closer_look_for({1024, 728, true}), (detect_size{1280, 928}));
    EXPECT_EQ(closer_look_for({4000, 3000, true}), (detect_size{1600, 1216}));
    EXPECT_EQ(closer_look_for({3000, 4000, true}), (detect_size{1216, 1600}));
    EXPECT_EQ(closer_look_for({4000, 3000, false}), (detect_size{}));
    EXPECT_EQ(closer_look_for({320, 240, true}), (detect_size{})) << "no closer than the first";
}

TEST(detect_size, several_sources_get_one_that_fits_each) {
    options o;
    o.detect_width = o.detect_height = 0;
    const std::vector<frame_shape> shapes = {{1920, 1080}, {1080, 1920}};
    choose_detect_size(o, shapes);
    EXPECT_EQ(o.detect_width, 640);
    EXPECT_EQ(o.detect_height, 640);
    EXPECT_EQ(o.detect_fine_width, 0);
}

TEST(detect_size, one_that_was_chosen_stays) {
    options o;
    o.detect_width = 320;
    o.detect_height = 192;
    choose_detect_size(o, std::vector<frame_shape>{{4000, 3000, true}});
    EXPECT_EQ(o.detect_width, 320);
    EXPECT_EQ(o.detect_fine_width, 0);
}

}  // namespace
}  // namespace faceflow::internal
